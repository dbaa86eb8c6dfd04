"""The histories, and for every start day what each estimator knew then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from defilev.config.prices import load_history
from defilev.model.history import PriceHistory
from defilev.risk.arguments import Array
from defilev.risk.excursions import Excursions, adverse_excursions, half_long_run_path
from defilev.risk.series import DailyVariances, daily_variances
from defilev.risk.volatility.forecasts import ewma_path, har

DATA = Path(__file__).resolve().parent.parent / "data"
MAJORS = ("ETH", "BTC")
HORIZONS = (1, 7, 30)
TABLE_HORIZONS = (1, 3, 7, 14, 30)
WARM_UP = 300
"""Days of history before the first start that a table may use."""
STUDY_FIRST = 17_897
"""2019-01-01 in days since 1970: the first start of the study; 2018 is history only."""

Days = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Asset:
    """A history, its daily variances, and volatility paths per √year by estimator: a value at the end of each day."""

    name: str
    history: PriceHistory
    daily: DailyVariances
    ewma: Array
    blend: Array

    def windows(self, horizon: int) -> Excursions:
        return adverse_excursions(self.history, self.daily, horizon)


def load(name: str) -> Asset:
    history = load_history(DATA, name)
    daily = daily_variances(history)
    return Asset(name, history, daily, np.sqrt(365.0 * ewma_path(daily.variance)), half_long_run_path(daily))


def har_path(asset: Asset, horizon: int) -> Array:
    """HAR refitted every day on the days up to it; NaN before the first start of the study, where nobody asks."""
    path = np.full(len(asset.daily), np.nan)
    for row in range(int(np.searchsorted(asset.daily.day, STUDY_FIRST)), len(asset.daily)):
        seen = DailyVariances(asset.daily.day[: row + 1], asset.daily.variance[: row + 1], 0)
        path[row] = har(seen, horizon)
    return path


def day_number(text: str) -> int:
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


def day_name(number: int) -> str:
    return datetime.fromtimestamp(number * 86_400, tz=UTC).date().isoformat()
