"""The figure that decisions use: probability of liquidation from how far prices really fell, in units of σ̂√T.

Conformal first passage: k(ε, T) is the 1−ε quantile of max(0, −min ln(Low/P))/(σ̂√T) over past windows. No model of
the price is assumed, only that the future's falls are to σ̂ what the sample's were.
"""

from __future__ import annotations

from typing import overload

import numpy as np
import numpy.typing as npt

from defilev.errors import InvalidNumber
from defilev.model.multipliers import MultiplierTable
from defilev.risk.arguments import Array, broadcast, finite, fraction, not_nan, positive, scalar_or_array

__all__ = ["calibrated_health_factor_for_probability", "calibrated_liquidation_probability", "multiplier"]

_DAYS_PER_YEAR = 365.0


@overload
def calibrated_liquidation_probability(
    health_factor: float, volatility: float, horizon: float, carry: float = 0.0, *, table: MultiplierTable
) -> float: ...
@overload
def calibrated_liquidation_probability(
    health_factor: npt.ArrayLike,
    volatility: npt.ArrayLike,
    horizon: npt.ArrayLike,
    carry: npt.ArrayLike = 0.0,
    *,
    table: MultiplierTable,
) -> Array: ...
def calibrated_liquidation_probability(
    health_factor: npt.ArrayLike,
    volatility: npt.ArrayLike,
    horizon: npt.ArrayLike,
    carry: npt.ArrayLike = 0.0,
    *,
    table: MultiplierTable,
) -> float | Array:
    """Return the share of the sample's windows that fell further than this health factor can bear.

    The distance is (ln(health factor) + carry·T)/(σ̂√T); its frequency is read from `table`, log-linear between the
    multipliers. It is never below the table's `smallest_probability`, which stands for "at most that".

    Args:
        health_factor: capacity over requirement; 1 or less gives 1, infinity (nothing owed) gives 0.
        volatility: σ̂ per √year of the estimator that the table names, above zero.
        horizon: in years, within the table's range; between its rows k·√T is interpolated in ln(T).
        carry: supply minus borrow rate, s − b, continuous per year; negative as a rule.
        table: the multipliers.

    Raises:
        InvalidNumber: NaN anywhere, a volatility that is not above zero, a horizon outside the table.
    """
    health, sigma, rates, years = broadcast(
        not_nan("health_factor", health_factor),
        positive("volatility", volatility),
        finite("carry", carry),
        positive("horizon", horizon),
    )
    distance = (np.log(np.maximum(health, 1.0)) + rates * years) / (sigma * np.sqrt(years))
    known = np.log(np.array(table.probabilities))
    logs = np.empty(distance.shape)
    for each in np.unique(years):
        chosen = years == each
        logs[chosen] = np.interp(np.maximum(distance[chosen], 0.0), _multipliers(table, float(each)), known)
    result = np.where(np.isinf(health) & (health > 0), 0.0, np.exp(logs))
    return scalar_or_array(np.asarray(np.where((health <= 1) | (distance <= 0), 1.0, result)))


def calibrated_health_factor_for_probability(
    probability: float, volatility: float, horizon: float, carry: float = 0.0, *, table: MultiplierTable
) -> float:
    """Return exp(k·σ̂√T − carry·T), at least 1: the health factor whose calibrated probability is `probability`.

    Raises:
        InvalidNumber: a probability outside (0, 1) or finer than the table, or what the forward function raises for.
    """
    sigma, years = float(positive("volatility", volatility)), float(positive("horizon", horizon))
    needed = multiplier(table, probability, years) * sigma * years**0.5 - float(finite("carry", carry)) * years
    with np.errstate(over="ignore"):
        return float(np.exp(max(needed, 0.0)))


def multiplier(table: MultiplierTable, probability: float, horizon: float) -> float:
    """Return k(probability, horizon) of `table`, `horizon` in years.

    Raises:
        InvalidNumber: outside what the table's sample can tell; the fix names its range.
    """
    wanted = float(fraction("probability", probability))
    if wanted < table.smallest_probability:
        raise InvalidNumber(
            f"probability {wanted:g} is finer than the sample of {table.name} can tell",
            fix=f"ask for {table.smallest_probability:g} or more",
            argument="probability",
        )
    rising = np.log(np.array(table.probabilities[::-1]))
    return float(np.interp(np.log(wanted), rising, _multipliers(table, float(positive("horizon", horizon)))[::-1]))


def _multipliers(table: MultiplierTable, years: float) -> Array:
    days = years * _DAYS_PER_YEAR
    known = np.array([row.days for row in table.horizons])
    if not known[0] * (1 - 1e-9) <= days <= known[-1] * (1 + 1e-9):
        raise InvalidNumber(
            f"horizon {days:g} days is outside the calibrated range",
            fix=f"choose a horizon from {known[0]:g} to {known[-1]:g} days",
            argument="horizon",
        )
    reaches = _reaches(known, np.array([row.multipliers for row in table.horizons]))
    columns = [np.interp(np.log(days), np.log(known), reaches[:, column]) for column in range(reaches.shape[1])]
    found: Array = np.array(columns) / np.sqrt(days)
    return found


def _reaches(days: Array, multipliers: Array) -> Array:
    """Return k·√T by horizon, never falling as T grows: what is touched in a week is touched in a month.

    Fitted tails of the rarest falls, of which a month has the fewest windows, would otherwise say the contrary.
    """
    reached: Array = np.maximum.accumulate(multipliers * np.sqrt(days)[:, None], axis=0)
    return reached
