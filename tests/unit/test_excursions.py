"""How multipliers are derived: falls, standardising without looking ahead, quantiles with a fitted tail, errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from defilev.config.multipliers import load_multipliers
from defilev.config.prices import load_history
from defilev.errors import HistoryUnusable
from defilev.model.history import DAY, PriceHistory
from defilev.risk.excursions import (
    PROBABILITIES,
    adverse_excursions,
    fit_multipliers,
    half_long_run_path,
    standardised,
    survival_quantiles,
)
from defilev.risk.series import daily_variances

SAMPLE = Path(__file__).resolve().parents[2] / "scripts" / "calibration.d" / "data"


def flat(days: int, *, missing: frozenset[int] = frozenset(), dips: dict[int, float] | None = None) -> PriceHistory:
    """Hourly candles that flicker around 100, with lows at `dips` by hour and `missing` hours left out."""
    hours = np.array([hour for hour in range(24 * days) if hour not in missing], dtype=np.int64)
    close = np.where(hours % 2 == 0, 100.0, 101.0)
    opened = np.where(hours % 2 == 0, 101.0, 100.0)
    low = np.minimum(opened, close)
    for hour, price in (dips or {}).items():
        low[hours == hour] = price
    return PriceHistory("X", 3600, hours * 3600 + 20_000 * DAY, opened, np.maximum(opened, close), low, close)


def test_fall_is_to_the_lowest_low_after_the_start() -> None:
    """The day's last close to the lowest low of the next days; the start's own candle does not count."""
    history = flat(10, dips={24 * 5 + 3: 80.0, 24 * 3 - 1: 50.0})
    daily = daily_variances(history)
    found = adverse_excursions(history, daily, 2)
    by_day = dict(zip((int(day) - 20_000 for day in found.day), (float(fall) for fall in found.fall), strict=True))
    assert np.log(101 / 80) == pytest.approx(by_day[3])
    assert np.log(101 / 80) == pytest.approx(by_day[4])
    assert np.log(101 / 100) == pytest.approx(by_day[2])
    assert np.log(101 / 100) == pytest.approx(by_day[5])


def test_windows_across_a_gap_or_past_the_end_are_dropped() -> None:
    """A missing hour drops every start whose window needs it, and nothing is filled."""
    history = flat(12, missing=frozenset({24 * 6 + 5}))
    daily = daily_variances(history)
    found = adverse_excursions(history, daily, 2)
    assert [1, 2, 3, 7, 8, 9] == [int(day) - 20_000 for day in found.day]
    assert len(daily) - 6 == found.dropped
    with pytest.raises(HistoryUnusable, match="in a row"):
        adverse_excursions(history, daily, 30)


def test_volatility_of_a_day_does_not_know_the_next() -> None:
    """Cutting the future off changes no earlier value of the path."""
    history = load_history(SAMPLE, "ETH")
    whole = daily_variances(history)
    cut = daily_variances(history.between(history.first, history.first + 500 * DAY))
    assert list(half_long_run_path(cut)) == list(half_long_run_path(whole)[: len(cut)])


def test_quantiles_are_empirical_down_to_one_percent() -> None:
    """Probability 1 is no fall at all; the others are exceeded by their share; the tail goes on rising."""
    falls = np.random.default_rng(1).exponential(size=20_000)
    found = survival_quantiles(falls, PROBABILITIES)
    assert 0.0 == found[0]
    for level, k in zip(PROBABILITIES[1:], found[1:], strict=True):
        if level >= 0.01:
            assert level == pytest.approx((falls > k).mean(), abs=1e-4)
    assert np.all(np.diff(found) > 0)


def test_fitted_tail_finds_the_exponential_law() -> None:
    """The 0.1 % point of an exponential law is ln 1000, extrapolated from two thousand values."""
    generator = np.random.default_rng(2)
    found = [survival_quantiles(generator.exponential(size=2000), (1.0, 0.01, 0.001))[2] for _ in range(50)]
    assert np.log(1000) == pytest.approx(np.mean(found), rel=0.05)


def test_errors_come_from_blocks_of_time() -> None:
    """Falls that come in clusters are known less well than as many independent ones."""
    generator = np.random.default_rng(3)
    rows = []
    for repeats in (1, 20):
        falls = np.repeat(generator.exponential(size=3000 // repeats), repeats)
        blocks = np.arange(3000) // 20
        rows.append(
            fit_multipliers(falls, blocks, horizon_days=7, independent_windows=428, generator=np.random.default_rng(4))
        )
    place = PROBABILITIES.index(0.05)
    assert rows[0].errors[place] * 2 < rows[1].errors[place]
    assert rows[0] == fit_multipliers(
        np.repeat(np.random.default_rng(3).exponential(size=3000), 1),
        np.arange(3000) // 20,
        horizon_days=7,
        independent_windows=428,
        generator=np.random.default_rng(4),
    )


def test_shipped_multipliers_follow_from_the_sample() -> None:
    """The shipped table is what the committed histories give: scripts/calibration has not to be believed."""
    table = load_multipliers()
    for row in table.horizons:
        falls = []
        for asset in table.assets:
            history = load_history(SAMPLE, asset)
            daily = daily_variances(history)
            windows = adverse_excursions(history, daily, int(row.days))
            falls.append(standardised(windows, half_long_run_path(daily), int(row.days))[windows.row >= 300])
        pooled = np.concatenate(falls)
        assert row.windows == len(pooled)
        assert list(survival_quantiles(pooled, table.probabilities)) == pytest.approx(row.multipliers, abs=6e-5)
