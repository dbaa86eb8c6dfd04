"""A price history: candles of one asset in order, checked when it is made; nothing in it was filled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from defilev.errors import HistoryUnusable

__all__ = ["DAY", "PriceHistory"]

DAY = 86_400
"""Seconds of a UTC day."""

_LARGEST_STEP = 10.0
"""A price ten times the one before it is another unit, not a market."""

_ROUNDING = 1e-9
"""Candles that were computed miss each other by this much, relative."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class PriceHistory:
    """Candles of `interval` seconds, `opens_at` the Unix second of each one's open, strictly rising.

    Prices are in one unit throughout, above zero, low ≤ open, close ≤ high. Candles may be missing; none was made up.
    `volume` is `None` when the source has none. `source` says where it comes from.

    Raises:
        HistoryUnusable: any of that does not hold; the facts name the first candle at fault.
    """

    asset: str
    interval: int
    opens_at: npt.NDArray[np.int64]
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats | None = None
    source: str = ""

    def __post_init__(self) -> None:
        if len(self) < 2:
            raise self._unusable(f"has {len(self)} candles", "give a history of 90 days or more")
        columns = (self.open, self.high, self.low, self.close)
        if any(len(column) != len(self) for column in columns):
            raise self._unusable("has columns of different lengths", "export the file again")
        self._refuse(~np.all([np.isfinite(column) for column in columns], axis=0), "a price is missing or not finite")
        self._refuse(np.min(columns, axis=0) <= 0, "a price is not above zero")
        if self.volume is not None:
            self._refuse(~(np.isfinite(self.volume) & (self.volume >= 0)), "a volume is missing, or below zero")
        bottom = np.minimum(self.open, self.close) * (1 + _ROUNDING)
        top = np.maximum(self.open, self.close) * (1 - _ROUNDING)
        self._refuse((self.low > bottom) | (self.high < top), "low and high do not enclose open and close")
        steps = np.diff(self.opens_at, prepend=self.opens_at[0] - self.interval)
        self._refuse(steps == 0, "two candles have the same time")
        self._refuse(steps < 0, "candles are not in order of time")
        self._refuse(
            steps % self.interval != 0, f"a candle is not a multiple of {self.interval} s after the one before"
        )
        before = np.concatenate([self.open[:1], self.close[:-1]])
        moved = np.abs(np.log([self.open / before, self.close / self.open])).max(axis=0)
        self._refuse(moved > np.log(_LARGEST_STEP), "the price jumps tenfold at once: the file mixes units")

    def __len__(self) -> int:
        return len(self.opens_at)

    @property
    def first(self) -> int:
        """Unix second at which the first candle opens."""
        return int(self.opens_at[0])

    @property
    def end(self) -> int:
        """Unix second at which the last candle closes."""
        return int(self.opens_at[-1]) + self.interval

    @property
    def days(self) -> float:
        """Days from the first open to the last close, missing candles included."""
        return (self.end - self.first) / DAY

    def between(self, first: int, end: int) -> PriceHistory:
        """Return the candles that open at `first` or later and close by `end`, Unix seconds."""
        chosen = (self.opens_at >= first) & (self.opens_at + self.interval <= end)
        return PriceHistory(
            self.asset,
            self.interval,
            self.opens_at[chosen],
            self.open[chosen],
            self.high[chosen],
            self.low[chosen],
            self.close[chosen],
            None if self.volume is None else self.volume[chosen],
            self.source,
        )

    def _refuse(self, fault: npt.NDArray[np.bool_], what: str) -> None:
        if fault.any():
            row = int(np.argmax(fault))
            raise self._unusable(
                f"cannot be used: {what}",
                "correct or export the file again; nothing is filled or dropped silently",
                candle=row,
                opens=np.datetime_as_string(self.opens_at[row].astype("datetime64[s]"), unit="m") + "Z",
            )

    def _unusable(self, what: str, fix: str, **facts: object) -> HistoryUnusable:
        name = self.source or "the price history"
        return HistoryUnusable(f"{name} of {self.asset} {what}", fix=fix, **facts)
