"""Many accounts at once: linear forms as matrices over price drivers, shocks, liquidation along a direction, delta.

The health command uses `forms` and `liquidation`, account by account and without numpy; the figures are the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from defilev.errors import InvalidNumber, UnknownName
from defilev.model.exposure import Exposure
from defilev.model.request import Address
from defilev.risk.arguments import Array, finite, non_negative
from defilev.risk.volatility.correlation import repair_correlation

__all__ = [
    "ExposureMatrix",
    "LogHealth",
    "beta_weighted_delta",
    "exposure_matrix",
    "log_health",
    "net_delta",
    "ratio_volatility",
]


@dataclass(frozen=True, slots=True, eq=False)
class ExposureMatrix:
    """Capacity, requirement and equity of each account (row) per driver (column) in quote units, at today's prices.

    `supply_rate` and `borrow_rate` are each account's yearly rates, weighted with capacity and requirement.
    """

    drivers: tuple[Address, ...]
    capacity: Array
    requirement: Array
    equity: Array
    supply_rate: Array
    borrow_rate: Array

    def health_factors(self, factors: Array | None = None) -> Array:
        """Return health by account, or by account and scenario for `factors` of one row per scenario.

        Infinite when nothing is owed. Factors multiply the drivers' prices and are zero or more.
        """
        moved = np.ones(len(self.drivers)) if factors is None else non_negative("factors", factors)
        counted, owed = self.capacity @ moved.T, self.requirement @ moved.T
        owes_nothing = owed <= 0
        return np.where(owes_nothing, np.inf, counted / np.where(owes_nothing, 1.0, owed))

    def steps_to_liquidation(self, direction: Array) -> Array:
        """Return each account's smallest step above zero along `direction` at which health is one, else infinity.

        Driver i's price is multiplied by `1 + step·direction[i]`; a step that takes a price below zero does not count.
        """
        way = finite("direction", direction)
        net = self.capacity - self.requirement
        margin, slope = net.sum(axis=1), net @ way
        steps = -margin / np.where(slope == 0, np.nan, slope)
        steepest = float(way.min(initial=0.0))
        with np.errstate(invalid="ignore"):
            reached = (steps > 0) & (1.0 + steps * steepest > 0)
        return np.where(reached, steps, np.inf)

    def liquidation_factors(self) -> Array:
        """Return the factor of each driver's price alone at which health is one, infinity where there is none."""
        net = self.capacity - self.requirement
        others = net.sum(axis=1, keepdims=True) - net
        factors = -others / np.where(net == 0, np.nan, net)
        with np.errstate(invalid="ignore"):
            return np.where(factors > 0, factors, np.inf)


@dataclass(frozen=True, slots=True, eq=False)
class LogHealth:
    """ln(health factor) of each account as a Brownian motion: `volatility` per √year, `drift` per year, Itô too."""

    volatility: Array
    drift: Array


def exposure_matrix(exposures: Sequence[Exposure]) -> ExposureMatrix:
    """Return the linear forms of `exposures` over all their drivers, in the drivers' order of appearance."""
    drivers = tuple(dict.fromkeys(driver.feed for exposure in exposures for driver in exposure.drivers))
    column = {feed: place for place, feed in enumerate(drivers)}
    forms = np.zeros((3, len(exposures), len(drivers)))
    rates = np.zeros((2, len(exposures)))
    for row, exposure in enumerate(exposures):
        for term in exposure.terms:
            forms[:, row, column[term.driver]] += (term.capacity, term.requirement, term.equity)
            rates[:, row] += (term.capacity * term.supply_rate, term.requirement * term.borrow_rate)
    totals = forms[:2].sum(axis=2)
    rates = rates / np.where(totals > 0, totals, 1.0)
    return ExposureMatrix(drivers, forms[0], forms[1], forms[2], rates[0], rates[1])


def log_health(matrix: ExposureMatrix, volatility: Array, correlation: Array, growth: Array | float = 0.0) -> LogHealth:
    """Return volatility and drift of ln(health factor): weights of capacity and requirement held at today's.

    σ_B² = aᵀΣa with a = w − u; ν = aᵀμ + s − b − ½wᵀΣw + ½uᵀΣu, the Itô term of the logarithm of a sum, which is not
    −½σ_B². Good while weights drift little; simulate beyond 90 days or when volatilities differ much.

    Args:
        matrix: the accounts; those that owe nothing get a volatility and drift of their capacity.
        volatility: per √year, of each driver, zero for what is meant to stand still.
        correlation: of the drivers' log returns, repaired when it is not positive semidefinite.
        growth: arithmetic drift of each driver per year.

    Raises:
        InvalidNumber: a vector that does not have one entry per driver, NaN, or a negative volatility.
    """
    sigma, matched = non_negative("volatility", volatility), repair_correlation(correlation)
    mean = np.broadcast_to(finite("growth", growth), sigma.shape)
    if sigma.shape != (len(matrix.drivers),) or matched.shape != (len(matrix.drivers),) * 2:
        raise InvalidNumber("volatility and correlation do not match the drivers", fix="give one entry per driver")
    covariance = matched * np.outer(sigma, sigma)
    w, u = _weights(matrix.capacity), _weights(matrix.requirement)
    variance = _quadratic(w - u, covariance)
    ito = -0.5 * _quadratic(w, covariance) + 0.5 * _quadratic(u, covariance)
    drift = (w - u) @ mean + matrix.supply_rate - matrix.borrow_rate + ito
    return LogHealth(np.sqrt(np.maximum(variance, 0.0)), np.asarray(drift))


def ratio_volatility(collateral: float, debt: float, correlation: float) -> float:
    """Return √(σ_c² + σ_d² − 2ρσ_cσ_d): the volatility of one asset against another, per √year."""
    c, d = float(non_negative("collateral", collateral)), float(non_negative("debt", debt))
    rho = float(finite("correlation", correlation))
    if not -1 <= rho <= 1:
        raise InvalidNumber(f"correlation {rho:g} is not between -1 and 1", fix="give a correlation")
    return float(np.sqrt(max(c * c + d * d - 2.0 * rho * c * d, 0.0)))


def net_delta(matrix: ExposureMatrix, wallets: Mapping[Address, float] | None = None) -> dict[Address, float]:
    """Return what all accounts and `wallets` (quote units by driver) gain per unit relative rise of each driver."""
    totals = dict(zip(matrix.drivers, (float(value) for value in matrix.equity.sum(axis=0)), strict=True))
    for feed, value in (wallets or {}).items():
        totals[feed] = totals.get(feed, 0.0) + value
    return totals


def beta_weighted_delta(delta: Mapping[Address, float], betas: Mapping[Address, float]) -> float:
    """Return the delta in terms of one reference asset: Σ β·delta, β of each driver to the reference.

    Raises:
        UnknownName: a driver with a delta has no beta.
    """
    missing = [feed for feed, value in delta.items() if value and feed not in betas]
    if missing:
        raise UnknownName(f"no beta for {', '.join(missing)}", fix="give a beta for every driver; 0 for a stablecoin")
    return sum(value * betas[feed] for feed, value in delta.items() if value)


def _weights(values: Array) -> Array:
    totals = values.sum(axis=1, keepdims=True)
    return np.asarray(values / np.where(totals > 0, totals, 1.0))


def _quadratic(weights: Array, covariance: Array) -> Array:
    return np.asarray(np.einsum("ni,ij,nj->n", weights, covariance, weights))
