"""Exit of a Brownian motion with drift from an interval: a lending leg liquidated below and a hedge liquidated above.

Derived by reflection and Girsanov's theorem; the sine series is the spectral form (Borodin–Salminen 2002, 3.0.2).
"""

from __future__ import annotations

from typing import overload

import numpy as np
import numpy.typing as npt
from scipy.special import erfcx, ndtr

from defilev.risk.arguments import Array, broadcast, finite, not_nan, positive, scalar_or_array
from defilev.risk.first_passage.lognormal import passage

__all__ = ["double_barrier_exit_probability"]

_REFLECTIONS = 6
_MODES = 60
_NARROW = 0.4
"""σ√T as a share of the interval's width above which the sine series converges faster than the reflections."""


@overload
def double_barrier_exit_probability(
    lower_distance: float, upper_distance: float, volatility: float, horizon: float, drift: float = 0.0
) -> float: ...
@overload
def double_barrier_exit_probability(
    lower_distance: npt.ArrayLike,
    upper_distance: npt.ArrayLike,
    volatility: npt.ArrayLike,
    horizon: npt.ArrayLike,
    drift: npt.ArrayLike = 0.0,
) -> Array: ...
def double_barrier_exit_probability(
    lower_distance: npt.ArrayLike,
    upper_distance: npt.ArrayLike,
    volatility: npt.ArrayLike,
    horizon: npt.ArrayLike,
    drift: npt.ArrayLike = 0.0,
) -> float | Array:
    """Return the probability of leaving (−a, b) within `horizon`.

    Args:
        lower_distance: a, the log distance down to the lower barrier; 0 or less is already out, infinity is no barrier.
        upper_distance: b, the log distance up to the upper barrier; likewise.
        volatility: per √year, above zero.
        horizon: in years.
        drift: of the logarithm per year, Itô term included.

    Raises:
        InvalidNumber: NaN anywhere, or a volatility or horizon that is not above zero.
    """
    arrays = broadcast(
        not_nan("lower_distance", lower_distance),
        not_nan("upper_distance", upper_distance),
        positive("volatility", volatility),
        positive("horizon", horizon),
        finite("drift", drift),
    )
    lower, upper, sigma, years, nu = (np.maximum(array, 0.0) if i < 2 else array for i, array in enumerate(arrays))
    one_sided = passage(lower, sigma, years, nu) + passage(upper, sigma, years, -nu)
    finite_width = np.isfinite(lower + upper)
    a, b = (np.where(finite_width, side, 1.0) for side in (lower, upper))
    wide = sigma * np.sqrt(years) < _NARROW * np.maximum(a + b, np.finfo(float).tiny)
    two_sided = np.where(wide, _by_reflections(a, b, sigma, years, nu), _by_modes(a, b, sigma, years, nu))
    result = np.where(finite_width, two_sided, one_sided)
    result = np.where((lower <= 0) | (upper <= 0), 1.0, result)
    return scalar_or_array(np.asarray(np.clip(result, 0.0, np.minimum(one_sided, 1.0))))


def _by_reflections(a: Array, b: Array, sigma: Array, years: Array, nu: Array) -> Array:
    """Sum over alternating crossings (−a), (−a, b), (−a, b, −a), … with alternating sign, and their mirror."""
    exit_probability = np.zeros_like(a)
    for crossings in range(1, _REFLECTIONS + 1):
        both = _alternating(crossings, a, b, sigma, years, nu) + _alternating(crossings, b, a, sigma, years, -nu)
        exit_probability = exit_probability + (both if crossings % 2 else -both)
    return exit_probability


def _alternating(crossings: int, a: Array, b: Array, sigma: Array, years: Array, nu: Array) -> Array:
    """The probability of crossing −a, then b, then −a, … `crossings` times, ending beyond the last or short of it."""
    width, spread, shift, tilt = a + b, sigma * np.sqrt(years), nu * years, nu / (sigma * sigma)
    if crossings % 2:
        beyond, short = (crossings - 1) * width, -2.0 * a - (crossings - 1) * width
        return _weighted(tilt * beyond, (-a - beyond - shift) / spread) + _weighted(
            tilt * short, (a + short + shift) / spread
        )
    beyond, short = -2.0 * a - (crossings - 2) * width, crossings * width
    return _weighted(tilt * beyond, (beyond + shift - b) / spread) + _weighted(
        tilt * short, (b - short - shift) / spread
    )


def _weighted(log_weight: Array, x: Array) -> Array:
    """exp(log_weight)·Φ(x) without overflow."""
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        tail = 0.5 * erfcx(np.maximum(-x, 0.0) / np.sqrt(2.0)) * np.exp(np.minimum(log_weight - 0.5 * x * x, 700.0))
        body = np.exp(np.minimum(log_weight, 700.0)) * ndtr(x)
    return np.asarray(np.where(x < 0, tail, body))


def _by_modes(a: Array, b: Array, sigma: Array, years: Array, nu: Array) -> Array:
    width, tilt, spread = np.maximum(a + b, np.finfo(float).tiny), nu / sigma**2, sigma * np.sqrt(years)
    with np.errstate(over="ignore", invalid="ignore", under="ignore", divide="ignore"):
        girsanov = -0.5 * (nu / sigma) ** 2 * years
        survival = np.zeros_like(width)
        for mode in range(1, _MODES + 1):
            k = mode * np.pi / width
            decay = girsanov - 0.5 * (k * spread) ** 2
            ends = np.exp(decay - tilt * a) - (-1.0) ** mode * np.exp(decay + tilt * b)
            survival = survival + np.sin(k * a) * k / (k * k + tilt * tilt) * ends
        survival = survival * 2.0 / width
    return np.asarray(1.0 - np.where(np.isfinite(survival), survival, 0.0))
