"""The referee: simulated first passage with Brownian-bridge correction, for one driver, with jumps, and for baskets.

Randomness is passed in; every answer carries its standard error. Between two simulated points the bridge gives the
exact probability of having touched the barrier, so that few steps are enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from defilev.errors import InvalidNumber
from defilev.risk.arguments import Array, finite, non_negative, positive
from defilev.risk.first_passage.jumps import KouJumps
from defilev.risk.first_passage.lognormal import log_distance

__all__ = [
    "Basket",
    "Monitoring",
    "SimulatedProbability",
    "simulate_basket",
    "simulate_jumps",
    "simulate_lognormal",
]

Monitoring = Literal["continuous", "steps"]
_CHUNK = 50_000


@dataclass(frozen=True, slots=True)
class SimulatedProbability:
    """A probability from simulation and its standard error."""

    probability: float
    standard_error: float


@dataclass(frozen=True, slots=True, eq=False)
class Basket:
    """Assets that count and that are owed: `capacity` and `requirement` of each now, in one quote unit.

    `volatility` per √year, `growth` the arithmetic drift per year, accrual included, `correlation` of the log returns.
    An asset that is owed and held appears twice, perfectly correlated, or netted by its driver.
    """

    capacity: Array
    requirement: Array
    volatility: Array
    growth: Array
    correlation: Array

    @property
    def root(self) -> Array:
        """Return a matrix whose square is the covariance per year; singular correlations are allowed.

        Raises:
            InvalidNumber: the correlation is not positive semidefinite.
        """
        values, vectors = np.linalg.eigh(finite("correlation", self.correlation))
        if values.min() < -1e-10:
            raise InvalidNumber(
                "correlation is not positive semidefinite", fix="repair it with repair_correlation", least=values.min()
            )
        return np.asarray(self.volatility[:, None] * vectors * np.sqrt(np.maximum(values, 0.0)))


def simulate_lognormal(
    health_factor: float,
    volatility: float,
    horizon: float,
    drift: float,
    *,
    generator: np.random.Generator,
    paths: int = 400_000,
    steps: int = 30,
    monitoring: Monitoring = "continuous",
) -> SimulatedProbability:
    """Return the simulated `liquidation_probability`; `monitoring` at `steps` looks at their ends only."""
    start, sigma = float(log_distance(health_factor)), float(positive("volatility", volatility))
    step, nu = float(positive("horizon", horizon)) / steps, float(finite("drift", drift))
    deviation, losses = sigma * step**0.5, []
    for count in _chunks(paths):
        x, alive = np.full(count, start), np.ones(count)
        for _ in range(steps):
            moved = x + nu * step + deviation * generator.standard_normal(count)
            alive *= _survival(x, moved, deviation * deviation, monitoring)
            x = moved
        losses.append(1.0 - alive)
    return _estimate(losses)


def simulate_jumps(
    health_factor: float,
    volatility: float,
    horizon: float,
    drift: float,
    jumps: KouJumps,
    *,
    generator: np.random.Generator,
    paths: int = 200_000,
) -> SimulatedProbability:
    """Return the simulated `jump_liquidation_probability`: exact, from one jump to the next, with no time steps."""
    start, sigma = float(log_distance(health_factor)), float(positive("volatility", volatility))
    years, nu = float(positive("horizon", horizon)), float(finite("drift", drift))
    losses = []
    for count in _chunks(paths):
        x, left, alive = np.full(count, start), np.full(count, years), np.ones(count)
        while (left > 0).any():
            wait = generator.exponential(1.0 / jumps.intensity, count) if jumps.intensity else np.full(count, np.inf)
            span = np.minimum(wait, left)
            moved = x + nu * span + sigma * np.sqrt(span) * generator.standard_normal(count)
            alive *= np.where(
                span > 0, _survival(x, moved, sigma * sigma * np.maximum(span, 1e-300), "continuous"), 1.0
            )
            jumped = moved + np.where(wait < left, _kou(jumps, count, generator), 0.0)
            alive *= (jumped > 0) | (alive == 0)
            left, x = np.maximum(left - span, 0.0), jumped
        losses.append(1.0 - alive)
    return _estimate(losses)


def simulate_basket(
    basket: Basket,
    horizon: float,
    *,
    generator: np.random.Generator,
    paths: int = 100_000,
    steps: int = 30,
) -> SimulatedProbability:
    """Return the simulated probability that the capacity of a basket falls to its requirement.

    The bridge uses the variance of ln(health factor) at the weights of each step's start.
    """
    root, step = basket.root, float(positive("horizon", horizon)) / steps
    non_negative("capacity", basket.capacity)
    non_negative("requirement", basket.requirement)
    trend = (finite("growth", basket.growth) - 0.5 * basket.volatility**2) * step
    losses = []
    for count in _chunks(paths, size=20_000):
        log_price = np.zeros((count, len(trend)))
        alive = np.ones(count)
        x, gradient = _log_health(basket, log_price)
        for _ in range(steps):
            noise = generator.standard_normal((count, root.shape[1])) @ root.T
            log_price = log_price + trend + np.sqrt(step) * noise
            variance = ((gradient @ root) ** 2).sum(axis=1) * step
            moved, gradient = _log_health(basket, log_price)
            alive *= _survival(x, moved, np.maximum(variance, 1e-300), "continuous")
            x = moved
        losses.append(1.0 - alive)
    return _estimate(losses)


def _log_health(basket: Basket, log_price: Array) -> tuple[Array, Array]:
    """ln(health factor) of every path, and its sensitivity to every log price."""
    factors = np.exp(log_price)
    counted, owed = factors * basket.capacity, factors * basket.requirement
    capacity, requirement = counted.sum(axis=1), owed.sum(axis=1)
    gradient = counted / capacity[:, None] - owed / requirement[:, None]
    return np.log(capacity / requirement), gradient


def _survival(before: Array, after: Array, variance: Array | float, monitoring: Monitoring) -> Array:
    """The probability of not having touched 0 between two points, 0 when the second lies beyond."""
    above = (before > 0) & (after > 0)
    if monitoring == "steps":
        return above.astype(np.float64)
    with np.errstate(under="ignore"):
        touched = np.exp(-2.0 * np.maximum(before, 0.0) * np.maximum(after, 0.0) / variance)
    return np.where(above, 1.0 - touched, 0.0)


def _kou(jumps: KouJumps, count: int, generator: np.random.Generator) -> Array:
    size = generator.standard_exponential(count)
    up = generator.random(count) < jumps.up_share
    return np.where(up, size / jumps.up_rate, -size / jumps.down_rate)


def _chunks(paths: int, *, size: int = _CHUNK) -> list[int]:
    if paths < 2:
        raise InvalidNumber(f"{paths} paths are too few", fix="give a thousand or more", argument="paths")
    return [size] * (paths // size) + ([paths % size] if paths % size else [])


def _estimate(losses: list[Array]) -> SimulatedProbability:
    loss = np.concatenate(losses)
    return SimulatedProbability(float(loss.mean()), float(loss.std(ddof=1) / np.sqrt(len(loss))))
