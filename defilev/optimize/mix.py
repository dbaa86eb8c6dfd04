"""What an exposure's health moves with: volatility and drift of ln(health factor), and which side is exposed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum, sqrt
from typing import TypeAlias

from defilev.errors import Infeasible, InvalidNumber
from defilev.model.exposure import Driver, Exposure, Term
from defilev.model.request import Address
from defilev.model.target_inputs import Side
from defilev.optimize.arguments import at_least

__all__ = ["NEARLY_STILL", "Correlation", "Mix", "assumed_correlation", "mix_of"]

Correlation: TypeAlias = Callable[[Driver, Driver, bool], float]
"""The correlation of two drivers; the last argument says that they are on the same side of the account."""

NEARLY_STILL = 0.05
"""A volatility per √year below which a side counts as not moving."""

SAME_SIDE = 0.9
ACROSS = 0.5


@dataclass(frozen=True, slots=True)
class Mix:
    """Statistics of an exposure at its present mix; volatilities per √year.

    `volatility` and `drift` (Itô terms only, per year) are those of ln(health factor), `exposure_volatility` that of
    what leverage multiplies. `moving_share` is the share of capacity (`short`: of debt) that is volatile.
    `assumed` says that a correlation was used.
    """

    side: Side
    volatility: float
    drift: float
    exposure_volatility: float
    moving_share: float
    assumed: bool


def assumed_correlation(first: Driver, second: Driver, same_side: bool) -> float:  # noqa: FBT001 - see `Correlation`
    """Return a cautious correlation without any history: 0.9 on one side, 0.5 across it, 0 for a stablecoin."""
    if first.stable or second.stable:
        return 0.0
    return SAME_SIDE if same_side else ACROSS


def mix_of(
    exposure: Exposure, volatilities: Mapping[Address, float], correlation: Correlation = assumed_correlation
) -> Mix:
    """Return the statistics of `exposure`, given each driver's volatility per √year by feed.

    With weights w on capacity and u on requirement and a = w − u: `σ² = aᵀΣa`, `ν = −½wᵀΣw + ½uᵀΣu` (Itô of the
    logarithms of two sums, prices driftless). Exact for one collateral and one debt.

    Raises:
        Infeasible: no collateral counts.
        InvalidNumber: a driver without a volatility, a negative or NaN one, correlations that cannot all hold.
    """
    drivers = exposure.drivers
    capacity = _by_driver(exposure, lambda term: term.capacity)
    owed = _by_driver(exposure, lambda term: term.requirement)
    value = _by_driver(exposure, lambda term: term.equity + term.requirement)
    if fsum(capacity) <= 0:
        raise Infeasible("no collateral counts in this account", fix="supply collateral first")
    w, u, v = _shares(capacity), _shares(owed), _shares(value)
    a = [one - other for one, other in zip(w, u, strict=True)]
    sigma = _covariance(drivers, volatilities, correlation, signs=a)
    collateral, debt, health = (_quadratic(weights, sigma) for weights in (w, u, a))
    side = _side(sqrt(collateral), sqrt(debt), sqrt(health), is_owed=any(owed))
    exposed = {"long": v, "short": u}.get(side, [one - other for one, other in zip(v, u, strict=True)])
    moving = u if side == "short" else w
    return Mix(
        side=side,
        volatility=sqrt(health),
        drift=0.5 * (debt - collateral),
        exposure_volatility=sqrt(_quadratic(exposed, sigma)),
        moving_share=fsum(share for share, driver in zip(moving, drivers, strict=True) if not driver.stable),
        assumed=sum(1 for weight, driver in zip(a, drivers, strict=True) if weight and not driver.stable) > 1,
    )


def _side(collateral: float, debt: float, health: float, *, is_owed: bool) -> Side:
    if health < NEARLY_STILL and (is_owed or collateral < NEARLY_STILL):
        return "correlated"
    if debt < NEARLY_STILL:
        return "long"
    return "short" if collateral < NEARLY_STILL else "ratio"


def _by_driver(exposure: Exposure, figure: Callable[[Term], float]) -> list[float]:
    return [fsum(figure(term) for term in exposure.terms if term.driver == driver.feed) for driver in exposure.drivers]


def _shares(figures: Sequence[float]) -> list[float]:
    total = fsum(figures)
    return [figure / total if total else 0.0 for figure in figures]


def _covariance(
    drivers: Sequence[Driver],
    volatilities: Mapping[Address, float],
    correlation: Correlation,
    *,
    signs: Sequence[float],
) -> list[list[float]]:
    sigma = []
    for driver in drivers:
        if driver.feed not in volatilities:
            raise InvalidNumber(f"no volatility of {driver.symbol} is known", fix="give --volatility 65%, or --prices")
        sigma.append(at_least(volatilities[driver.feed], 0, what=f"volatility of {driver.symbol}"))
    rows = []
    for i, first in enumerate(drivers):
        row = [
            1.0 if i == j else correlation(first, second, signs[i] * signs[j] > 0) for j, second in enumerate(drivers)
        ]
        rows.append([value * sigma[i] * sigma[j] for j, value in enumerate(row)])
    return rows


def _quadratic(weights: Sequence[float], matrix: Sequence[Sequence[float]]) -> float:
    total = fsum(
        one * other * matrix[i][j] for i, one in enumerate(weights) for j, other in enumerate(weights) if one and other
    )
    if total < -1e-12:
        raise InvalidNumber("the correlations cannot all hold at once", fix="repair the matrix, or give fewer of them")
    return max(total, 0.0)
