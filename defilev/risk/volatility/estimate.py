"""The volatility that is used, and every figure it was chosen from, so that the choice can be read and repeated."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Literal

from defilev.model.history import PriceHistory
from defilev.risk.series import daily_returns, daily_variances, gaps
from defilev.risk.volatility.forecasts import (
    HAR_MINIMUM_DAYS,
    ewma,
    half_long_run,
    har,
    long_run,
    stress_floor,
    stress_level,
)
from defilev.risk.volatility.garch import MINIMUM_DAYS, gjr_garch
from defilev.risk.volatility.implied import blend_implied

__all__ = ["Component", "Method", "VolatilityEstimate", "days_needed", "estimate_volatility"]

Method = Literal["blend", "ewma", "har", "garch"]

_SHORTEST = 90
_ENDS = 2
"""Days at either end of a history that are not whole."""


@dataclass(frozen=True, slots=True)
class Component:
    """A figure that was considered: volatility per √year."""

    name: str
    volatility: float


@dataclass(frozen=True, slots=True)
class VolatilityEstimate:
    """The volatility `used` for a horizon, per √year.

    `calibrated` is the ½ EWMA + ½ long-run blend that shipped multipliers belong to, the floor applied. `stress` is the
    99th percentile of 7-day volatility. `notes` are sentences for the reader: fallbacks, gaps, a floor that bound.
    """

    used: float
    method: Method
    calibrated: float
    floor: float
    stress: float
    components: tuple[Component, ...]
    notes: tuple[str, ...]


def days_needed(method: Method, horizon_days: float) -> int:
    """Return how many days a history without gaps must span for `method` to answer."""
    if method == "har":
        return max(_SHORTEST, HAR_MINIMUM_DAYS + ceil(horizon_days) + _ENDS)
    return MINIMUM_DAYS + 1 + _ENDS if method == "garch" else _SHORTEST


def estimate_volatility(
    history: PriceHistory,
    *,
    horizon_days: float,
    method: Method = "blend",
    implied: float | None = None,
    asset_floor: float = 0.0,
) -> VolatilityEstimate:
    """Return max(floor, forecast blended with `implied`) from a history that `series.usable` has passed.

    Args:
        history: the candles in use; its end is the present.
        horizon_days: what the forecast is for.
        method: `blend` is ½ EWMA + ½ long-run, the one that the shipped multipliers belong to.
        implied: 30-day implied volatility per √year; `None` when there is none.
        asset_floor: the asset class's own floor, per √year.

    Raises:
        HistoryUnusable, ExtraMissing, InvalidNumber: as the estimators.
    """
    daily = daily_variances(history)
    blend, quick = half_long_run(daily), ewma(daily)
    components = [Component("ewma", quick), Component("long-run", long_run(daily)), Component("blend", blend)]
    notes = _gap_notes(history, daily.dropped)
    forecast = {"blend": blend, "ewma": quick}.get(method)
    if forecast is None and method == "har":
        forecast = har(daily, max(1, round(horizon_days)))
        components.append(Component("har", forecast))
    elif forecast is None:
        guarded = gjr_garch(daily_returns(history).value, horizon_days, ewma_volatility=quick)
        forecast = guarded.volatility
        components.append(Component("garch", forecast))
        notes += [guarded.fallback] if guarded.fallback else []
    if implied is not None:
        components.append(Component("implied", implied))
        forecast = blend_implied(forecast, implied, horizon_days)
    floor = stress_floor(daily, asset_floor=asset_floor)
    components.append(Component("floor", floor))
    if floor > forecast:
        notes.append(f"the floor of {floor:.0%} is above the forecast of {forecast:.0%} and is used")
    return VolatilityEstimate(
        used=max(floor, forecast),
        method=method,
        calibrated=max(floor, blend),
        floor=floor,
        stress=stress_level(daily),
        components=tuple(components),
        notes=tuple(notes),
    )


def _gap_notes(history: PriceHistory, dropped_days: int) -> list[str]:
    missing = gaps(history)
    if not missing:
        return []
    hours = sum(gap.seconds for gap in missing) / 3600
    if len(missing) == 1:
        return [f"a gap of {hours:.0f} h: {dropped_days} days that it crosses were left out"]
    return [f"{len(missing)} gaps of {hours:.0f} h in all: {dropped_days} days that cross them were left out"]
