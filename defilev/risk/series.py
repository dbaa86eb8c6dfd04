"""Which part of a price history can be used: gaps are reported or refused, and so is what is too short or too old."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from defilev.errors import HistoryUnusable
from defilev.model.history import DAY, PriceHistory
from defilev.risk.arguments import Array

__all__ = [
    "LONGEST_GAP",
    "DailyReturns",
    "DailyVariances",
    "Gap",
    "daily_returns",
    "daily_variances",
    "gaps",
    "idle",
    "log_returns",
    "require_near",
    "usable",
]

LONGEST_GAP = 12 * 3600
"""Seconds of missing candles that are only reported; longer gaps inside the range in use are refused."""

LONGEST_WICK = 10.0
"""How many times beyond open and close a candle may reach; farther is a print of another unit, or of an empty book."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Missing candles: the first missing one would open at `start`, the next present one opens at `end`."""

    start: int
    end: int

    @property
    def seconds(self) -> int:
        """How long nothing is known."""
        return self.end - self.start


@dataclass(frozen=True, slots=True, eq=False)
class DailyVariances:
    """Realised variance of the logarithm per day, not annualised; `day` counts days since 1970-01-01 UTC, rising.

    `dropped` days lacked candles and are not among them.
    """

    day: npt.NDArray[np.int64]
    variance: Array
    dropped: int

    def __len__(self) -> int:
        return len(self.day)


@dataclass(frozen=True, slots=True, eq=False)
class DailyReturns:
    """Log returns from one day's last close to the next's; `dropped` lacked one of the two."""

    day: npt.NDArray[np.int64]
    value: Array
    dropped: int

    def __len__(self) -> int:
        return len(self.day)


def gaps(history: PriceHistory) -> tuple[Gap, ...]:
    """Return the stretches without candles, in order."""
    steps = np.diff(history.opens_at)
    before = np.flatnonzero(steps > history.interval)
    return tuple(Gap(int(history.opens_at[row]) + history.interval, int(history.opens_at[row + 1])) for row in before)


def usable(
    history: PriceHistory,
    *,
    days: float = 730.0,
    minimum_days: float = 90.0,
    at: int | None = None,
    maximum_age_days: float = 3.0,
    may_stand_still: bool = False,
) -> PriceHistory:
    """Return the last `days` of `history`, or all of it when it is shorter.

    Args:
        history: the candles.
        days: the range in use.
        minimum_days: what the estimator needs at least.
        at: the Unix second at which it is asked; `None` for a study of the past, which has no age.
        maximum_age_days: how long before `at` the last candle may close.
        may_stand_still: a price that does not move for hours is no fault: a feed that reports large moves only.

    Raises:
        HistoryUnusable: too short, too old, a gap of more than `LONGEST_GAP` or a wick of more than `LONGEST_WICK`
            inside; the fix names what would do.
    """
    if at is not None:
        _require_up_to_date(history, at=at, maximum_age_days=maximum_age_days)
    chosen = history.between(max(history.first, history.end - int(days * DAY)), history.end)
    if chosen.days < minimum_days:
        needed = _iso(history.end - int(minimum_days * DAY))
        raise HistoryUnusable(
            f"the price history of {history.asset} has {chosen.days:.1f} days, and {minimum_days:g} are needed",
            fix=f"give candles from {needed} on, or a figure with --volatility 65%",
        )
    silent = gaps(chosen) if may_stand_still else (*gaps(chosen), *idle(chosen))
    _refuse_holes(chosen, silent, minimum_days)
    _refuse_wicks(chosen, minimum_days)
    return chosen


def _require_up_to_date(history: PriceHistory, *, at: int, maximum_age_days: float) -> None:
    if at - history.end > maximum_age_days * DAY:
        raise HistoryUnusable(
            f"the price history of {history.asset} ends {(at - history.end) / DAY:.1f} days before the question",
            fix=f"give candles up to {_iso(at)}, or a figure with --volatility 65%",
            ends=_iso(history.end),
        )
    if history.end > at + history.interval:
        raise HistoryUnusable(
            f"the price history of {history.asset} goes on after the question, until {_iso(history.end)}",
            fix=f"give candles up to {_iso(at)}: what came later may not decide",
            ends=_iso(history.end),
        )


def idle(history: PriceHistory) -> tuple[Gap, ...]:
    """Return the stretches of `LONGEST_GAP` or more in which the price did not move, or nothing was traded.

    A volume that is zero throughout says nothing.
    """
    still = (history.high == history.low) & (history.close == history.open)
    if history.volume is not None and history.volume.any():
        still |= history.volume == 0
    edges = np.flatnonzero(np.diff(still.astype(np.int8), prepend=0, append=0))
    runs = zip(edges[::2], edges[1::2], strict=True)
    stretches = [Gap(int(history.opens_at[a]), int(history.opens_at[b - 1]) + history.interval) for a, b in runs]
    return tuple(stretch for stretch in stretches if stretch.seconds >= LONGEST_GAP)


def _refuse_holes(history: PriceHistory, holes: tuple[Gap, ...], minimum_days: float) -> None:
    long = sorted((hole for hole in holes if hole.seconds > LONGEST_GAP), key=lambda hole: hole.end)
    if long:
        last = long[-1]
        raise HistoryUnusable(
            f"the price history of {history.asset} is silent for {last.seconds / 3600:.0f} h from {_iso(last.start)}",
            fix=_what_is_left(history, last.end, minimum_days, "complete the file from its source"),
            holes=len(long),
        )


def _refuse_wicks(history: PriceHistory, minimum_days: float) -> None:
    above = history.high / np.maximum(history.open, history.close)
    below = np.minimum(history.open, history.close) / history.low
    reach = np.maximum(above, below)
    bad = np.flatnonzero(reach > LONGEST_WICK)
    if len(bad):
        row = int(bad[-1])
        end = int(history.opens_at[row]) + history.interval
        raise HistoryUnusable(
            f"the price history of {history.asset} has a wick {reach[row]:.3g} times beyond open and close",
            fix=_what_is_left(history, end, minimum_days, "correct that candle from another source"),
            candle=_iso(int(history.opens_at[row])),
            low=float(history.low[row]),
            high=float(history.high[row]),
            wicks=len(bad),
        )


def _what_is_left(history: PriceHistory, start: int, minimum_days: float, repair: str) -> str:
    """Return the range after a fault when it is long enough by itself, and how to repair the whole."""
    left = (history.end - start) / DAY
    if left < minimum_days:
        return f"{repair}: the {left:.0f} days after it are fewer than the {minimum_days:g} needed"
    return f"cut the file to {_iso(start)} to {_iso(history.end)} ({left:.0f} days), or {repair}"


def require_near(history: PriceHistory, *, price: float, factor: float = 2.0) -> None:
    """Refuse a history whose last close is not within `factor` of `price`: another asset, another unit, or cents.

    Raises:
        HistoryUnusable: the ratio of the two is among the facts.
    """
    ratio = float(history.close[-1]) / price
    if not 1 / factor <= ratio <= factor:
        raise HistoryUnusable(
            f"the price history of {history.asset} ends at {history.close[-1]:g}, and the oracle says {price:g}",
            fix="give a history of this asset in the oracle's currency and unit",
            ratio=ratio,
        )


def log_returns(history: PriceHistory) -> Array:
    """Return the log returns between closes of neighbouring candles; those across a gap are left out."""
    neighbours = np.diff(history.opens_at) == history.interval
    return np.asarray(np.diff(np.log(history.close))[neighbours])


def daily_variances(history: PriceHistory) -> DailyVariances:
    """Return each UTC day's sum of squared log returns between closes.

    A day counts when all its candles are there and the one before them; candles longer than a day are refused.

    Raises:
        HistoryUnusable: candles longer than a day, or no complete day.
    """
    complete, returns = _complete_days(history)
    per_day = DAY // history.interval
    variance = (returns[complete[:, None] + np.arange(per_day)] ** 2).sum(axis=1)
    day = (history.opens_at[complete] // DAY).astype(np.int64)
    spanned = int(history.opens_at[-1] // DAY - history.opens_at[0] // DAY)
    if not len(day):
        raise HistoryUnusable(
            f"the price history of {history.asset} has no day with all its candles",
            fix="give candles of an hour or a day that begin at 00:00 UTC, 90 days or more",
        )
    return DailyVariances(day, variance, max(0, spanned - len(day)))


def daily_returns(history: PriceHistory) -> DailyReturns:
    """Return the log returns between the last closes of neighbouring days; a day without its last candle has none."""
    _per_day(history)
    last = np.flatnonzero((history.opens_at + history.interval) % DAY == 0)
    day = (history.opens_at[last] // DAY).astype(np.int64)
    neighbours = np.diff(day) == 1
    value = np.diff(np.log(history.close[last]))[neighbours]
    return DailyReturns(day[1:][neighbours], np.asarray(value), int((~neighbours).sum()))


def _complete_days(history: PriceHistory) -> tuple[npt.NDArray[np.int64], Array]:
    """The rows at which complete days start, and the log return into every row (0 for the first)."""
    per_day = _per_day(history)
    starts = np.flatnonzero(history.opens_at % DAY == 0)
    starts = starts[(starts >= 1) & (starts + per_day <= len(history))]
    before, last = history.opens_at[starts - 1], history.opens_at[starts + per_day - 1]
    whole = (before + history.interval == history.opens_at[starts]) & (last - before == DAY)
    returns = np.diff(np.log(history.close), prepend=np.log(history.close[0]))
    return starts[whole].astype(np.int64), np.asarray(returns)


def _per_day(history: PriceHistory) -> int:
    if DAY % history.interval:
        raise HistoryUnusable(
            f"the price history of {history.asset} has candles of {history.interval} s, which do not make up a day",
            fix="give candles of an hour or a day",
        )
    return DAY // history.interval


def _iso(second: int) -> str:
    return datetime.fromtimestamp(second, tz=UTC).strftime("%Y-%m-%d %H:%M")
