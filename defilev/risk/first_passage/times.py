"""When, rather than whether: density, transform, mean and median of the time at which ln(health factor) reaches 0.

Units and assumptions are those of `lognormal`: h = ln(health factor), ν its drift per year, σ per √year.
"""

from __future__ import annotations

from typing import overload

import numpy as np
import numpy.typing as npt

from defilev.risk.arguments import Array, broadcast, finite, non_negative, positive, scalar_or_array
from defilev.risk.first_passage.lognormal import liquidation_probability, log_distance

__all__ = [
    "discount_factor_at_liquidation",
    "eventual_liquidation_probability",
    "interest_only_years",
    "liquidation_density",
    "mean_years_to_liquidation",
    "median_years_to_liquidation",
]

_BISECTIONS = 200


@overload
def liquidation_density(time: float, health_factor: float, volatility: float, drift: float = 0.0) -> float: ...
@overload
def liquidation_density(
    time: npt.ArrayLike, health_factor: npt.ArrayLike, volatility: npt.ArrayLike, drift: npt.ArrayLike = 0.0
) -> Array: ...
def liquidation_density(
    time: npt.ArrayLike, health_factor: npt.ArrayLike, volatility: npt.ArrayLike, drift: npt.ArrayLike = 0.0
) -> float | Array:
    """Return the density per year of the time of liquidation, h/(σ√(2πt³))·exp(−(h+νt)²/(2σ²t)) (inverse Gaussian)."""
    years, distance, sigma, nu = broadcast(
        positive("time", time),
        log_distance(health_factor),
        positive("volatility", volatility),
        finite("drift", drift),
    )
    exponent = (distance + nu * years) / (sigma * np.sqrt(years))
    scale = distance / (sigma * np.sqrt(2.0 * np.pi * years)) / years
    return scalar_or_array(np.asarray(scale * np.exp(-0.5 * exponent * exponent)))


def discount_factor_at_liquidation(rate: float, health_factor: float, volatility: float, drift: float = 0.0) -> float:
    """Return E[exp(−rate·τ)], never liquidated counting as 0: exp(−h(ν+√(ν²+2qσ²))/σ²), `rate` q ≥ 0 per year."""
    q, nu = float(non_negative("rate", rate)), float(finite("drift", drift))
    sigma = float(positive("volatility", volatility))
    root = np.sqrt(nu * nu + 2.0 * q * sigma * sigma)
    # For ν < 0 the sum ν + root cancels; its conjugate does not.
    slope = (nu + root) / sigma**2 if nu >= 0 else 2.0 * q / (root - nu)
    return float(np.exp(-float(log_distance(health_factor)) * slope))


def eventual_liquidation_probability(health_factor: float, volatility: float, drift: float = 0.0) -> float:
    """Return the probability of ever being liquidated: 1 for ν ≤ 0, else exp(−2νh/σ²)."""
    distance, nu = float(log_distance(health_factor)), float(finite("drift", drift))
    sigma = float(positive("volatility", volatility))
    if np.isinf(distance):
        return 0.0
    return 1.0 if nu <= 0 else float(np.exp(-2.0 * nu * distance / sigma**2))


def mean_years_to_liquidation(health_factor: float, drift: float) -> float | None:
    """Return the mean time h/|ν| for ν < 0, whatever the volatility; `None` when it is infinite (ν ≥ 0, no debt).

    The mean is far above the median: report `median_years_to_liquidation` and probabilities instead.
    """
    distance, nu = float(log_distance(health_factor)), float(finite("drift", drift))
    if distance == 0:
        return 0.0
    return None if nu >= 0 or np.isinf(distance) else distance / -nu


def median_years_to_liquidation(health_factor: float, volatility: float, drift: float = 0.0) -> float | None:
    """Return the time by which liquidation is as likely as not; `None` when it never becomes so likely."""
    if health_factor <= 1:
        return 0.0
    if eventual_liquidation_probability(health_factor, volatility, drift) <= 0.5:
        return None
    low, high = 0.0, 1.0
    while liquidation_probability(health_factor, volatility, high, drift) < 0.5:
        low, high = high, 2.0 * high
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if middle in {low, high}:
            break
        below = liquidation_probability(health_factor, volatility, middle, drift) < 0.5
        low, high = (middle, high) if below else (low, middle)
    return high


def interest_only_years(health_factor: float, supply_rate: float, borrow_rate: float) -> float | None:
    """Return ln(health factor)/(b − s): the years until interest alone liquidates, rates continuous per year.

    This is what matters for a correlated loop priced by an exchange rate, whose price risk is nearly zero.

    Returns:
        `None` when the debt does not outgrow the collateral, or nothing is owed.
    """
    distance = float(log_distance(health_factor))
    spread = float(finite("borrow_rate", borrow_rate)) - float(finite("supply_rate", supply_rate))
    if distance == 0:
        return 0.0
    return None if spread <= 0 or np.isinf(distance) else distance / spread
