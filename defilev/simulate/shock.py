"""Shocks to a private fork: feeds and pools are moved there, and nowhere else."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from typing import Any

from defilev.abi import Transaction, interface, keccak
from defilev.abi.address import address_from_word
from defilev.abi.function import Function, selector
from defilev.chain.anvil import Anvil
from defilev.chain.fork_transaction import ForkTransaction
from defilev.errors import FeedUnmovable, PoolUnmovable, RpcRejected
from defilev.model.plan import Hop
from defilev.model.request import Address, Call, CallResult
from defilev.simulate.feed_code import ASKED, constant_contract, moved_answers
from defilev.venues.uniswap_v3.moving import (
    LIQUIDITY_SLOT,
    SLOT0,
    TICK_BITMAP,
    TICK_SPACING,
    initialized_ticks,
    scaled_tick_word,
    sqrt_price_after,
    swap_to_price,
    tick_slot,
    words_around,
)
from defilev.venues.uniswap_v3.routing import LIQUIDITY

__all__ = ["move_feed", "move_pool", "thin_pool"]

_TRADER = address_from_word(int.from_bytes(keccak(b"who moves the pools of a rehearsal")[12:], "big"))
"""Who trades on the fork: an address without a key."""

_WEI = 10**24
_GAS = 16_000_000
_CLOSE = 10**6
"""A price counts as reached within one part in this many."""


def move_feed(anvil: Anvil, feed: Address, factor: Fraction, *, name: str) -> None:
    """Multiply what `feed` answers by `factor`, by putting a contract in its place that always answers that.

    Raises:
        FeedUnmovable: nothing there answers as a price feed does.
    """
    answers = {signature: _called(anvil, Call(feed, selector(signature))) for signature in ASKED}
    found = {signature: result.data for signature, result in answers.items() if result.success}
    moved = moved_answers(found, factor) if anvil.node.code(feed) else None
    if moved is None:
        raise FeedUnmovable(f"the price of {name} comes from no feed that can be moved", feed=feed)
    anvil.set_code(feed, constant_contract(moved))


def move_pool(anvil: Anvil, router: Address, hop: Hop, factor: Fraction) -> None:
    """Multiply the price of the hop's first token in its second by `factor`, by a swap of dealt tokens.

    Raises:
        PoolUnmovable: the tokens cannot be dealt, the swap reverts, or all there is of a token does not move it so far.
    """
    sorted_tokens = sorted((hop.token_in, hop.token_out), key=lambda token: int(token.address, 16))
    is_straight = hop.token_in == sorted_tokens[0]
    start = _ask(anvil, hop, hop.pool, SLOT0)
    wanted = sqrt_price_after(start, factor if is_straight else 1 / factor)
    sold, bought = sorted_tokens if wanted < start else reversed(sorted_tokens)
    amount = _ask(anvil, hop, sold.address, interface("erc20")["totalSupply"])
    pair = (sold.address, bought.address)
    swap = swap_to_price(router, pair, hop.fee, trader=_TRADER, amount=amount, sqrt_price=wanted)
    approve = Transaction(sold.address, sold.symbol, interface("erc20")["approve"], (router, amount))
    try:
        anvil.set_balance(_TRADER, _WEI)
        anvil.deal(sold.address, _TRADER, amount)
        anvil.impersonate(_TRADER)
        is_done = _send(anvil, approve) and _send(anvil, swap)
    except RpcRejected as rejected:
        raise _unmovable(hop, str(rejected.facts.get("message", rejected.fact))) from rejected
    reached = _ask(anvil, hop, hop.pool, SLOT0)
    if not is_done or abs(reached - wanted) * _CLOSE > wanted:
        raise _unmovable(hop, f"a swap of all {sold.symbol} does not reach the price")


def thin_pool(anvil: Anvil, hop: Hop, share: Fraction) -> None:
    """Leave `share` of the pool's liquidity at every price within `moving.REACH` ticks, as if so many had withdrawn.

    Positions are pieces of many owners; what a swap meets is only their sum, and that is what is scaled: the liquidity
    in range, and what each tick adds to it. It is read back through the pool's own functions.

    Raises:
        PoolUnmovable: the pool keeps its liquidity elsewhere.
    """
    tick = _answers(anvil, hop, hop.pool, SLOT0)[1]
    spacing, before = _ask(anvil, hop, hop.pool, TICK_SPACING), _ask(anvil, hop, hop.pool, LIQUIDITY)
    words = {position: _ask(anvil, hop, hop.pool, TICK_BITMAP, position) for position in words_around(tick, spacing)}
    ticks = [found for position, word in words.items() for found in initialized_ticks(position, word, spacing)]
    kept = {tick_slot(found): anvil.storage(hop.pool, tick_slot(found)) for found in ticks}
    for slot, word in kept.items():
        anvil.set_storage(hop.pool, slot, scaled_tick_word(word, share))
    wanted = floor(before * share) + len(ticks)
    anvil.set_storage(hop.pool, LIQUIDITY_SLOT, wanted)
    if _ask(anvil, hop, hop.pool, LIQUIDITY) != wanted or not all(kept.values()):
        raise _unmovable(hop, "its liquidity is not where Uniswap v3 keeps it")


def _send(anvil: Anvil, transaction: Transaction) -> bool:
    fee = 2 * (anvil.node.block().base_fee or 0) + 1
    sent = ForkTransaction(_TRADER, transaction.to, transaction.data, _GAS, fee, 1)
    return anvil.transact(sent).succeeded


def _ask(anvil: Anvil, hop: Hop, contract: Address, function: Function, *arguments: int) -> int:
    return int(_answers(anvil, hop, contract, function, *arguments)[0])


def _answers(anvil: Anvil, hop: Hop, contract: Address, function: Function, *arguments: int) -> tuple[Any, ...]:
    """Return what a contract of the hop answers; raises `PoolUnmovable` when it does not."""
    result = _called(anvil, function.call(contract, *arguments))
    try:
        if result.success:
            return function.decode(result.data)
    except ValueError:
        pass
    raise _unmovable(hop, f"{contract} does not answer {function.name}()")


def _called(anvil: Anvil, call: Call) -> CallResult:
    return anvil.node.call(call, block="latest")


def _unmovable(hop: Hop, why: str) -> PoolUnmovable:
    pair = f"{hop.token_in.symbol}/{hop.token_out.symbol}"
    return PoolUnmovable(f"the pool of {pair} cannot be moved on the fork: {why}", pool=hop.pool)
