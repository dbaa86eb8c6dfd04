"""First passage of ln(health factor) as a Brownian motion with drift: fixed debt, lognormal prices, closed forms.

Units: years of 365 days, volatility per √year, drift of ln(health factor) per year with the Itô term −σ²/2 included.
Watched continuously; paths have no jumps. Sources: Karatzas–Shreve 1991 §3.5.C, Borodin–Salminen 2002 2.1.2.4.
"""

from __future__ import annotations

from typing import overload

import numpy as np
import numpy.typing as npt
from scipy.special import erfcx, ndtr, ndtri

from defilev.risk.arguments import Array, broadcast, finite, fraction, non_negative, not_nan, positive, scalar_or_array

__all__ = [
    "MONITORING_SHIFT",
    "discretely_monitored_health_factor",
    "health_factor_for_probability",
    "liquidation_probability",
]

MONITORING_SHIFT = 0.5825971579390107
"""−ζ(1/2)/√(2π): Broadie–Glasserman–Kou 1997, how far discrete monitoring moves a barrier, in σ√Δ."""

_BISECTIONS = 60


@overload
def liquidation_probability(health_factor: float, volatility: float, horizon: float, drift: float = 0.0) -> float: ...
@overload
def liquidation_probability(
    health_factor: npt.ArrayLike, volatility: npt.ArrayLike, horizon: npt.ArrayLike, drift: npt.ArrayLike = 0.0
) -> Array: ...
def liquidation_probability(
    health_factor: npt.ArrayLike, volatility: npt.ArrayLike, horizon: npt.ArrayLike, drift: npt.ArrayLike = 0.0
) -> float | Array:
    """Return the probability that the health factor touches 1 within `horizon`, under lognormal prices.

    Φ((−h−νT)/σ√T) + exp(−2νh/σ²)·Φ((−h+νT)/σ√T) with h = ln(health factor), computed without overflow or cancellation.
    A volatility of zero is the deterministic path.

    Args:
        health_factor: capacity over requirement; 1 or less gives 1, infinity (nothing owed) gives 0.
        volatility: of ln(health factor), per √year.
        horizon: in years.
        drift: of ln(health factor) per year, Itô term and accrual included; 0.0 is the driftless logarithm.

    Raises:
        InvalidNumber: NaN anywhere, a negative volatility, a horizon that is not above zero.
    """
    distance = log_distance(health_factor)
    arrays = broadcast(
        distance, non_negative("volatility", volatility), positive("horizon", horizon), finite("drift", drift)
    )
    return scalar_or_array(passage(*arrays))


@overload
def health_factor_for_probability(
    probability: float, volatility: float, horizon: float, drift: float = 0.0
) -> float: ...
@overload
def health_factor_for_probability(
    probability: npt.ArrayLike, volatility: npt.ArrayLike, horizon: npt.ArrayLike, drift: npt.ArrayLike = 0.0
) -> Array: ...
def health_factor_for_probability(
    probability: npt.ArrayLike, volatility: npt.ArrayLike, horizon: npt.ArrayLike, drift: npt.ArrayLike = 0.0
) -> float | Array:
    """Return the health factor at which `liquidation_probability` is `probability`; the arguments are the same.

    Bisection to rounding error below the bound max(−νT, 0) + z(1−ε/2)·σ√T of ln(health factor); exact when driftless.
    Infinity where no number is large enough: only to owe nothing would do.

    Raises:
        InvalidNumber: a probability outside (0, 1), and all that `liquidation_probability` raises for.
    """
    target, sigma, years, nu = broadcast(
        fraction("probability", probability),
        non_negative("volatility", volatility),
        positive("horizon", horizon),
        finite("drift", drift),
    )
    high = np.maximum(-nu * years, 0.0) - ndtri(np.maximum(target / 2, np.finfo(float).tiny)) * sigma * np.sqrt(years)
    low = np.zeros_like(high)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        above = passage(middle, sigma, years, nu) > target
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    with np.errstate(over="ignore"):
        return scalar_or_array(np.exp(high))


def discretely_monitored_health_factor(health_factor: float, volatility: float, interval: float) -> float:
    """Return the health factor to use in the continuous formulas when health is looked at every `interval` years only.

    ln(health factor) + 0.5826·σ√Δ (Broadie–Glasserman–Kou 1997). The uncorrected figure is the conservative one; this
    serves to reconcile with a simulation or a record in steps.
    """
    sigma, years = non_negative("volatility", volatility), positive("interval", interval)
    return float(positive("health_factor", health_factor) * np.exp(MONITORING_SHIFT * sigma * np.sqrt(years)))


def log_distance(health_factor: npt.ArrayLike) -> Array:
    """Return ln(health factor), 0 at and below 1; infinite when nothing is owed."""
    return np.asarray(np.log(np.maximum(not_nan("health_factor", health_factor), 1.0)))


def passage(distance: Array, volatility: Array, horizon: Array, drift: Array) -> Array:
    """Return the probability that a Brownian motion with `drift` falls by `distance` within `horizon`; checks nothing.

    With x = (h−νT)/z > 0 the second term is ½·erfcx(x/√2)·exp(−(h+νT)²/2z²): two large exponents never meet.
    """
    spread = volatility * np.sqrt(horizon)
    with np.errstate(all="ignore"):
        y = (distance + drift * horizon) / spread
        x = (distance - drift * horizon) / spread
        mirrored = 0.5 * erfcx(np.maximum(x, 0.0) / np.sqrt(2.0)) * np.exp(-0.5 * y * y)
        drifting = np.exp(-2.0 * (drift / volatility) * (distance / volatility)) * ndtr(-x)
        diffusive = ndtr(-y) + np.where(x > 0, mirrored, drifting)
    reached = (distance + drift * horizon <= 0).astype(np.float64)
    result = np.where(spread > 0, diffusive, reached)
    result = np.where(np.isinf(distance), 0.0, result)
    return np.asarray(np.clip(np.where(distance <= 0, 1.0, result), 0.0, 1.0))
