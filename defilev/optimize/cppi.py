"""A floor under equity: exposure as a multiple of the cushion above it, and the risk that a jump leaps the cushion."""

from __future__ import annotations

from math import exp, expm1, inf, log, log1p, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING

from defilev.errors import InvalidNumber
from defilev.optimize.arguments import above, at_least, finite, open_unit

if TYPE_CHECKING:
    from defilev.risk.first_passage import KouJumps

__all__ = [
    "constant_health_gap_probability",
    "cppi_cushion",
    "cppi_gap_probability",
    "cppi_leverage",
    "cppi_multiplier_bound",
    "discrete_cppi_gap_probability",
]


def cppi_leverage(multiplier: float, floor: float) -> float:
    """Return `m(1−F/E)`: the leverage that CPPI holds when `floor` is the share of equity to keep.

    Raises:
        InvalidNumber: a multiplier of zero or less, or a floor outside [0, 1).
    """
    if not 0 <= finite(floor, what="floor") < 1:
        raise InvalidNumber(
            f"floor {floor:g} is not a share of equity below 1", fix="give the share of equity to keep, such as 60%"
        )
    return above(multiplier, 0, what="multiplier") * (1 - floor)


def cppi_cushion(multiplier: float, price_ratio: float, volatility: float, horizon: float, *, rate: float) -> float:
    """Return the cushion after `horizon` years divided by that now, `R^m · exp((1−m)(r + ½mσ²)T)`.

    R is the price divided by that now; continuous trading, no jumps. Source: Black and Perold 1992.
    """
    drag = (1 - above(multiplier, 0, what="multiplier")) * (
        finite(rate, what="rate") + 0.5 * multiplier * at_least(volatility, 0, what="volatility") ** 2
    )
    grown = float(above(price_ratio, 0, what="price ratio") ** multiplier)
    return grown * exp(drag * at_least(horizon, 0, what="horizon"))


def cppi_gap_probability(multiplier: float, horizon: float, jumps: KouJumps) -> float:
    """Return the chance that a jump breaks the floor within `horizon` years: `1 − exp(−Tλ(1−p)(1−1/m)^η₂)`.

    Zero at a multiplier of 1 or less, where nothing is borrowed. Source: Cont and Tankov 2009, with Kou's jumps.
    """
    if above(multiplier, 0, what="multiplier") <= 1:
        return 0.0
    return _gap(-log1p(-1 / multiplier), horizon, jumps)


def cppi_multiplier_bound(probability: float, horizon: float, jumps: KouJumps) -> float:
    """Return the highest multiplier with a gap risk of at most `probability` within `horizon` years.

    `1/(1 − (−ln(1−ε)/(Tλ(1−p)))^(1/η₂))`; infinite when jumps down are rarer than that.

    Raises:
        InvalidNumber: a probability outside (0, 1), or a horizon of zero or less.
    """
    downs = above(horizon, 0, what="horizon") * jumps.intensity * (1 - jumps.up_share)
    allowed = -log1p(-open_unit(probability, what="probability"))
    if allowed >= downs:
        return inf
    return -1 / expm1(log(allowed / downs) / jumps.down_rate)


def constant_health_gap_probability(health_factor: float, horizon: float, jumps: KouJumps) -> float:
    """Return the chance that one jump takes a health factor that is always restored to 1: `1 − exp(−Tλ(1−p)HF^−η₂)`.

    A constant health factor is a CPPI whose gap is the jump to liquidation. 1 at a health factor of 1 or less.
    """
    if finite(health_factor, what="health factor") <= 1:
        return 1.0
    return _gap(log(health_factor), horizon, jumps)


def discrete_cppi_gap_probability(
    multiplier: float, *, volatility: float, expected_return: float, rate: float, horizon: float, rebalances: int
) -> float:
    """Return the chance that the floor breaks when CPPI trades only `rebalances` times in `horizon` years.

    `1 − (1 − Φ(−d))^n`, `d = (ln(m/(m−1)) + (μ−r)Δ − ½σ²Δ)/(σ√Δ)`; lognormal prices. Source: Balder, Brandl and
    Mahayni 2009.

    Raises:
        InvalidNumber: a multiplier of 1 or less, fewer than one rebalance, or another argument out of range.
    """
    step = above(horizon, 0, what="horizon") / at_least(rebalances, 1, what="number of rebalances")
    spread = above(volatility, 0, what="volatility") * sqrt(step)
    drift = finite(expected_return, what="expected return") - finite(rate, what="rate") - 0.5 * volatility**2
    distance = (-log1p(-1 / above(multiplier, 1, what="multiplier")) + drift * step) / spread
    return -expm1(rebalances * log1p(-NormalDist().cdf(-distance)))


def _gap(distance: float, horizon: float, jumps: KouJumps) -> float:
    """Return the chance of a jump down by more than `distance` in log terms."""
    rate = jumps.intensity * (1 - jumps.up_share) * exp(-jumps.down_rate * distance)
    return -expm1(-above(horizon, 0, what="horizon") * rate)
