"""A Morpho Blue account as linear forms of its price drivers, in the loan token.

The oracle's price is a quotient, of what drives the collateral over what drives the loan token. Multiplied through by
the latter, both sides are linear: the boundary and the health factor are the contract's, whichever of the two moves.
"""

from __future__ import annotations

from defilev.model.account import Leg, LendingAccount
from defilev.model.exposure import Driver, Exposure, Term
from defilev.model.request import Address
from defilev.protocols.morpho_blue.math import collateral_value
from defilev.protocols.morpho_blue.state import MorphoState
from defilev.units import RAY, WAD

__all__ = ["exposure"]


def exposure(account: LendingAccount, *, stable: frozenset[Address]) -> Exposure:
    """Return capacity LLTV·collateral, requirement debt and equity, per asset, in loan tokens.

    What is lent is left out: the contract does not count it. Assets in `stable` are meant to stay at one.
    """
    counted = [leg for leg in account.legs if leg.side == "borrow" or leg.used_as_collateral]
    terms = tuple(_term(account, leg) for leg in counted)
    drivers: dict[Address, Driver] = {}
    for leg in sorted(counted, key=lambda leg: leg.price.ratio is not None):
        drivers.setdefault(leg.price.driver, _driver(leg, stable))
    return Exposure(account.protocol, account.market, account.owner, tuple(drivers.values()), terms)


def _driver(leg: Leg, stable: frozenset[Address]) -> Driver:
    """Name a feed as it names itself (`ETH / USD` is ETH), else after the asset; without the asset's exchange rate."""
    price = leg.price.value / 10**leg.price.decimals
    if leg.price.ratio and leg.price.ratio_decimals is not None:
        price /= leg.price.ratio / 10**leg.price.ratio_decimals
    own, slash, _ = (leg.price.driver_description or "").partition("/")
    return Driver(leg.price.driver, own.strip() if slash else leg.asset.symbol, price, leg.asset.address in stable)


def _term(account: LendingAccount, leg: Leg) -> Term:
    state: MorphoState = account.state
    unit = 10**account.quote_decimals
    is_debt = leg.side == "borrow"
    return Term(
        asset=leg.asset.address,
        symbol=leg.asset.symbol,
        driver=leg.price.driver,
        price=leg.price.value / 10**leg.price.decimals,
        capacity=0.0 if is_debt else collateral_value(state) * state.market.params.lltv / (WAD * unit),
        requirement=leg.value / unit if is_debt else 0.0,
        equity=(-leg.value if is_debt else leg.value) / unit,
        supply_rate=0.0 if is_debt else leg.rate / RAY,
        borrow_rate=leg.rate / RAY if is_debt else 0.0,
    )
