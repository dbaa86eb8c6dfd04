"""A feed's rounds as candles: the answer that stands at a time is the price, since that is what liquidates.

Rounds come only when the price has moved by the feed's threshold or its heartbeat has passed, so volatility measured on
them is too low: a source for when there is no other, and to be reported as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from defilev.errors import HistoryUnusable
from defilev.model.history import DAY, PriceHistory

__all__ = ["Round", "history_from_rounds"]


@dataclass(frozen=True, slots=True)
class Round:
    """An answer of a feed: `price` in whole units of its quote, `updated_at` a Unix time."""

    price: float
    updated_at: int


def history_from_rounds(
    asset: str, rounds: Sequence[Round], *, interval: int = 3600, heartbeat: int = DAY
) -> PriceHistory:
    """Return candles of `interval` seconds between the first and the last round, in any order.

    A candle exists when the answer at its end is no older than `heartbeat` seconds; the others are missing, not filled.

    Raises:
        HistoryUnusable: fewer than two candles, or answers that are no prices.
    """
    ordered = sorted({one.updated_at: one for one in rounds}.values(), key=lambda one: one.updated_at)
    times = np.array([one.updated_at for one in ordered], dtype=np.int64)
    prices = np.array([one.price for one in ordered], dtype=np.float64)
    first = -(-int(times[0]) // interval) if len(times) else 0
    last = int(times[-1]) // interval if len(times) else 0
    if last - first < 2:
        raise HistoryUnusable(
            f"{len(times)} rounds of {asset} make no two candles", fix="read more rounds, or give a file with --prices"
        )
    bounds = np.arange(first, last + 1, dtype=np.int64) * interval
    standing = np.searchsorted(times, bounds, side="right") - 1
    fresh = bounds[1:] - times[standing[1:]] <= heartbeat
    spans = list(pairwise(standing))
    high = np.array([prices[a : b + 1].max() for a, b in spans])
    low = np.array([prices[a : b + 1].min() for a, b in spans])
    return PriceHistory(
        asset,
        interval,
        bounds[:-1][fresh],
        prices[standing[:-1]][fresh],
        high[fresh],
        low[fresh],
        prices[standing[1:]][fresh],
        source=f"{len(times)} rounds of the feed",
    )
