"""A target: the leverage that an account should have, the limits it should be left alone in, and why.

Money is decimal; floats are statistics: probabilities, volatilities, rates, leverages and health factors that were
computed. A target carries all that it was computed from, so that it can be computed again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any, ClassVar, Literal

from defilev.errors import Infeasible, InvalidNumber, UsageError
from defilev.model.account import Notice
from defilev.model.flow import FlowValue
from defilev.model.plan import Goal
from defilev.model.target_inputs import Position, Preferences, RiskMarket

__all__ = [
    "SCHEMA",
    "Action",
    "BandLevels",
    "Ceiling",
    "Exit",
    "HorizonRisk",
    "LoopRisk",
    "Outlook",
    "Reserve",
    "Sensitivity",
    "Spiral",
    "StressResult",
    "Target",
    "Trade",
    "target_from_document",
    "target_goal",
]

SCHEMA = "defilev/target@1"

Action = Literal["hold", "deleverage", "lever-up", "close"]

_HEALTH_STEP = Decimal("0.0001")
_HIGHEST_HEALTH = 1e9


@dataclass(frozen=True, slots=True)
class HorizonRisk:
    """The chance of liquidation within `days` by three models; `None` where a model does not apply.

    `calibrated` is the one that decides, `low` and `high` the same at a volatility 15 % lower and higher.
    """

    days: float
    calibrated: float | None
    low: float | None
    high: float | None
    jumps: float | None
    lognormal: float

    @property
    def deciding(self) -> float:
        """The calibrated chance, and the lognormal one where there is none."""
        return self.lognormal if self.calibrated is None else self.calibrated


@dataclass(frozen=True, slots=True)
class Outlook:
    """What holding a leverage means; yearly figures per unit of equity.

    `borrow_rate` is the market's own at the utilisation that this debt brings. `carry` is what the collateral earns
    less what the debt costs, `decay` the volatility drag if the leverage is held constant, `implied_return` the yearly
    price drift at which it would be growth-optimal, `growth` the log growth per year under the stated view or prior.
    `expected_loss` is to a first and a second liquidation within the chosen horizon, in quote units. `interest_days` is
    the time until interest alone liquidates, `None` when never.
    """

    name: str
    leverage: float
    health_factor: float | None
    risks: tuple[HorizonRisk, ...]
    borrow_rate: float
    carry: float
    decay: float
    implied_return: float | None
    growth: float | None
    expected_loss: Decimal | None
    interest_days: float | None


@dataclass(frozen=True, slots=True)
class Ceiling:
    """A limit on leverage: `hard` ones bind, `advice` is said.

    `leverage` is `None` when the limit allows any. `exceeded` says that the account is above it now.
    """

    name: str
    kind: Literal["hard", "advice"]
    text: str
    leverage: float | None
    health_factor: float | None
    exceeded: bool
    binding: bool = False


@dataclass(frozen=True, slots=True)
class BandLevels:
    """The no-trade band as health factors: leave alone between the triggers, and outside trade to the level next to it.

    A level is `None` where it would mean no debt, or where the objective never trades. `trades_per_year` and
    `cost_rate` (log growth per year) are estimates of what keeping it takes, `None` where the theory says nothing.
    `reaction` is the health factor that leaves time to react, and `reaction_binds` whether it set the danger side.
    """

    trigger_low: float | None
    trade_to_low: float | None
    trade_to_high: float | None
    trigger_high: float | None
    trades_per_year: float | None
    cost_rate: float | None
    reaction: float | None
    reaction_binds: bool


@dataclass(frozen=True, slots=True)
class Trade:
    """What to do now: bring health to `health_factor` (`None`: owe nothing); amounts are estimates in quote units.

    `sale` is collateral sold and repaid (negative: bought with new debt), `cost` fees, slippage and gas. `waiting` is
    what one more day off target costs.
    """

    action: Action
    health_factor: float | None
    leverage: float | None
    sale: Decimal
    cost: Decimal
    waiting: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """How the lowest hard ceiling on debt that is there moves when an assumption does; `None` for no limit."""

    change: str
    before: float | None
    after: float | None


@dataclass(frozen=True, slots=True)
class Reserve:
    """The debt asset to hold ready for a move against the account, in quote units.

    `move` is relative. `to_survive` keeps health at 1, `to_stay` at the band's danger trigger.
    """

    move: float
    health_factor: float | None
    to_survive: Decimal
    to_stay: Decimal


@dataclass(frozen=True, slots=True)
class Spiral:
    """Whether selling collateral to repay raises health, or moves the price so far that it lowers it.

    `sale` is the sale looked at, in quote units: the one advised, else what would repay all debt. It lowers health at
    first when it moves the oracle's price by `critical_move` or more (a fraction; `critical_impact` per quote unit
    sold). `move` is what it does to the pools' price, and `helps` whether that is less; both `None` where no venue
    tells. `toxic_loan_to_value` is where a liquidation begins to lower health, `None` where the bonus is not known.
    """

    sale: Decimal
    critical_impact: float
    critical_move: float
    move: float | None
    helps: bool | None
    toxic_loan_to_value: float | None


@dataclass(frozen=True, slots=True)
class StressResult:
    """What a deterministic scenario does at once.

    `equity_change` is relative to the equity now, a liquidation's bonus taken off; −1 is all of it. `sale` in quote
    units brings health back to the band's danger trigger, for `cost` in all, and moves the pools by `move`: zero where
    none is needed, `None` where no sale gets there.
    """

    name: str
    health_factor: float | None
    liquidated: bool
    equity_change: float
    sale: Decimal | None
    cost: Decimal | None
    move: float | None


@dataclass(frozen=True, slots=True)
class Exit:
    """What unwinding costs when the collateral sells at `discount` to its oracle price, as a share of equity."""

    discount: float
    share: float


@dataclass(frozen=True, slots=True)
class LoopRisk:
    """The risks of collateral and debt that move together, whose price risk is nearly none.

    Days are until interest alone liquidates, `None` when never: at today's rates, when the collateral stops earning
    (its rate is capped), and when borrowing costs `spike_rate` for good. `spike_health` is health after such a spike of
    `spike_days`. `depeg` is the fall of the collateral against the debt that liquidates; a rate-priced oracle does not
    see the market's. `threshold_cut` is by how much the threshold may be cut, as a fraction of collateral.
    """

    interest_days: float | None
    capped_days: float | None
    spike_rate: float
    spike_days: float
    spike_health: float | None
    depeg: float | None
    market_priced: bool
    threshold_cut: float
    exits: tuple[Exit, ...]


@dataclass(frozen=True, slots=True)
class Target(FlowValue):
    """The answer.

    `binding` names what decided: a ceiling, or the objective itself. `target.leverage` of 1 means to hold no debt.
    `position`, `risk_market` and `preferences` are all that it was computed from.
    """

    SCHEMA: ClassVar[str] = SCHEMA

    position: Position
    risk_market: RiskMarket
    preferences: Preferences
    now: Outlook
    target: Outlook
    alternatives: tuple[Outlook, ...]
    ceilings: tuple[Ceiling, ...]
    binding: str
    band: BandLevels
    trade: Trade
    sensitivities: tuple[Sensitivity, ...]
    reserves: tuple[Reserve, ...]
    loop: LoopRisk | None
    notices: tuple[Notice, ...]
    spiral: Spiral | None = None
    stress: tuple[StressResult, ...] = ()


def target_from_document(document: Any) -> Target:
    """Return the target that a document describes.

    Raises:
        UsageError: another schema, or a field that is missing or wrong.
    """
    if not isinstance(document, Mapping) or document.get("schema") != SCHEMA:
        raise UsageError(
            f"not a {SCHEMA} document", fix="make it with `defilev target … --json`, for an account with a position"
        )
    return Target.from_document(document)


def target_goal(target: Target) -> Goal:
    """Return the goal that brings the account to its target, for a plan.

    The health factor is rounded up to four places.

    Raises:
        Infeasible: the target leaves the account alone.
        InvalidNumber: its health factor is none to aim at.
    """
    trade = target.trade
    if trade.action == "hold":
        raise Infeasible(
            f"the target leaves this account alone: {trade.reason}",
            fix="nothing needs doing; name another goal with --to-health-factor",
        )
    if trade.health_factor is None:
        return Goal("close", None)
    if not 1 < trade.health_factor <= _HIGHEST_HEALTH:
        raise InvalidNumber(
            f"the target's health factor {trade.health_factor:g} is not between 1 and {_HIGHEST_HEALTH:g}",
            fix="work it out again with `defilev target`, or use --close",
        )
    return Goal("health-factor", Decimal(repr(trade.health_factor)).quantize(_HEALTH_STEP, ROUND_CEILING))
