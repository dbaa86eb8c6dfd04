"""A rehearsal: the shock, the account before and in it, the emergency plan, and what came of running it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from defilev.model.account import LendingAccount
from defilev.model.plan import Goal, Hop, Plan
from defilev.model.simulation import SimulationReport
from defilev.model.token import Token
from defilev.units import Wad

__all__ = ["AssetMove", "Outcome", "PoolMove", "Rehearsal", "Shock"]

Outcome = Literal["worked", "not-needed", "partial", "no-plan", "failed", "too-late"]


@dataclass(frozen=True, slots=True)
class Shock:
    """What happens on the fork; changes are relative, −0.2 a fall of a fifth.

    `prices` move a feed and all that is priced from it, `depegs` the price of one asset alone. `liquidity` is the
    change of what the pools have at every price, `gas_price` the base fee in wei; both `None` for as it is.
    """

    prices: tuple[tuple[str, Decimal], ...]
    depegs: tuple[tuple[str, Decimal], ...] = ()
    liquidity: Decimal | None = None
    gas_price: int | None = None


@dataclass(frozen=True, slots=True)
class AssetMove:
    """What the market's oracle says of one whole token, in its quote currency, before and after the shock."""

    asset: Token
    before: Decimal
    after: Decimal


@dataclass(frozen=True, slots=True)
class PoolMove:
    """A pool whose price of the hop's first token in its second was multiplied by `factor`; one that stayed has 1."""

    hop: Hop
    factor: Decimal


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What came of an emergency on a fork.

    `outcome` is `worked` when every step ran and all that the plan promises held; `not-needed` when the health factor
    is the goal after the move already; `partial` as `worked`, for a plan that stops short of the goal; `failed` when a
    step reverted or a promise was broken; `no-plan` when none could be made, for the reason in `refusal` with the
    `advice` that goes with it; `too-late` when the account is liquidatable in the shock. `plan` and `report` are `None`
    before they come about. `cost` is what the owner has less than right before the plan, in quote base units at the
    oracle's prices, and `gas_value` what its gas cost; both are `None` unless every step ran, `gas_value` also where
    the market has no price for the native asset. `base_fee` is in wei.
    """

    shock: Shock
    goal: Goal
    before: LendingAccount
    shocked: LendingAccount
    moves: tuple[AssetMove, ...]
    pools: tuple[PoolMove, ...]
    base_fee: int | None
    outcome: Outcome = "no-plan"
    plan: Plan | None = None
    report: SimulationReport | None = None
    refusal: str | None = None
    advice: str | None = None
    cost: int | None = None
    gas_value: int | None = None

    @property
    def health_after(self) -> Wad | None:
        """The contract's health factor after the plan; `None` when it did not run through, or nothing is owed then."""
        return None if self.report is None else self.report.health_factor
