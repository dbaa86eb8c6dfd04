"""What a target is computed from: the account, how prices move, and what the user wants.

Money is decimal; floats are statistics and computed ratios.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from defilev.model.multipliers import MultiplierTable
from defilev.model.request import Address, Block

__all__ = [
    "BorrowMarket",
    "Delta",
    "Depth",
    "Jumps",
    "Objective",
    "Penalty",
    "Position",
    "Preferences",
    "RiskMarket",
    "Side",
    "StressCase",
    "VolatilityPart",
]

Objective = Literal["keep", "fixed", "ceiling", "cppi", "carry", "kelly"]
Side = Literal["long", "short", "ratio", "correlated"]


@dataclass(frozen=True, slots=True)
class BorrowMarket:
    """The debt asset's market as a kinked curve: yearly rates over utilisation, amounts in quote units.

    `rate` is the yearly borrow rate now, `liquidity` what can still be borrowed, `borrowed` what everybody owes, the
    account included.
    """

    asset: str
    optimal_usage: float
    base: float
    slope_1: float
    slope_2: float
    liquidity: Decimal
    borrowed: Decimal
    rate: float


@dataclass(frozen=True, slots=True)
class Penalty:
    """`bonus` is the liquidator's discount averaged over the collateral, `close_factor` the share of debt repaid."""

    bonus: Decimal
    close_factor: Decimal


@dataclass(frozen=True, slots=True)
class Depth:
    """What the pools of `venue` make of selling `sold` for `bought`.

    `impact` is by how much of itself the price falls per quote unit sold, measured on a sale of `largest` quote units.
    """

    venue: str
    sold: str
    bought: str
    impact: float
    largest: Decimal


@dataclass(frozen=True, slots=True)
class Delta:
    """What the account gains in quote units when an asset's price doubles, and the asset's beta to the first one.

    `beta` is `None` where no history gives one.
    """

    asset: str
    value: Decimal
    beta: float | None


@dataclass(frozen=True, slots=True)
class StressCase:
    """The account after a deterministic scenario, in quote units: what counts, what is owed, what is held and left.

    `capacity`, `requirement` and `collateral` at the oracle, `equity` at what the market pays. `gas` and `depth`
    multiply the cost of a transaction and the depth of the pools.
    """

    name: str
    liquidated: bool
    capacity: Decimal
    requirement: Decimal
    collateral: Decimal
    equity: Decimal
    gas: float
    depth: float


@dataclass(frozen=True, slots=True)
class Position:
    """An account as the optimizer sees it; values in quote units, ratios as fractions, rates continuous per year.

    `health_factor` is `None` when nothing is owed. `liquidation_threshold` and `loan_to_value` are averages over the
    collateral. `side`: `long` (volatile collateral, stable debt), `short` (the reverse), `ratio` (both volatile),
    `correlated` (both on one driver). `risky_asset` names what the return view is about, the heaviest first,
    `collateral_asset` and `debt_asset` what is held and owed, the largest first. `supply_rate` has what the
    user stated on top of the market's (`stated_yield`). `liquidation_bonus` and `close_factor` are the protocol's.
    `depeg` is the relative fall of the collateral against the debt that liquidates, `None` without such a pair;
    `market_priced` whether the oracle would see one. `moving_share` is the share of the capacity (`short`: of the debt)
    that a fall (rise) of the volatile assets moves. `depth` is what selling does to the pools, `None` where no venue
    tells; `deltas` the account's net delta by driver, the largest first, and `stress_cases` itself after each scenario.
    `quote` is the currency of the values, `market_label` what people call the market, empty when that is its name.
    """

    chain_id: int
    block: Block
    protocol: str
    market: str
    owner: Address
    collateral_value: Decimal
    debt_value: Decimal
    health_factor: float | None
    liquidation_threshold: float
    loan_to_value: float
    supply_rate: float
    borrow_rate: float
    side: Side
    risky_asset: str
    collateral_asset: str
    debt_asset: str
    stated_yield: float = 0.0
    liquidation_bonus: float | None = None
    close_factor: float = 0.5
    borrow_market: BorrowMarket | None = None
    depeg: float | None = None
    market_priced: bool = True
    moving_share: float = 1.0
    depth: Depth | None = None
    deltas: tuple[Delta, ...] = ()
    stress_cases: tuple[StressCase, ...] = ()
    quote: str = "USD"
    market_label: str = ""

    @property
    def equity_value(self) -> Decimal:
        """Collateral minus debt."""
        return self.collateral_value - self.debt_value

    @property
    def leverage(self) -> float:
        """Collateral divided by equity; the equity is above zero."""
        return float(self.collateral_value / self.equity_value)


@dataclass(frozen=True, slots=True)
class VolatilityPart:
    """One figure behind a volatility, per √year: an estimate, an implied one, a floor; `note` says from what."""

    name: str
    value: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Jumps:
    """Jumps of ln(health factor): per year, the share up, and their mean sizes up and down."""

    intensity: float
    up_share: float
    mean_up: float
    mean_down: float


@dataclass(frozen=True, slots=True)
class RiskMarket:
    """How prices move; volatilities per √year.

    `volatility` is that of ln(health factor), `exposure_volatility` that of the exposure that leverage multiplies, and
    `stress_volatility` a bad week's, `None` when no history says. `drift` is that of ln(health factor) without carry:
    Itô terms only, since no mean is inferred from prices. `jumps` are part of `volatility`, `stress_jumps` of
    `stress_volatility`. `correlation` is the one assumed between drivers where no history gives one, `None` where none
    was needed. `notes` are for the reader.
    """

    volatility: float
    exposure_volatility: float
    drift: float
    method: str
    parts: tuple[VolatilityPart, ...] = ()
    stress_volatility: float | None = None
    jumps: Jumps | None = None
    table: MultiplierTable | None = None
    correlation: float | None = None
    notes: tuple[str, ...] = ()
    stress_jumps: Jumps | None = None


@dataclass(frozen=True, slots=True)
class Preferences:
    """What the user wants, and the assumptions of the machine; `None` is not stated.

    `horizon_days` and `maximum_probability` are the budget for liquidation. `health_factor` and `leverage` are the
    user's own target, `floor` the share of equity to keep. `prior_sharpe` over `risk_free_rate`, `information_years`
    and `drawdown_floor` are priors: advice only. `reaction_hours` pass until a transaction of ours lands, and
    `reaction_probability` is the chance allowed for liquidation meanwhile. `proportional_cost` is per value traded, one
    way, and `gas_value` per rebalance in quote units.
    """

    objective: Objective = "keep"
    horizon_days: float = 7.0
    maximum_probability: float = 0.01
    risk_aversion: float = 2.0
    health_factor: float | None = None
    leverage: float | None = None
    minimum_health_factor: float | None = None
    maximum_leverage: float | None = None
    expected_return: float | None = None
    sharpe: float | None = None
    floor: float | None = None
    kelly_fraction: float = 0.5
    prior_sharpe: float = 0.5
    information_years: float = 5.0
    risk_free_rate: float = 0.04
    idle_rate: float = 0.03
    drawdown_floor: float = 0.6
    cppi_multiplier: float = 3.0
    reaction_hours: float = 1.0
    reaction_probability: float = 1e-4
    proportional_cost: float = 0.0012
    gas_value: Decimal = Decimal(0)
    compare: bool = False
