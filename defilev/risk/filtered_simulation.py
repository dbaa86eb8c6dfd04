"""Filtered historical simulation: a GARCH filter and its own residuals drawn again; the deepest fall of each path.

Source: Barone-Adesi–Giannopoulos–Vosper 1999. It clusters volatility and keeps fat tails; its error is that of the fit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from defilev.errors import InvalidNumber
from defilev.risk.arguments import Array, finite, positive
from defilev.risk.first_passage.lognormal import log_distance
from defilev.risk.monte_carlo import SimulatedProbability
from defilev.risk.volatility.garch import GarchFit

__all__ = ["filtered_variances", "simulated_falls", "simulated_probability"]


def filtered_variances(fit: GarchFit, returns: Array) -> Array:
    """Return the variance of the day after each return under the fit's parameters, per day in fractions squared."""
    shocks = 100.0 * finite("returns", returns) - fit.mean
    level = float(np.mean(shocks**2)) if fit.long_run_variance is None else fit.long_run_variance * 1e4
    response = fit.alpha + fit.gamma * (shocks < 0)
    following = np.empty_like(shocks)
    for row in range(len(shocks)):
        level = fit.omega + float(response[row]) * float(shocks[row]) ** 2 + fit.beta * level
        following[row] = level
    return following / 1e4


def simulated_falls(
    fit: GarchFit,
    horizon_days: int,
    *,
    generator: np.random.Generator,
    paths: int = 20_000,
    next_variance: float | None = None,
    residual_lows: Array | None = None,
) -> Array:
    """Return the deepest fall of ln(price) of each path within `horizon_days`, zero mean return.

    Args:
        fit: the filter; its standardised residuals are drawn again with their mean removed.
        horizon_days: whole days.
        generator: the source of randomness.
        paths: how many.
        next_variance: of the first day, per day in fractions squared; the fit's own when left out.
        residual_lows: for each residual the day's low below the close before, over that day's volatility (0 or less):
            then falls within a day count. Without it only closes do, and probabilities come out lower.

    Raises:
        InvalidNumber: no residuals, lows of another length, or nothing to simulate.
    """
    days, count = int(positive("horizon_days", horizon_days)), int(positive("paths", paths))
    residuals = fit.residuals - fit.residuals.mean()
    lows = np.minimum(residuals, 0.0) if residual_lows is None else finite("residual_lows", residual_lows)
    if not len(residuals) or len(lows) != len(residuals) or days < 1 or count < 1:
        raise InvalidNumber("there is nothing to draw from", fix="give one residual_low for each residual of the fit")
    drawn = generator.integers(0, len(residuals), size=(days, count))
    first = fit.next_variance if next_variance is None else float(positive("next_variance", next_variance))
    variance = np.full(count, first * 1e4)
    level, deepest = np.zeros(count), np.zeros(count)
    for rows in drawn:
        sigma = np.sqrt(variance)
        shock = sigma * residuals[rows]
        deepest = np.minimum(deepest, level + sigma * lows[rows])
        level = level + shock
        variance = fit.omega + (fit.alpha + fit.gamma * (shock < 0)) * shock**2 + fit.beta * variance
    return np.asarray(-deepest / 100.0)


def simulated_probability(health_factor: npt.ArrayLike, falls: Array) -> tuple[SimulatedProbability, ...]:
    """Return the share of `falls` that reaches each health factor, with its binomial standard error."""
    distances = np.atleast_1d(log_distance(health_factor))
    shares = [1.0 if distance <= 0 else float((falls >= distance).mean()) for distance in distances]
    return tuple(SimulatedProbability(share, (share * (1.0 - share) / len(falls)) ** 0.5) for share in shares)
