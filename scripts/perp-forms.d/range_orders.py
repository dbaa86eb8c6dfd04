"""What linear forms say of an account whose range orders a price moves through, against what the contracts then say."""

from __future__ import annotations

from math import isqrt

from defilev.abi import interface
from defilev.model.perp import PerpAccount
from defilev.protocols.perp_curie import PERP_CURIE
from defilev.protocols.perp_curie.math import (
    absolute_value,
    account_value,
    all_funding,
    margin_requirement,
    reference_price,
)
from defilev.protocols.perp_curie.state import CurieState, Position
from tests.support.curie import DEADLINE, Curie

__all__ = ["MOVES", "errors_of"]

MOVES = (-9, -5, -2, 2, 5, 9)
"""Moves of the price in hundredths; a block lets a market move by 10 % at most."""

MARKET, START = "vETH", 3_000
AVERAGES = 1_900
"""Seconds after which every average is the new price."""

ROOM = 10**27
"""More base or quote than a move takes: it ends at its price limit."""


def errors_of(curie: Curie, name: str) -> list[float]:
    """Return by move how far off the forms are: the margin left by them, less the contracts', over the new notional.

    Funding of the time that a move takes is left out: no form says anything of it.
    """
    return [_error(curie, name, move) for move in MOVES]


def _error(curie: Curie, name: str, move: int) -> float:
    snapshot = curie.world.rpc("evm_snapshot")
    before = curie.account(name)
    _move(curie, START * (100 + move) // 100)
    after = curie.account(name)
    curie.world.rpc("evm_revert", snapshot)
    state: CurieState = after.state
    begun: CurieState = before.state
    funding = all_funding(state) - all_funding(begun)
    margin = account_value(state) + funding - margin_requirement(state)
    return (_predicted(before, after) - margin / 10**18) / (absolute_value(state) / 10**18)


def _predicted(before: PerpAccount, after: PerpAccount) -> float:
    """Return what the forms of before leave above the margin at the mark price of after."""
    exposure, token = PERP_CURIE.exposure(before, stable=frozenset()), _position(before).market.token.address
    factor = reference_price(_position(after).market) / reference_price(_position(before).market)
    return sum((term.capacity - term.requirement) * (factor if term.asset == token else 1.0) for term in exposure.terms)


def _position(account: PerpAccount) -> Position:
    state: CurieState = account.state
    return next(each for each in state.positions if each.market.token.symbol == MARKET)


def _move(curie: Curie, price: int) -> None:
    """Set the index, trade the pool to the same price, and wait until every average has arrived there."""
    falls = price < START
    curie.set_index(MARKET, price * 10**8)
    curie.world.advance(AVERAGES)
    order = (curie.base(MARKET), falls, True, ROOM, 0, DEADLINE, isqrt(price << 192), bytes(32))
    data = interface("perp_curie")["openPosition"].encode(order)
    receipt = curie.world.send(curie.owners()["owner"], curie.at("clearing_house"), data)
    if receipt["status"] != "0x1":
        raise RuntimeError(f"the market does not move to {price}")
    curie.world.advance(AVERAGES)
    curie.set_index(MARKET, price * 10**8)
