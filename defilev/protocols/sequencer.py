"""Whether a rollup's sequencer is up, and what Aave markets forbid while it is not and shortly after; sans-I/O.

Chainlink's L2 sequencer uptime feed answers 0 while it is up and 1 while it is down; `startedAt` is when that began.
Aave's PriceOracleSentinel (releases up to 3.6) forbids borrowing, and liquidating accounts that are not far below one,
until its grace period after a restart is over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from defilev.abi import interface
from defilev.abi.address import ZERO_ADDRESS
from defilev.abi.answers import decode_optional
from defilev.model.account import Notice
from defilev.model.request import Address, Block, CallResult, Read

__all__ = ["GRACE", "NOT_UP", "Sequencing", "read_sequencing"]

GRACE = 3600
"""Seconds after a restart in which consumers of feeds wait, as Chainlink's documentation and Aave's markets have it."""

UP, DOWN = 0, 1
NOT_UP = frozenset({"sequencer-down", "sequencer-unknown"})
"""Notices under which nothing may be signed."""

_SENTINEL_CALLS = ("isBorrowAllowed", "isLiquidationAllowed", "getGracePeriod")


@dataclass(frozen=True, slots=True)
class Sequencing:
    """What to know of the sequencer at a block, and by PoolAddressesProvider what a market's sentinel forbids."""

    everywhere: tuple[Notice, ...] = ()
    by_provider: Mapping[Address, tuple[Notice, ...]] | None = None

    def of(self, provider: Address | None) -> tuple[Notice, ...]:
        """Return the notices for accounts of a market; `None` for one that is no Aave market."""
        return (*self.everywhere, *((self.by_provider or {}).get(provider, ()) if provider else ()))


def read_sequencing(feed: Address, providers: Sequence[Address], *, block: Block) -> Read[Sequencing]:
    """Read the uptime feed, and the sentinels of Aave markets that have one.

    A feed that does not answer, has no round yet, or says something else than up and down is a notice of its own:
    what nobody can tell counts as down.
    """
    ask_sentinel = interface("aave_v3_addresses_provider")["getPriceOracleSentinel"]
    ask_round = interface("price_feed")["latestRoundData"]
    told, *found = yield [ask_round.call(feed), *(ask_sentinel.call(provider) for provider in providers)]
    sentinels: dict[Address, Address] = {}
    for provider, result in zip(providers, found, strict=True):
        known = decode_optional(ask_sentinel, result)
        if known and known[0] != ZERO_ADDRESS:
            sentinels[provider] = known[0]
    everywhere = tuple(_of_feed(decode_optional(ask_round, told), block))
    if not sentinels:
        return Sequencing(everywhere)
    functions = interface("price_oracle_sentinel")
    calls = [functions[name].call(sentinel) for sentinel in sentinels.values() for name in _SENTINEL_CALLS]
    results = yield calls
    size = len(_SENTINEL_CALLS)
    said = {
        provider: tuple(_of_sentinel(results[place * size : (place + 1) * size]))
        for place, provider in enumerate(sentinels)
    }
    return Sequencing(everywhere, said)


def _of_feed(told: tuple[Any, ...] | None, block: Block) -> Iterator[Notice]:
    if told is None:
        yield Notice("sequencer-unknown", "the sequencer uptime feed does not answer: nothing is signed")
        return
    _, answer, since, *_ = told
    if since == 0 or answer not in (UP, DOWN):
        yield Notice(
            "sequencer-unknown", f"the sequencer uptime feed answers {answer} since {since}: nothing is signed"
        )
    elif answer == DOWN:
        yield Notice("sequencer-down", f"the sequencer is down since {since}: nothing is signed until it is up again")
    elif block.timestamp - since <= GRACE:
        age = max(block.timestamp - since, 0)
        yield Notice("sequencer-restarted", f"the sequencer is up again since {age} s: prices may still catch up")


def _of_sentinel(results: Sequence[CallResult]) -> Iterator[Notice]:
    functions = interface("price_oracle_sentinel")
    answers = [decode_optional(functions[name], result) for name, result in zip(_SENTINEL_CALLS, results, strict=True)]
    may_borrow, may_liquidate, grace = (answer[0] if answer else None for answer in answers)
    if may_borrow is False:
        yield Notice("borrow-disabled", "the market's sentinel lets nobody borrow now")
    if may_liquidate is False:
        length = "its grace period" if grace is None else f"{grace} s"
        yield Notice(
            "liquidation-grace",
            f"nobody above a health of 0.95 is liquidated until the sequencer has been up for {length}: act now",
        )
