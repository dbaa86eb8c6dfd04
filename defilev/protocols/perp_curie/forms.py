"""A Perp v2 account as linear forms of its markets' reference prices and its collateral's.

As with every perpetual a long is a loan: it holds the base and owes what that was bought for; a short the other way
round. Capacity is what is held and what counts of the margin; requirement what is owed and the maintenance margin,
which grows with the price; equity counts collateral in full. A market and a collateral of one plain name share a
driver: both follow one feed, the market's price with the lag of its averages. Orders are taken as what they hold now.
"""

from __future__ import annotations

from collections.abc import Iterator

from defilev.model.exposure import Driver, Exposure, Term, plain_symbol
from defilev.model.perp import PerpAccount
from defilev.model.request import Address
from defilev.protocols.perp_curie import math
from defilev.protocols.perp_curie.account import PROTOCOL
from defilev.protocols.perp_curie.state import RATIO, Collateral, CurieState, Position
from defilev.units import WAD

__all__ = ["DOLLAR", "exposure"]

DOLLAR = Address("0x0000000000000000000000000000000000000348")
"""The address that Chainlink's feed registry has for the dollar: the number of its currency code, 840."""


def exposure(account: PerpAccount, *, stable: frozenset[Address]) -> Exposure:
    """Return the account's forms: a term for each market, for each collateral, and one for what is in dollars.

    Collateral in `stable` is meant to stay at one.
    """
    state: CurieState = account.state
    drivers: dict[str, Driver] = {}
    for position in state.positions:
        name, price = _plain(position), math.reference_price(position.market) / WAD
        drivers.setdefault(name, Driver(position.market.price_feed, name, price, stable=False))
    for held in state.collateral:
        driver = Driver(held.price_feed, held.token.symbol, _price(held), stable=held.token.address in stable)
        drivers.setdefault(plain_symbol(held.token.symbol), driver)
    dollar = Driver(DOLLAR, "USD", 1.0, stable=True, fixed=True)
    terms = tuple(_terms(state, drivers))
    return Exposure(PROTOCOL, account.market, account.owner, (*drivers.values(), dollar), terms)


def _plain(position: Position) -> str:
    """Return ETH for vETH: the name of a virtual token without what makes it virtual."""
    return plain_symbol(position.market.token.symbol.removeprefix("v"))


def _terms(state: CurieState, drivers: dict[str, Driver]) -> Iterator[Term]:
    maintenance, held_dollars, owed_dollars = state.rules.maintenance_ratio / RATIO, 0.0, 0.0
    for each in state.positions:
        value, token = math.position_value(each) / WAD, each.market.token
        entered = math.notional(each) / WAD
        held_dollars, owed_dollars = held_dollars + max(entered, 0.0), owed_dollars + max(-entered, 0.0)
        price, feed = math.reference_price(each.market) / WAD, drivers[_plain(each)].feed
        owed = max(-value, 0.0) + maintenance * abs(value)
        yield Term(token.address, token.symbol, feed, price, max(value, 0.0), owed, value, 0.0, 0.0)
    for held in state.collateral:
        worth, counted = math.collateral_worth(held) / WAD, math.collateral_value(held) / WAD
        feed = drivers[plain_symbol(held.token.symbol)].feed
        yield Term(held.token.address, held.token.symbol, feed, _price(held), counted, 0.0, worth, 0.0, 0.0)
    capacity, required = held_dollars + math.cash(state) / WAD, owed_dollars + math.all_funding(state) / WAD
    yield Term(DOLLAR, "USD", DOLLAR, 1.0, capacity, required, capacity - required, 0.0, 0.0)


def _price(held: Collateral) -> float:
    return float(held.price / 10**held.price_decimals)
