"""Reads the rounds of a price feed with Chainlink's interface, newest first, as far back as is asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from defilev.abi import Function, interface
from defilev.errors import HistoryUnusable
from defilev.model.request import Address, CallResult, Read
from defilev.risk.rounds import Round

__all__ = ["PAGE", "FeedRounds", "read_rounds"]

PAGE = 500
"""Rounds in one batch: what a node answers in one call."""

_PHASE_BITS = 64
"""A proxy's round id is its aggregator's number above these bits, and the aggregator's own round in them."""


@dataclass(frozen=True, slots=True)
class FeedRounds:
    """Rounds, the newest first; `is_whole` says that the present aggregator has no older ones."""

    rounds: tuple[Round, ...]
    is_whole: bool


def read_rounds(feed: Address, *, since: int, most: int) -> Read[FeedRounds]:
    """Yield the calls for the rounds of `feed`'s present aggregator, back to the Unix time `since`.

    One batch for the newest round and the decimals, then one of `PAGE` rounds after another, at most `most` rounds.
    Rounds of earlier aggregators are left out, and so are rounds that were never answered.

    Raises:
        HistoryUnusable: the contract has no rounds.
    """
    functions = interface("price_feed")
    answers = yield [functions["latestRoundData"].call(feed), functions["decimals"].call(feed)]
    latest, scale = (
        _decoded(functions[name], result) for name, result in zip(("latestRoundData", "decimals"), answers, strict=True)
    )
    if latest is None or scale is None:
        raise HistoryUnusable(
            f"the price source {feed} has no rounds to read",
            fix="give price files with --prices DIR, or a figure with --volatility 65%",
        )
    newest, decimals = latest[0], scale[0]
    within = newest & ((1 << _PHASE_BITS) - 1)
    found: list[Round] = []
    asked = 0
    while asked < min(within, most) and not (found and found[-1].updated_at < since):
        backs = range(asked, min(asked + PAGE, within, most))
        results = yield [functions["getRoundData"].call(feed, newest - back) for back in backs]
        found += _answered(results, decimals)
        asked = backs.stop
    return FeedRounds(tuple(found), is_whole=asked == within)


def _answered(results: Iterable[CallResult], decimals: int) -> Iterable[Round]:
    for result in results:
        found = _decoded(interface("price_feed")["getRoundData"], result)
        if found is not None and found[1] > 0 and found[3] > 0:
            yield Round(found[1] / 10**decimals, found[3])


def _decoded(function: Function, result: CallResult) -> tuple[Any, ...] | None:
    """Return what a call returned, `None` when it reverted or answered something else."""
    try:
        return function.decode(result.data) if result.success and result.data else None
    except ValueError:
        return None
