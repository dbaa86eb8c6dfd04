"""A GMX v2 position as linear forms of the prices of its index and its collateral.

A long is a loan: it holds the index and owes what that was bought for; a short holds what the index was sold for, and
owes the index. Capacity is what is held and the collateral; requirement what is owed, the maintenance, the fees and the
price impact that counts; equity the difference without the maintenance. The impact and what is owed in dollars stay as
they are today, and profit is not capped: on the side where liquidation is, it never is. Funding and borrowing to come
are in no rate of these forms, since they take a part of the size; the account's legs have both rates.
"""

from __future__ import annotations

from collections.abc import Iterator

from defilev.model.exposure import Driver, Exposure, Term
from defilev.model.perp import PerpAccount
from defilev.model.request import Address
from defilev.protocols.gmx_v2 import math
from defilev.protocols.gmx_v2.account import PROTOCOL
from defilev.protocols.gmx_v2.state import FACTOR, PositionState, TokenPrice

__all__ = ["DOLLAR", "exposure"]

DOLLAR = Address("0x0000000000000000000000000000000000000348")
"""The address that Chainlink's feed registry has for the dollar: the number of its currency code, 840."""


def exposure(account: PerpAccount, *, stable: frozenset[Address]) -> Exposure:
    """Return the position's forms: a term for the index, one for the collateral, and one for what is in dollars.

    Index and collateral have one driver when they have one feed. Assets in `stable` are meant to stay at one.
    """
    state: PositionState = account.state
    drivers = {_feed(price): _driver(price, stable) for price in (state.collateral_price, state.index_price)}
    dollar = Driver(DOLLAR, "USD", 1.0, stable=True, fixed=True)
    return Exposure(PROTOCOL, account.market, account.owner, (*drivers.values(), dollar), tuple(_terms(account, state)))


def _terms(account: PerpAccount, state: PositionState) -> Iterator[Term]:
    position, collateral = state.position, state.collateral_price
    mark = math.mark_price(state.index_price, is_long=position.is_long)
    held, owed = (1.0, 0.0) if position.is_long else (0.0, 1.0)
    notional, size = position.size_in_tokens * mark / FACTOR, position.size / FACTOR
    yield _term(state.index_price, mark, capacity=held * notional, requirement=owed * notional)
    margin, funding = position.collateral_amount * collateral.low, state.charges.funding_amount * collateral.low
    yield _term(collateral, collateral.low, capacity=margin / FACTOR, requirement=funding / FACTOR)
    costs = (state.charges.total_amount - state.charges.funding_amount) * collateral.low - account.price_impact
    required, spent = held * size + (account.maintenance_margin + costs) / FACTOR, costs / FACTOR
    equity = owed * size - held * size - spent
    yield Term(DOLLAR, "USD", DOLLAR, 1.0, owed * size, required, equity, 0.0, 0.0)


def _term(price: TokenPrice, value: int, *, capacity: float, requirement: float = 0.0) -> Term:
    token = price.token
    whole = value * 10**token.decimals / FACTOR
    equity = capacity - requirement
    return Term(token.address, token.symbol, _feed(price), whole, capacity, requirement, equity, 0.0, 0.0)


def _driver(price: TokenPrice, stable: frozenset[Address]) -> Driver:
    token = price.token
    middle = (price.low + price.high) * 10**token.decimals / (2 * FACTOR)
    return Driver(_feed(price), token.symbol, middle, stable=token.address in stable)


def _feed(price: TokenPrice) -> Address:
    return price.feed or price.token.address
