"""Gauss–Legendre sums over where surviving paths end, and over when the others are liquidated."""

from __future__ import annotations

import numpy as np

from defilev.risk.arguments import Array

__all__ = ["passage_times", "surviving_distances"]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(200)
_REACH = 9.0
"""Standard deviations beyond which nothing is integrated: 1e-19 of the mass."""


def surviving_distances(distance: Array, drift: Array, volatility: Array, horizon: Array) -> tuple[Array, Array]:
    """Return ends of ln(health factor) along a new last axis, and the mass of never liquidated paths at each.

    Method of images: the density is φ((x−h−νT)/z)/z·(1 − exp(−2hx/z²)).
    """
    spread = volatility * np.sqrt(horizon)
    centre = distance + drift * horizon
    x, width = _nodes(np.maximum(centre - _REACH * spread, 0.0), np.maximum(centre, 0.0) + _REACH * spread)
    z, mean, start = spread[..., None], centre[..., None], distance[..., None]
    with np.errstate(under="ignore"):
        density = np.exp(-0.5 * ((x - mean) / z) ** 2) / (np.sqrt(2.0 * np.pi) * z)
        return x, np.asarray(density * -np.expm1(-2.0 * start * x / z**2) * width)


def passage_times(distance: Array, drift: Array, volatility: Array, horizon: Array) -> tuple[Array, Array]:
    """Return times of liquidation up to the horizon along a new last axis, and the mass of paths liquidated at each.

    Summed in y = h/(σ√t), in which the inverse Gaussian density is smooth: 2φ(y + νh/(σ²y)).
    """
    low = distance / (volatility * np.sqrt(horizon))
    turning = np.sqrt(2.0 * np.maximum(-drift, 0.0) * distance) / volatility
    y, width = _nodes(low, np.maximum(low, turning) + _REACH)
    sigma, start = volatility[..., None], distance[..., None]
    with np.errstate(under="ignore"):
        exponent = y + drift[..., None] * start / (sigma * sigma * y)
        mass = np.sqrt(2.0 / np.pi) * np.exp(-0.5 * exponent**2) * width
    return np.asarray((start / (sigma * y)) ** 2), np.asarray(mass)


def _nodes(low: Array, high: Array) -> tuple[Array, Array]:
    half = 0.5 * (high - low)[..., None]
    return np.asarray(low[..., None] + half * (1.0 + _NODES)), np.asarray(half * _WEIGHTS)
