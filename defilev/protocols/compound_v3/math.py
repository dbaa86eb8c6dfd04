"""The arithmetic of Compound v3, exact; pure integers.

Source: `CometWithExtendedAssetList` (the rules are those of `Comet`) and `CometCore`. Two clocks run in it: balances
and `absorb` count interest up to now, `isLiquidatable` and `isBorrowCollateralized` only up to the last accrual.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from operator import attrgetter
from typing import Literal

from defilev.protocols.compound_v3.state import Collateral, CometMarket, CometState, RateModel, Totals
from defilev.units import SECONDS_PER_YEAR, WAD, Ray

__all__ = [
    "INDEX_SCALE",
    "accrued",
    "balance",
    "capacity",
    "collateral_value",
    "covers",
    "debt",
    "debt_value",
    "health_factor",
    "now",
    "present_value",
    "principal_value",
    "rate_per_second",
    "utilisation",
    "value_of",
    "yearly",
]

INDEX_SCALE = 10**15
_RAY_PER_WAD = 10**9
Factor = Literal["borrow_factor", "liquidate_factor"]


def present_value(principal: int, totals: Totals) -> int:
    """Return `principal` with interest, in base units; below zero for a debt, both rounded toward zero."""
    if principal >= 0:
        return principal * totals.supply_index // INDEX_SCALE
    return -(-principal * totals.borrow_index // INDEX_SCALE)


def principal_value(value: int, totals: Totals) -> int:
    """Return the principal of a balance: a supply rounded down, a debt up."""
    if value >= 0:
        return value * INDEX_SCALE // totals.supply_index
    return -((-value * INDEX_SCALE + totals.borrow_index - 1) // totals.borrow_index)


def utilisation(totals: Totals) -> int:
    """Return what is borrowed per what is supplied in wad, at the stored indices: `getUtilization`."""
    supplied = present_value(totals.supply_principal, totals)
    return -present_value(-totals.borrow_principal, totals) * WAD // supplied if supplied else 0


def rate_per_second(model: RateModel, usage: int) -> int:
    """Return the rate at utilisation `usage`, both wad: `getSupplyRate`, `getBorrowRate`."""
    below = model.base + model.slope_low * min(usage, model.kink) // WAD
    return below + model.slope_high * (usage - model.kink) // WAD if usage > model.kink else below


def yearly(per_second: int) -> Ray:
    """Return a rate per second in wad as a yearly simple rate in ray, as the contract's own years are."""
    return Ray(per_second * SECONDS_PER_YEAR * _RAY_PER_WAD)


def accrued(market: CometMarket, *, at: int) -> Totals:
    """Return the totals with interest up to the Unix time `at`: `accruedInterestIndices`."""
    totals = market.totals
    elapsed = at - totals.at
    if elapsed <= 0:
        return totals
    usage = utilisation(totals)
    earned = rate_per_second(market.supply_rates, usage) * elapsed
    charged = rate_per_second(market.borrow_rates, usage) * elapsed
    return replace(
        totals,
        supply_index=totals.supply_index + totals.supply_index * earned // WAD,
        borrow_index=totals.borrow_index + totals.borrow_index * charged // WAD,
        at=at,
    )


def now(state: CometState) -> Totals:
    """Return the totals with interest up to the state's own time."""
    return accrued(state.market, at=state.at)


def balance(state: CometState) -> int:
    """Return the base asset supplied, in base units: `balanceOf`."""
    return max(present_value(state.principal, now(state)), 0)


def debt(state: CometState) -> int:
    """Return the base asset owed, in base units: `borrowBalanceOf`."""
    return max(-present_value(state.principal, now(state)), 0)


def value_of(market: CometMarket, amount: int) -> int | None:
    """Return the value of `amount` base units of the base asset, rounded down; `None` without a price."""
    price = market.base_price
    return None if price is None else amount * price.value // 10**market.base.decimals


def debt_value(state: CometState, totals: Totals) -> int | None:
    """Return the value of what is owed at the indices of `totals`, rounded down; `None` without a price of the base."""
    return value_of(state.market, max(-present_value(state.principal, totals), 0))


def collateral_value(collateral: Collateral, amount: int) -> int | None:
    """Return the value of `amount` base units, rounded down; `None` without a price."""
    return None if collateral.price is None else amount * collateral.price.value // collateral.scale


def capacity(state: CometState, factor: Factor) -> int | None:
    """Return the value of all collateral by `factor`, each rounded down; `None` when one of them has no price."""
    total = 0
    for counted in _counted(state, factor):
        if counted is None:
            return None
        total += counted
    return total


def covers(state: CometState, factor: Factor, totals: Totals) -> bool | None:
    """Return whether the collateral by `factor` covers the debt at the indices of `totals`.

    Feeds are read in order and only until the debt is covered, as the contract does: `None` when one that it reads has
    no price, and then it reverts. `isBorrowCollateralized` is this by the borrow factor, `isLiquidatable` its opposite
    by the liquidation factor, both at the stored totals.
    """
    if state.principal >= 0:
        return True
    owed = debt_value(state, totals)
    if owed is None:
        return None
    for counted in _counted(state, factor):
        if owed <= 0:
            return True
        if counted is None:
            return None
        owed -= counted
    return owed <= 0


def health_factor(state: CometState) -> int | None:
    """Return the collateral by its liquidation factors per debt with interest up to now, in wad, rounded down.

    Below one exactly when `absorb` would take the account; `None` when nothing is owed, or less than has a value.

    Raises:
        ValueError: a price is missing.
    """
    owed, counted = debt_value(state, now(state)), capacity(state, "liquidate_factor")
    if state.principal >= 0 or owed == 0:
        return None
    if owed is None or counted is None:
        raise ValueError("a price is missing")
    return counted * WAD // owed


def _counted(state: CometState, factor: Factor) -> Iterator[int | None]:
    weight = attrgetter(factor)
    for index, collateral in enumerate(state.market.collaterals):
        if state.holds(index):
            value = collateral_value(collateral, state.balances[index])
            yield None if value is None else value * weight(collateral) // WAD
