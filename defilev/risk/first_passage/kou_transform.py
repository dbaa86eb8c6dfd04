"""The Laplace transform of the time at which a double-exponential jump diffusion has risen by a distance, inverted.

Sources: Kou–Wang 2003 (transform), Abate–Whitt 2006 (Euler algorithm).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import comb

import numpy as np
import numpy.typing as npt

from defilev.risk.arguments import Array

__all__ = ["Transform", "euler_weights", "transform_of"]

_ORDER = 12
"""M of the Euler algorithm: 2M+1 nodes, about 0.6·M digits, 10^(M/3) times the rounding error of a double."""

Complex = npt.NDArray[np.complex128]


@dataclass(frozen=True, slots=True, eq=False)
class Transform:
    """The roots β₁, β₂ and the weights of their exponentials at each node, inversion weights included."""

    roots: Complex
    weights: Complex

    def probability(self, distance: Array) -> Array:
        """Return the probability of having risen by each `distance` ≥ 0; 1 at 0, 0 at infinity."""
        reachable = np.where(np.isfinite(distance), distance, 0.0)
        total = np.zeros_like(reachable)
        for root, weight in zip(self.roots, self.weights, strict=True):
            total = total + (weight * np.exp(-root * reachable)).real
        clipped = np.clip(total, 0.0, 1.0)
        return np.asarray(np.where(distance <= 0, 1.0, np.where(np.isinf(distance), 0.0, clipped)))


def transform_of(
    volatility: float,
    horizon: float,
    drift: float,
    *,
    intensity: float,
    up_share: float,
    up_rate: float,
    down_rate: float,
) -> Transform:
    """Return the transform of the first passage upward, ready for any number of distances.

    E[exp(−ατ)] = (η₁−β₁)/η₁·β₂/(β₂−β₁)·e^{−bβ₁} + (β₂−η₁)/η₁·β₁/(β₂−β₁)·e^{−bβ₂}, where β₁ and β₂ are the two roots
    with positive real part of μx + ½σ²x² + λ(pη₁/(η₁−x) + (1−p)η₂/(η₂+x) − 1) = α.
    """
    nodes = (_ORDER * np.log(10.0) / 3.0 + 1j * np.pi * np.arange(2 * _ORDER + 1)) / horizon
    outer = 10.0 ** (_ORDER / 3.0) / horizon * euler_weights(_ORDER) / nodes
    first, second = _roots(nodes, volatility, drift, intensity, up_share, up_rate, down_rate)
    apart = up_rate * (second - first)
    weights = np.concatenate([outer * (up_rate - first) * second / apart, outer * (second - up_rate) * first / apart])
    return Transform(np.concatenate([first, second]), weights)


@lru_cache
def euler_weights(order: int) -> Array:
    """Return the 2·order+1 weights of the Euler algorithm, alternating signs included."""
    weights = np.ones(2 * order + 1)
    weights[0] = 0.5
    weights[2 * order] = 2.0**-order
    for k in range(1, order):
        weights[2 * order - k] = weights[2 * order - k + 1] + 2.0**-order * comb(order, k)
    return np.asarray(weights * np.where(np.arange(2 * order + 1) % 2 == 0, 1.0, -1.0))


def _roots(
    nodes: Complex, sigma: float, mu: float, intensity: float, p: float, up: float, down: float
) -> tuple[Complex, Complex]:
    """The two roots with positive real part of the quartic that clearing the fractions gives, at each node."""
    half = 0.5 * sigma * sigma
    quartic = np.zeros((nodes.size, 5), dtype=np.complex128)
    free = -(intensity + nodes)
    jumped = intensity * np.array([(1.0 - p) * -down + p * up, up * down])
    quartic[:, 0] = -half
    quartic[:, 1] = half * (up - down) - mu
    quartic[:, 2] = half * up * down + mu * (up - down) - free
    quartic[:, 3] = mu * up * down + free * (up - down) + jumped[0]
    quartic[:, 4] = free * up * down + jumped[1]
    companion = np.zeros((nodes.size, 4, 4), dtype=np.complex128)
    companion[:, 0, :] = -quartic[:, 1:] / quartic[:, :1]
    companion[:, [1, 2, 3], [0, 1, 2]] = 1.0
    roots = np.linalg.eigvals(companion)
    ordered = np.take_along_axis(roots, np.argsort(roots.real, axis=1), axis=1)
    return ordered[:, 2].astype(np.complex128), ordered[:, 3].astype(np.complex128)
