"""Reads the rounds of a price feed with Chainlink's interface, newest first."""

from __future__ import annotations

from defilev.abi import interface
from defilev.errors import HistoryUnusable
from defilev.model.request import Address, Read
from defilev.risk.rounds import Round

__all__ = ["read_rounds"]

_PHASE_BITS = 64
"""A proxy's round id is its aggregator's number above these bits, and the aggregator's own round in them."""


def read_rounds(feed: Address, *, count: int) -> Read[tuple[Round, ...]]:
    """Yield the calls for the newest `count` rounds of `feed`'s present aggregator; return those that have an answer.

    Two batches: the newest round and the decimals, then the rounds before it. Rounds of earlier aggregators are left
    out, and so are rounds that were never answered.

    Raises:
        HistoryUnusable: the contract has no rounds.
    """
    functions = interface("price_feed")
    latest, scale = yield [functions["latestRoundData"].call(feed), functions["decimals"].call(feed)]
    if not (latest.success and scale.success and latest.data and scale.data):
        raise HistoryUnusable(f"{feed} has no rounds to read", fix="give a price file with --prices", feed=feed)
    newest, decimals = functions["latestRoundData"].decode(latest.data)[0], functions["decimals"].decode_one(scale.data)
    within = newest & ((1 << _PHASE_BITS) - 1)
    results = yield [functions["getRoundData"].call(feed, newest - back) for back in range(min(count, within))]
    decoded = [functions["getRoundData"].decode(result.data) for result in results if result.success and result.data]
    return tuple(
        Round(answer / 10**decimals, updated_at) for _, answer, _, updated_at, _ in decoded if answer > 0 and updated_at
    )
