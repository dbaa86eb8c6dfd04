"""Multiplier tables from the windows that ended before a day."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from calibrating.sample import MAJORS, TABLE_HORIZONS, WARM_UP, Asset, day_name
from defilev.model.multipliers import HorizonMultipliers, MultiplierTable
from defilev.risk.arguments import Array
from defilev.risk.excursions import PROBABILITIES, fit_multipliers, standardised, survival_quantiles
from defilev.risk.volatility.forecasts import CALIBRATED_ESTIMATOR

SEED = 20250630
BLOCK_DAYS = 30
SOURCE = "hourly Binance spot candles, scripts/calibration"
VolatilityPath = Callable[[Asset, int], Array]
"""An estimator's volatility path for an asset and a horizon in days."""


def blend_path(asset: Asset, _: int) -> Array:
    return asset.blend


def pooled(
    assets: Sequence[Asset],
    horizon: int,
    *,
    path: VolatilityPath = blend_path,
    ends_before: int | None = None,
    first_row: int = WARM_UP,
) -> tuple[Array, Array]:
    """Standardised falls of all assets and their start days, of windows that end before a day."""
    falls, days = [], []
    for asset in assets:
        windows = asset.windows(horizon)
        chosen = windows.row >= first_row
        if ends_before is not None:
            chosen &= windows.day + horizon < ends_before
        falls.append(standardised(windows, path(asset, horizon), horizon)[chosen])
        days.append(windows.day[chosen])
    return np.concatenate(falls), np.concatenate(days)


def shipped(assets: Sequence[Asset]) -> MultiplierTable:
    """The table of all windows, with errors by block bootstrap."""
    generator = np.random.default_rng(SEED)
    rows = []
    for horizon in TABLE_HORIZONS:
        falls, days = pooled(assets, horizon)
        rows.append(
            fit_multipliers(
                falls,
                (days // BLOCK_DAYS).astype(np.int64),
                horizon_days=horizon,
                independent_windows=len(np.unique(days)) // horizon,
                generator=generator,
            )
        )
    _, days = pooled(assets, 1)
    last = day_name(max(int(asset.daily.day[-1]) for asset in assets))
    return _table("majors 2025-06", rows, PROBABILITIES, day_name(int(days.min())), last)


def fitted(
    assets: Sequence[Asset],
    *,
    ends_before: int,
    horizons: Sequence[int],
    path: VolatilityPath = blend_path,
    first_row: int = WARM_UP,
) -> MultiplierTable:
    """A table for one decision day, without errors, from windows that ended before it.

    Its finest probability is one in half the number of windows, 0.1% at best.
    """
    rows, samples = [], []
    for horizon in horizons:
        falls, days = pooled(assets, horizon, path=path, ends_before=ends_before, first_row=first_row)
        samples.append((horizon, falls, len(np.unique(days)) // horizon))
    finest = max(0.001, 2.0 / min(len(falls) for _, falls, _ in samples))
    probabilities = tuple(p for p in PROBABILITIES if p >= finest)
    for horizon, falls, independent in samples:
        multipliers = tuple(float(k) for k in survival_quantiles(falls, probabilities))
        rows.append(
            HorizonMultipliers(float(horizon), multipliers, (0.0,) * len(probabilities), len(falls), independent)
        )
    return _table("study", rows, probabilities, "", day_name(ends_before))


def _table(
    name: str, rows: Sequence[HorizonMultipliers], probabilities: tuple[float, ...], first: str, last: str
) -> MultiplierTable:
    return MultiplierTable(
        name=name,
        asset_class="major",
        assets=MAJORS,
        estimator=CALIBRATED_ESTIMATOR,
        first_day=first,
        last_day=last,
        derived_on=last,
        probabilities=probabilities,
        horizons=tuple(rows),
        source=SOURCE,
    )
