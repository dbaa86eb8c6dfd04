"""First passage with Kou's double-exponential jumps, by inversion of the Laplace transform of the passage time.

Sources: Kou 2002 (the model), Kou–Wang 2003 (the transform), Abate–Whitt 2006 (the Euler inversion). Jumps come
independently: no clustering. The roots do not depend on the health factor, so a book of accounts shares them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import overload

import numpy as np
import numpy.typing as npt

from defilev.errors import InvalidNumber
from defilev.risk.arguments import Array, broadcast, finite, fraction, non_negative, positive, scalar_or_array
from defilev.risk.first_passage.kou_transform import Transform, transform_of
from defilev.risk.first_passage.lognormal import log_distance, passage

__all__ = [
    "DEFAULT_JUMPS",
    "KouJumps",
    "diffusion_drift",
    "diffusion_volatility",
    "jump_health_factor_for_probability",
    "jump_liquidation_probability",
    "jump_variance",
    "jumps_for_volatility",
]

_BISECTIONS = 60
_LARGEST_JUMP_SHARE = 0.30


@dataclass(frozen=True, slots=True)
class KouJumps:
    """Jumps of the log price: `intensity` a year, `up_share` of them up, exponential with rates `up_rate`, `down_rate`.

    The mean sizes are 1/up_rate and 1/down_rate; `up_rate` is above 1, so that the price has a mean.
    """

    intensity: float
    up_share: float
    up_rate: float
    down_rate: float

    def __post_init__(self) -> None:
        non_negative("intensity", self.intensity)
        positive("down_rate", self.down_rate)
        if not 0 <= float(finite("up_share", self.up_share)) <= 1:
            raise InvalidNumber(f"up_share {self.up_share:g} is not a share", fix="give a share between 0 and 1")
        if float(finite("up_rate", self.up_rate)) <= 1:
            raise InvalidNumber(
                f"up_rate {self.up_rate:g} gives the price no mean",
                fix="give an up_rate above 1: a mean size below 100%",
            )


DEFAULT_JUMPS = KouJumps(intensity=55.0, up_share=0.46, up_rate=1 / 0.032, down_rate=1 / 0.038)
"""Hourly jumps of ETH and BTC at a total volatility near 80%; `jumps_for_volatility` scales them to another."""


def jump_variance(jumps: KouJumps) -> float:
    """Return the variance per year that the jumps bring: λ(2p/η₊² + 2(1−p)/η₋²)."""
    up, down = jumps.up_share / jumps.up_rate**2, (1.0 - jumps.up_share) / jumps.down_rate**2
    return 2.0 * jumps.intensity * (up + down)


def jumps_for_volatility(total_volatility: float, jumps: KouJumps = DEFAULT_JUMPS) -> KouJumps:
    """Return `jumps` with smaller sizes where needed, so that they bring at most 30% of the total variance.

    That is the share of `DEFAULT_JUMPS` at a volatility of 68%; below it the sizes shrink with the volatility.
    """
    total = float(positive("total_volatility", total_volatility))
    share = jump_variance(jumps) / total**2
    if share <= _LARGEST_JUMP_SHARE:
        return jumps
    grown = np.sqrt(share / _LARGEST_JUMP_SHARE)
    return replace(jumps, up_rate=jumps.up_rate * grown, down_rate=jumps.down_rate * grown)


def diffusion_volatility(total_volatility: float, jumps: KouJumps) -> float:
    """Return √(σ² − jump variance): what is left of a total volatility for the diffusion.

    Raises:
        InvalidNumber: the jumps alone bring more than the total.
    """
    left = float(positive("total_volatility", total_volatility)) ** 2 - jump_variance(jumps)
    if left <= 0:
        raise InvalidNumber(
            f"the jumps bring more variance than the total volatility {total_volatility:g} has",
            fix="scale them with jumps_for_volatility",
            jump_volatility=jump_variance(jumps) ** 0.5,
        )
    return float(np.sqrt(left))


def diffusion_drift(log_price_growth: float, diffusion: float, jumps: KouJumps) -> float:
    """Return m − ½σ² − λζ: the drift of the diffusion part when the price grows at m = μ + s − b per year on average.

    ζ = pη₊/(η₊−1) + (1−p)η₋/(η₋+1) − 1 is the mean relative jump, `diffusion` σ the volatility of the diffusion part.
    """
    growth, sigma = float(finite("log_price_growth", log_price_growth)), float(non_negative("diffusion", diffusion))
    up = jumps.up_share * jumps.up_rate / (jumps.up_rate - 1.0)
    down = (1.0 - jumps.up_share) * jumps.down_rate / (jumps.down_rate + 1.0)
    return growth - 0.5 * sigma**2 - jumps.intensity * (up + down - 1.0)


@overload
def jump_liquidation_probability(
    health_factor: float, volatility: float, horizon: float, drift: float, jumps: KouJumps
) -> float: ...
@overload
def jump_liquidation_probability(
    health_factor: npt.ArrayLike,
    volatility: npt.ArrayLike,
    horizon: npt.ArrayLike,
    drift: npt.ArrayLike,
    jumps: KouJumps,
) -> Array: ...
def jump_liquidation_probability(
    health_factor: npt.ArrayLike,
    volatility: npt.ArrayLike,
    horizon: npt.ArrayLike,
    drift: npt.ArrayLike,
    jumps: KouJumps,
) -> float | Array:
    """Return the probability that the health factor falls to 1 or below within `horizon`, prices jumping too.

    Relative error about 1e-6 down to a probability of 1e-6; 1e-11 is the smallest that means anything. Each distinct
    (volatility, horizon, drift) costs its own 25 root solves; a book that shares them costs one.

    Args:
        health_factor: capacity over requirement; 1 or less gives 1, infinity (nothing owed) gives 0.
        volatility: of the diffusion part, per √year, above zero: see `diffusion_volatility`.
        horizon: in years.
        drift: of the diffusion part of ln(health factor) per year: see `diffusion_drift`.
        jumps: of ln(health factor); with an intensity of 0 the answer is `liquidation_probability`.

    Raises:
        InvalidNumber: NaN anywhere, or a volatility or horizon that is not above zero.
    """
    distance, sigma, years, nu = broadcast(
        log_distance(health_factor),
        positive("volatility", volatility),
        positive("horizon", horizon),
        finite("drift", drift),
    )
    if jumps.intensity == 0:
        return scalar_or_array(passage(distance, sigma, years, nu))
    flat = distance.ravel()
    keys = np.stack([sigma.ravel(), years.ravel(), nu.ravel()], axis=1)
    result = np.empty_like(flat)
    markets, member = np.unique(keys, axis=0, return_inverse=True)
    for index, market in enumerate(markets):
        chosen = member.ravel() == index
        result[chosen] = _transform(market[0], market[1], market[2], jumps).probability(flat[chosen])
    return scalar_or_array(result.reshape(distance.shape))


def jump_health_factor_for_probability(
    probability: float, volatility: float, horizon: float, drift: float, jumps: KouJumps
) -> float:
    """Return the health factor at which `jump_liquidation_probability` is `probability`; same arguments.

    Raises:
        InvalidNumber: as there, and a probability outside (1e-9, 1).
    """
    target = float(fraction("probability", probability))
    if target < 1e-9:
        raise InvalidNumber(f"probability {target:g} is finer than the inversion", fix="give a probability above 1e-9")
    positive("volatility", volatility)
    if jumps.intensity == 0:
        raise InvalidNumber("jumps have no intensity", fix="use health_factor_for_probability")
    years, nu = float(positive("horizon", horizon)), float(finite("drift", drift))
    transform = _transform(volatility, years, nu, jumps)
    low, high = 0.0, volatility * years**0.5
    while float(transform.probability(np.array(high))) > target:
        low, high = high, 2.0 * high
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        above = float(transform.probability(np.array(middle))) > target
        low, high = (middle, high) if above else (low, middle)
    with np.errstate(over="ignore"):
        return float(np.exp(high))


def _transform(volatility: float, horizon: float, drift: float, jumps: KouJumps) -> Transform:
    """Return the transform of the passage downward: that of the negative logarithm upward."""
    return transform_of(
        volatility,
        horizon,
        -drift,
        intensity=jumps.intensity,
        up_share=1.0 - jumps.up_share,
        up_rate=jumps.down_rate,
        down_rate=jumps.up_rate,
    )
