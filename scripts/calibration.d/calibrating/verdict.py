"""Predicted against seen: frequencies with Wilson intervals on independent windows, breaches, bins."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from calibrating.predict import Judged

_Z = 1.959963984540054
BIN_EDGES = (0.0, 0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)


@dataclass(frozen=True, slots=True)
class Frequency:
    """A share seen in `windows`, with the 95% Wilson interval for `independent` of them.

    Those are calendar windows side by side: overlapping starts, and two assets on one day, count once.
    """

    share: float
    low: float
    high: float
    windows: int
    independent: int


@dataclass(frozen=True, slots=True)
class Bin:
    """Predictions in one range: their mean, and what was seen."""

    predicted: float
    seen: Frequency


def wilson(share: float, trials: float) -> tuple[float, float]:
    """The 95% Wilson score interval of a share in so many independent trials."""
    if trials <= 0:
        return 0.0, 1.0
    centre = (share + _Z**2 / (2 * trials)) / (1 + _Z**2 / trials)
    half = _Z / (1 + _Z**2 / trials) * np.sqrt(share * (1 - share) / trials + _Z**2 / (4 * trials**2))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def frequency(happened: npt.NDArray[np.bool_], days: npt.NDArray[np.int64], horizon: int) -> Frequency:
    share = float(happened.mean()) if len(happened) else 0.0
    independent = len(np.unique(days)) // horizon
    low, high = wilson(share, independent)
    return Frequency(share, low, high, len(happened), independent)


def touched(judged: Judged, health: float) -> Frequency:
    """How often the barrier was touched."""
    return frequency(judged.fall >= np.log(health), judged.day, judged.horizon)


def breached(judged: Judged, probability: float) -> Frequency:
    """How often a health factor held at the method's own `probability` would have been liquidated.

    Starts on which the method could not tell so small a probability are left out.
    """
    level = probability * (1 + 1e-9)
    told = judged.finest <= level
    return frequency(judged.at_fall[told] <= level, judged.day[told], judged.horizon)


def brier(judged: Judged, health: npt.NDArray[np.float64]) -> float:
    """Mean squared error of all probabilities: lower is better."""
    happened = judged.fall[:, None] >= np.log(health)[None, :]
    return float(((judged.probability - happened) ** 2).mean())


def reliability(judged: Judged, health: npt.NDArray[np.float64]) -> list[Bin]:
    """Mean prediction and frequency by range of prediction, all health factors together; thin ranges are left out."""
    happened = judged.fall[:, None] >= np.log(health)[None, :]
    days = np.broadcast_to(judged.day[:, None], happened.shape)
    bins = []
    for low, high in pairwise(BIN_EDGES):
        chosen = (judged.probability >= low) & (judged.probability < high)
        if low > 0 and len(np.unique(days[chosen])) >= 5 * judged.horizon:
            seen = frequency(happened[chosen], days[chosen], judged.horizon)
            bins.append(Bin(float(judged.probability[chosen].mean()), seen))
    return bins


def since(judged: Judged, day: int) -> Judged:
    """The starts from `day` on."""
    late = judged.day >= day
    return Judged(
        judged.method,
        judged.horizon,
        judged.day[late],
        judged.fall[late],
        judged.probability[late],
        judged.at_fall[late],
        judged.finest[late],
    )
