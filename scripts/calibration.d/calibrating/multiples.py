"""Multipliers of several estimators, fitted on one part of time and judged on the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from calibrating.sample import STUDY_FIRST, Asset
from calibrating.verdict import Frequency, frequency
from defilev.risk.arguments import Array
from defilev.risk.excursions import standardised, survival_quantiles

LEVELS = (0.05, 0.01, 0.001)


@dataclass(frozen=True, slots=True)
class Fitted:
    """Multipliers at `LEVELS` from the windows that ended before the split.

    The frequencies are of later falls beyond them, and beyond the lognormal ones.
    """

    estimator: str
    horizon: int
    multipliers: tuple[float, ...]
    breaches: tuple[Frequency, ...]
    lognormal_breaches: tuple[Frequency, ...]


def fit_and_judge(
    assets: Sequence[Asset], paths: Mapping[str, Sequence[Array]], horizon: int, *, split: int
) -> list[Fitted]:
    """One row per estimator; every estimator sees the same windows."""
    rows = []
    for name, per_asset in paths.items():
        falls, days = _falls(assets, per_asset, horizon)
        early, late = days + horizon < split, days >= split
        multipliers = survival_quantiles(falls[early], LEVELS)
        lognormal = [float(-ndtri(level / 2)) for level in LEVELS]
        rows.append(
            Fitted(
                name,
                horizon,
                tuple(float(k) for k in multipliers),
                tuple(frequency(falls[late] > k, days[late], horizon) for k in multipliers),
                tuple(frequency(falls[late] > k, days[late], horizon) for k in lognormal),
            )
        )
    return rows


def exceedance(asset: Asset, multipliers: Sequence[float], horizon: int) -> list[Frequency]:
    """How often an asset's falls exceed another table's multipliers, after a year of its own history."""
    falls, days = _falls([asset], [asset.blend], horizon, first=int(asset.daily.day[0]) + 365)
    return [frequency(falls > k, days, horizon) for k in multipliers]


def _falls(
    assets: Sequence[Asset], paths: Sequence[Array], horizon: int, *, first: int = STUDY_FIRST
) -> tuple[Array, np.ndarray]:
    falls, days = [], []
    for asset, path in zip(assets, paths, strict=True):
        windows = asset.windows(horizon)
        chosen = windows.day >= first
        falls.append(standardised(windows, path, horizon)[chosen])
        days.append(windows.day[chosen])
    return np.concatenate(falls), np.concatenate(days)
