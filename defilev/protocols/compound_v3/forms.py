"""A Compound v3 account as linear forms of its price drivers."""

from __future__ import annotations

from defilev.model.account import Leg, LendingAccount
from defilev.model.exposure import Driver, Exposure, Term
from defilev.model.request import Address
from defilev.protocols.compound_v3.state import CometState
from defilev.units import RAY, WAD

__all__ = ["exposure"]


def exposure(account: LendingAccount, *, stable: frozenset[Address]) -> Exposure:
    """Return capacity Σ liquidation factor·collateral, requirement, the debt with interest, and equity, per asset.

    Base asset supplied is left out: it carries no debt. Every feed is a driver of its own; that of the base asset is
    fixed when the market counts in it. Assets in `stable` are meant to stay at one.
    """
    state: CometState = account.state
    counted = [leg for leg in account.legs if leg.side == "borrow" or leg.used_as_collateral]
    fixed = state.market.base_feed if state.market.quote == state.market.base.symbol else None
    drivers = {leg.price.driver: _driver(leg, stable, fixed) for leg in counted}
    terms = tuple(_term(account, state, leg) for leg in counted)
    return Exposure(
        account.protocol,
        account.market,
        account.owner,
        tuple(drivers.values()),
        terms,
        relative=account.quote != "USD",
    )


def _term(account: LendingAccount, state: CometState, leg: Leg) -> Term:
    value = leg.value / 10**account.quote_decimals
    is_debt = leg.side == "borrow"
    factor = 0 if is_debt else state.market.collaterals[state.index_of(leg.asset.address)].liquidate_factor
    return Term(
        asset=leg.asset.address,
        symbol=leg.asset.symbol,
        driver=leg.price.driver,
        price=leg.price.value / 10**leg.price.decimals,
        capacity=value * factor / WAD,
        requirement=value if is_debt else 0.0,
        equity=-value if is_debt else value,
        supply_rate=0.0 if is_debt else leg.rate / RAY,
        borrow_rate=leg.rate / RAY if is_debt else 0.0,
    )


def _driver(leg: Leg, stable: frozenset[Address], fixed: Address | None) -> Driver:
    price, is_fixed = leg.price, leg.price.driver == fixed
    return Driver(
        feed=price.driver,
        symbol=leg.asset.symbol,
        price=price.value / 10**price.decimals,
        stable=is_fixed or leg.asset.address in stable,
        fixed=is_fixed,
    )
