"""Correlation and beta of daily returns: exponentially weighted, shrunk, positive semidefinite, and stressed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from defilev.errors import HistoryUnusable, InvalidNumber
from defilev.risk.arguments import Array, finite, fraction
from defilev.risk.series import DailyReturns

__all__ = ["Beta", "aligned", "beta", "correlation", "repair_correlation", "shrink_correlation", "stressed_correlation"]

_LARGEST_STRESS = 0.9
_HAIRCUT = 0.3


@dataclass(frozen=True, slots=True)
class Beta:
    """One asset's returns on another's: shrunk `value`, `raw` estimate, residual volatility per √year, days used."""

    value: float
    raw: float
    residual_volatility: float
    days: int


def aligned(series: list[DailyReturns]) -> Array:
    """Return the returns of the days that all `series` have, one column each.

    Raises:
        HistoryUnusable: fewer than 60 days in common.
    """
    common = series[0].day
    for other in series[1:]:
        common = np.intersect1d(common, other.day)
    if len(common) < 60:
        raise HistoryUnusable(f"the histories have {len(common)} days in common", fix="give 60 common days or more")
    return np.column_stack([one.value[np.isin(one.day, common)] for one in series])


def correlation(returns: Array, *, decay: float = 0.97) -> Array:
    """Return the correlation matrix of the columns of daily `returns`, weights decay^age, shrunk and repaired.

    Daily returns, because hourly ones of two assets look less correlated than they are (Epps). Source: RiskMetrics
    weights, Ledoit–Wolf 2004 constant-correlation shrinkage.
    """
    sample = finite("returns", returns)
    weights = float(fraction("decay", decay)) ** np.arange(len(sample))[::-1]
    weighted = sample * np.sqrt(weights * len(sample) / weights.sum())[:, None]
    return repair_correlation(shrink_correlation(weighted))


def shrink_correlation(returns: Array) -> Array:
    """Return the Ledoit–Wolf (2004) shrinkage of the correlation of zero-mean `returns` towards its own mean.

    Raises:
        InvalidNumber: fewer than two columns, or one that never moves.
    """
    rows, assets = returns.shape
    scale = np.sqrt((returns**2).mean(axis=0))
    if assets < 2 or (scale <= 0).any():
        raise InvalidNumber(
            "an asset's returns never move, or there is only one", fix="leave it out of the correlation"
        )
    x = returns / scale
    sample = x.T @ x / rows
    off = ~np.eye(assets, dtype=bool)
    mean = float(sample[off].mean())
    prior = np.where(off, mean, 1.0)
    squares = x**2
    pi = squares.T @ squares / rows - sample**2
    # Asymptotic covariance of each correlation with the two variances beside it (Ledoit–Wolf 2004, appendix B).
    theta = (x**3).T @ x / rows - sample * np.diag(sample)[:, None]
    rho = float(np.trace(pi)) + mean * float(theta[off].sum())
    distance = float(((sample - prior) ** 2).sum())
    shrinkage = float(np.clip((float(pi.sum()) - rho) / distance / rows, 0.0, 1.0)) if distance > 0 else 1.0
    return np.asarray(shrinkage * prior + (1.0 - shrinkage) * sample)


def repair_correlation(matrix: Array) -> Array:
    """Return the nearest-by-clipping correlation matrix: no eigenvalue below zero, a diagonal of ones.

    Raises:
        InvalidNumber: not square, not symmetric, or a diagonal that is not one.
    """
    values = finite("correlation", matrix)
    square = values.ndim == 2 and values.shape[0] == values.shape[1]
    if not square or not np.allclose(values, values.T) or not np.allclose(np.diag(values), 1.0):
        raise InvalidNumber(
            "correlation is not a symmetric matrix with ones on its diagonal",
            fix="give one row and column per asset",
            argument="correlation",
        )
    eigenvalues, vectors = np.linalg.eigh(0.5 * (values + values.T))
    clipped = (vectors * np.maximum(eigenvalues, 0.0)) @ vectors.T
    scale = np.sqrt(np.diag(clipped))
    repaired = np.clip(clipped / np.outer(scale, scale), -1.0, 1.0)
    np.fill_diagonal(repaired, 1.0)
    return np.asarray(repaired)


def stressed_correlation(correlation: Array, collateral: list[int], debt: list[int]) -> Array:
    """Return the correlation of a bad day: volatile collaterals at 0.9 or more, collateral and volatile debt 0.3 less.

    Diversification that lowers the risk is cut, what raises it is not. Indices are of rows; the rest stays.
    """
    stressed = finite("correlation", correlation).copy()
    for i in collateral:
        for j in collateral:
            if i != j:
                stressed[i, j] = max(stressed[i, j], _LARGEST_STRESS)
        for j in debt:
            if i != j:
                stressed[i, j] = stressed[j, i] = max(stressed[i, j] - _HAIRCUT, -1.0)
    return repair_correlation(stressed)


def beta(asset: DailyReturns, reference: DailyReturns, *, decay: float = 0.97) -> Beta:
    """Return the asset's beta to the reference: weighted cov/var, shrunk to one by 0.33 + 0.67·β (Blume)."""
    pair = aligned([asset, reference])
    weights = float(fraction("decay", decay)) ** np.arange(len(pair))[::-1]
    weights = weights / weights.sum()
    variance = float((weights * pair[:, 1] ** 2).sum())
    if variance <= 0:
        raise InvalidNumber("the reference never moves", fix="choose another reference asset", argument="reference")
    raw = float((weights * pair[:, 0] * pair[:, 1]).sum()) / variance
    shrunk = 0.33 + 0.67 * raw
    residual = float((weights * (pair[:, 0] - shrunk * pair[:, 1]) ** 2).sum())
    return Beta(shrunk, raw, float(np.sqrt(365.0 * residual)), len(pair))
