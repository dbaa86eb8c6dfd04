"""Forecasts of volatility from daily realised variances: EWMA, long-run mean, their blend, HAR; floor and stress.

All take the days up to the present and give a volatility per √year of 365 days; none looks ahead, none fills a day.
"""

from __future__ import annotations

import numpy as np

from defilev.errors import HistoryUnusable, InvalidNumber
from defilev.risk.arguments import Array, fraction, non_negative, positive
from defilev.risk.series import DailyVariances

__all__ = [
    "CALIBRATED_ESTIMATOR",
    "HAR_MINIMUM_DAYS",
    "ewma",
    "ewma_path",
    "half_long_run",
    "har",
    "har_design",
    "long_run",
    "rolling_mean",
    "stress_floor",
    "stress_level",
]

CALIBRATED_ESTIMATOR = "half-ewma-half-long-run"
"""The estimator that the shipped multiplier table was derived with: `half_long_run`."""

_DAYS_PER_YEAR = 365.0
_HAR_WINDOWS = (1, 7, 30)
_HAR_MINIMUM_ROWS = 60

HAR_MINIMUM_DAYS = _HAR_WINDOWS[-1] + _HAR_MINIMUM_ROWS
"""Days of variances besides the horizon below which no regression is made."""


def ewma(daily: DailyVariances, *, decay: float = 0.94) -> float:
    """Return the exponentially weighted volatility (RiskMetrics; decay 0.94 a day is a half-life of 11.2 days)."""
    return _annual(float(ewma_path(daily.variance, decay=decay)[-1]))


def ewma_path(variance: Array, *, decay: float = 0.94) -> Array:
    """Return the mean of all days up to each one with weights decay^age; no starting value is made up."""
    keep = float(fraction("decay", decay))
    level, weight, path = 0.0, 0.0, np.empty(len(variance))
    for row, value in enumerate(variance.tolist()):
        level, weight = keep * level + value, keep * weight + 1.0
        path[row] = level / weight
    return path


def long_run(daily: DailyVariances) -> float:
    """Return the volatility of the mean variance of all days."""
    return _annual(float(daily.variance.mean()))


def half_long_run(daily: DailyVariances, *, decay: float = 0.94) -> float:
    """Return the volatility of half the EWMA variance and half the long-run variance: the calibrated estimator.

    A worse point forecast than HAR and a better one for tails: an EWMA alone collapses in quiet times.
    """
    return float(np.sqrt(0.5 * ewma(daily, decay=decay) ** 2 + 0.5 * long_run(daily) ** 2))


def har(daily: DailyVariances, horizon_days: int) -> float:
    """Return the HAR forecast (Corsi 2009, windows of 1, 7 and 30 days) for the next `horizon_days`.

    The log mean variance of the next T days is regressed on the logs of the last 1, 7 and 30 days' means;
    half the residual variance turns the mean of the log into a mean. The forecast is kept within the variances seen.

    Raises:
        HistoryUnusable: fewer than 90 days besides the horizon.
        InvalidNumber: a horizon below one day.
    """
    if int(positive("horizon_days", horizon_days)) < 1:
        raise InvalidNumber("horizon_days is below one day", fix="give whole days", argument="horizon_days")
    design, target = har_design(daily.variance, horizon_days)
    if len(target) < _HAR_MINIMUM_ROWS:
        raise HistoryUnusable(
            f"{len(daily)} days of variances are too few for HAR over {horizon_days} days",
            fix=f"give {HAR_MINIMUM_DAYS + horizon_days} days, or use --volatility ewma",
        )
    past = design[: len(target)]
    coefficients = np.linalg.lstsq(past, target, rcond=None)[0]
    residual = target - past @ coefficients
    log_variance = float(design[-1] @ coefficients) + 0.5 * float(residual.var(ddof=past.shape[1]))
    return _annual(float(np.exp(np.clip(log_variance, target.min(), target.max()))))


def har_design(variance: Array, horizon_days: int) -> tuple[Array, Array]:
    """Return the regressors of every day from the 30th on (the last row is today), and the targets where known.

    Raises:
        HistoryUnusable: a day whose price did not move has no logarithm.
    """
    if (variance <= 0).any():
        raise HistoryUnusable("a day has no variance at all: its price stood still", fix="use --volatility ewma")
    longest = _HAR_WINDOWS[-1]
    means = [np.log(rolling_mean(variance, window))[longest - window :] for window in _HAR_WINDOWS]
    design = np.column_stack([np.ones(max(len(variance) - longest + 1, 0)), *means])
    ahead = np.log(rolling_mean(variance, horizon_days))
    return design, ahead[longest:]


def rolling_mean(values: Array, window: int) -> Array:
    """Return the means of every `window` values in a row; empty when there are fewer."""
    if len(values) < window:
        return np.empty(0)
    return np.asarray(np.lib.stride_tricks.sliding_window_view(values, window).mean(axis=1))


def stress_floor(daily: DailyVariances, *, asset_floor: float) -> float:
    """Return the larger of `asset_floor` and the 25th percentile of 30-day volatility over the last two years.

    A quiet month must not raise leverage without bound. `asset_floor` per √year, a setting.
    """
    months = rolling_mean(daily.variance[-730:], 30)
    floor = float(non_negative("asset_floor", asset_floor))
    return max(floor, _annual(float(np.percentile(months, 25)))) if len(months) else floor


def stress_level(daily: DailyVariances) -> float:
    """Return the 99th percentile of 7-day volatility: for reaction bounds and reports, not for growth.

    Raises:
        HistoryUnusable: fewer than 90 days.
    """
    if len(daily) < 90:
        raise HistoryUnusable(f"{len(daily)} days are too few for a stress level", fix="give 90 days or more")
    return _annual(float(np.percentile(rolling_mean(daily.variance, 7), 99)))


def _annual(daily_variance: float) -> float:
    return float(np.sqrt(_DAYS_PER_YEAR * daily_variance))
