"""How far prices really fell in units of σ̂√T, and the multipliers that follow: the derivation of a MultiplierTable.

Only the past of each start enters its σ̂; windows that cross a gap are left out, and nothing is winsorised.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from defilev.errors import HistoryUnusable
from defilev.model.history import DAY, PriceHistory
from defilev.model.multipliers import HorizonMultipliers
from defilev.risk.arguments import Array
from defilev.risk.series import DailyVariances
from defilev.risk.volatility.forecasts import ewma_path

__all__ = [
    "PROBABILITIES",
    "Excursions",
    "adverse_excursions",
    "fit_multipliers",
    "half_long_run_path",
    "standardised",
    "survival_quantiles",
]

PROBABILITIES = (
    1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1, 0.075, 0.05, 0.04, 0.03, 0.025, 0.02, 0.015,
    0.01, 0.0075, 0.005, 0.003, 0.002, 0.001,
)  # fmt: skip
"""The probabilities of a derived table; those the sample is too small for are left out."""

_TAIL_SHARE = 0.07
_EMPIRICAL_DOWN_TO = 0.01
_YEAR = 365.0


@dataclass(frozen=True, slots=True, eq=False)
class Excursions:
    """For each start day with a whole window ahead: the day, and ln(start price / lowest price within the window) ≥ 0.

    `day` counts days since 1970-01-01; the start price is that day's last close. `row` is the day's place in the daily
    variances that were given. `dropped` starts had a gap in their window, or no whole window ahead.
    """

    day: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]
    fall: Array
    dropped: int


def adverse_excursions(history: PriceHistory, daily: DailyVariances, horizon_days: int) -> Excursions:
    """Return the deepest fall of the lows within `horizon_days` after each day of `daily`.

    Raises:
        HistoryUnusable: no window of that length without a gap.
    """
    width = horizon_days * DAY // history.interval
    last = np.searchsorted(history.opens_at, (daily.day + 1) * DAY - history.interval)
    fits = last + width < len(history)
    ends = history.opens_at[np.minimum(last + width, len(history) - 1)]
    whole = fits & (ends - history.opens_at[last] == width * history.interval)
    if not whole.any():
        raise HistoryUnusable(
            f"the price history of {history.asset} has no {horizon_days} days in a row", fix="give a longer history"
        )
    starts = last[whole]
    lows = np.lib.stride_tricks.sliding_window_view(history.low, width)[starts + 1].min(axis=1)
    fall = np.maximum(np.log(history.close[starts]) - np.log(lows), 0.0)
    rows = np.flatnonzero(whole).astype(np.int64)
    return Excursions(daily.day[whole], rows, np.asarray(fall), int((~whole).sum()))


def half_long_run_path(daily: DailyVariances) -> Array:
    """Return the calibrated estimator's volatility per √year at the end of every day, from the days up to it alone."""
    expanding = np.cumsum(daily.variance) / np.arange(1, len(daily) + 1)
    return np.asarray(np.sqrt(_YEAR * 0.5 * (ewma_path(daily.variance) + expanding)))


def standardised(excursions: Excursions, volatility_path: Array, horizon_days: int) -> Array:
    """Return the falls in units of σ̂√T, `volatility_path` per √year for every day of the daily variances."""
    return np.asarray(excursions.fall / (volatility_path[excursions.row] * np.sqrt(horizon_days / _YEAR)))


def survival_quantiles(falls: Array, probabilities: tuple[float, ...]) -> Array:
    """Return the falls exceeded with each probability: empirical down to 1%, a generalised Pareto tail below.

    The tail is fitted to the largest 7% by probability-weighted moments (Hosking–Wallis 1987) and never lies below the
    empirical 1% point. Probability 1 is a fall of 0.
    """
    levels = np.array(probabilities)
    empirical = np.quantile(falls, 1.0 - np.maximum(levels, _EMPIRICAL_DOWN_TO))
    threshold = float(np.quantile(falls, 1.0 - _TAIL_SHARE))
    shape, scale = _generalised_pareto(np.sort(falls[falls > threshold] - threshold))
    growth = np.log(_TAIL_SHARE / np.minimum(levels, _EMPIRICAL_DOWN_TO))
    excess = growth if abs(shape) < 1e-9 else np.expm1(shape * growth) / shape
    tail = np.maximum(threshold + scale * excess, empirical)
    result = np.where(levels < _EMPIRICAL_DOWN_TO, tail, empirical)
    return np.maximum.accumulate(np.where(levels >= 1.0, 0.0, result))


def fit_multipliers(
    falls: Array,
    blocks: npt.NDArray[np.int64],
    *,
    horizon_days: int,
    independent_windows: int,
    generator: np.random.Generator,
    probabilities: tuple[float, ...] = PROBABILITIES,
    resamples: int = 300,
) -> HorizonMultipliers:
    """Return the multipliers of one horizon with standard errors by block bootstrap.

    Args:
        falls: pooled standardised falls of all assets.
        blocks: the calendar block of each, the same for all assets at one time: they fall together.
        horizon_days: of the windows.
        independent_windows: how many windows fit side by side in the sample's time.
        generator: the source of randomness of the bootstrap.
        probabilities: falling, from 1.
        resamples: of the bootstrap.
    """
    groups = [falls[blocks == block] for block in np.unique(blocks)]
    drawn = generator.integers(0, len(groups), size=(resamples, len(groups)))
    spread = [survival_quantiles(np.concatenate([groups[i] for i in draw]), probabilities) for draw in drawn]
    return HorizonMultipliers(
        days=float(horizon_days),
        multipliers=tuple(float(k) for k in survival_quantiles(falls, probabilities)),
        errors=tuple(float(error) for error in np.std(spread, axis=0, ddof=1)),
        windows=len(falls),
        independent_windows=independent_windows,
    )


def _generalised_pareto(excess: Array) -> tuple[float, float]:
    """Shape and scale by probability-weighted moments, the shape kept below ½ so that the tail has a variance."""
    n = len(excess)
    if n < 10:
        return 0.0, float(excess.mean()) if n else 0.0
    mean = float(excess.mean())
    weighted = float((excess * (n - np.arange(1, n + 1)) / (n - 1)).mean())
    shape = 2.0 - mean / (mean - 2.0 * weighted)
    shape = float(np.clip(shape, -0.5, 0.5))
    return shape, mean * (1.0 - shape)
