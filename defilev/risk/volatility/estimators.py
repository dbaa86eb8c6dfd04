"""Realised volatility from candles: five estimators, each annualised for a market that never closes.

Per-candle variances with log open, high, low, close relative to the open (0, u, d, c); the answer is the square root
of their mean times the candles in a 365-day year. Candles after a gap serve the range estimators; no return crosses it.
"""

from __future__ import annotations

import numpy as np

from defilev.errors import HistoryUnusable
from defilev.model.history import DAY, PriceHistory
from defilev.risk.arguments import Array
from defilev.risk.series import log_returns

__all__ = ["close_to_close", "garman_klass", "parkinson", "rogers_satchell", "yang_zhang"]

_DAYS_PER_YEAR = 365


def close_to_close(history: PriceHistory) -> float:
    """Return the volatility per √year from squared log returns between closes, no mean subtracted."""
    return _annual(history, log_returns(history) ** 2)


def parkinson(history: PriceHistory) -> float:
    """Return the volatility per √year from (u−d)²/(4 ln 2) (Parkinson 1980); biased up by a trend."""
    _, up, down, _ = _relative(history)
    return _annual(history, (up - down) ** 2 / (4.0 * np.log(2.0)))


def garman_klass(history: PriceHistory) -> float:
    """Return the volatility per √year from .511(u−d)² − .019(c(u+d)−2ud) − .383c² (Garman–Klass 1980)."""
    _, up, down, close = _relative(history)
    spread, cross = (up - down) ** 2, close * (up + down) - 2.0 * up * down
    return _annual(history, 0.511 * spread - 0.019 * cross - 0.383 * close**2)


def rogers_satchell(history: PriceHistory) -> float:
    """Return the volatility per √year from u(u−c)+d(d−c) (Rogers–Satchell 1991), whatever the trend."""
    return _annual(history, _rogers_satchell(history))


def yang_zhang(history: PriceHistory) -> float:
    """Return the volatility per √year from σ²(opening jump) + kσ²(open to close) + (1−k)·Rogers–Satchell (2000).

    k = 0.34/(1.34 + (n+1)/(n−1)) over n candles. Where candles open at the last close it is nearly Rogers–Satchell.
    """
    jump, _, _, close = _relative(history)
    followed = np.diff(history.opens_at) == history.interval
    jumps, closes = jump[1:][followed], close[1:][followed]
    if len(jumps) < 2:
        raise HistoryUnusable(f"the price history of {history.asset} has too few candles in a row", fix="give 90 days")
    n = len(jumps)
    k = 0.34 / (1.34 + (n + 1) / (n - 1))
    variance = jumps.var(ddof=1) + k * closes.var(ddof=1) + (1.0 - k) * _rogers_satchell(history)[1:][followed].mean()
    return _annual(history, np.array([variance]))


def _relative(history: PriceHistory) -> tuple[Array, Array, Array, Array]:
    """Log jump from the last close to the open (0 for the first), and high, low, close relative to the open."""
    opened, closed = np.log(history.open), np.log(history.close)
    jump = opened - np.concatenate([opened[:1], closed[:-1]])
    return jump, np.log(history.high) - opened, np.log(history.low) - opened, closed - opened


def _rogers_satchell(history: PriceHistory) -> Array:
    _, up, down, close = _relative(history)
    return np.asarray(up * (up - close) + down * (down - close))


def _annual(history: PriceHistory, variances: Array) -> float:
    if not len(variances):
        raise HistoryUnusable(f"the price history of {history.asset} has no two candles in a row", fix="give 90 days")
    per_year = _DAYS_PER_YEAR * DAY / history.interval
    return float(np.sqrt(max(float(variances.mean()), 0.0) * per_year))
