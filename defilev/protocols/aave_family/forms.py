"""An Aave v3 account as linear forms of its price drivers."""

from __future__ import annotations

from defilev.model.account import Leg, LendingAccount
from defilev.model.exposure import Driver, Exposure, Term
from defilev.model.request import Address
from defilev.protocols.aave_family.state import AaveState
from defilev.units import BPS, RAY

__all__ = ["exposure"]


def exposure(account: LendingAccount, *, stable: frozenset[Address]) -> Exposure:
    """Return capacity Σ threshold·collateral, requirement Σ debt and equity, per asset, in quote units.

    Idle supply is left out: the contract does not count it. Assets in `stable` are meant to stay at one.
    """
    counted = [leg for leg in account.legs if leg.side == "borrow" or leg.used_as_collateral]
    assets = {leg.asset.address: leg for leg in counted}
    terms = tuple(_term(account, [leg for leg in counted if leg.asset.address == asset]) for asset in assets)
    feeds = {leg.price.driver: leg for leg in assets.values()}
    drivers = tuple(_driver(account.state, feed, leg, stable) for feed, leg in feeds.items())
    return Exposure(account.protocol, account.market, account.owner, drivers, terms)


def _term(account: LendingAccount, legs: list[Leg]) -> Term:
    unit = 10**account.quote_decimals
    supplied = [leg for leg in legs if leg.side == "supply"]
    owed = sum(leg.value for leg in legs if leg.side == "borrow")
    collateral = sum(leg.value for leg in supplied)
    capacity = sum(leg.value * (leg.liquidation_threshold or 0) for leg in supplied)
    first = legs[0]
    return Term(
        asset=first.asset.address,
        symbol=first.asset.symbol,
        driver=first.price.driver,
        price=first.price.value / 10**first.price.decimals,
        capacity=capacity / (BPS * unit),
        requirement=owed / unit,
        equity=(collateral - owed) / unit,
        supply_rate=max((leg.rate for leg in supplied), default=0) / RAY,
        borrow_rate=max((leg.rate for leg in legs if leg.side == "borrow"), default=0) / RAY,
    )


def _driver(state: AaveState, feed: Address, leg: Leg, stable: frozenset[Address]) -> Driver:
    """Name a feed after the asset that it prices itself, and else after the asset that is held."""
    own = next((r for r in state.reserves if r.price is not None and r.price.source == feed), None)
    price = own.price if own is not None and own.price is not None else leg.price
    symbol = own.asset.symbol if own is not None else leg.asset.symbol
    token = own.asset.address if own is not None else leg.asset.address
    return Driver(feed, symbol, price.value / 10**price.decimals, token in stable)
