"""Laws of volatility that hold for every history: unit, order, sign; and never NaN."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from defilev.model.history import DAY, PriceHistory
from defilev.risk.series import DailyVariances, log_returns
from defilev.risk.volatility import (
    blend_implied,
    close_to_close,
    ewma,
    garman_klass,
    half_long_run,
    long_run,
    parkinson,
    repair_correlation,
    rogers_satchell,
    shrink_correlation,
    stress_floor,
    yang_zhang,
)

ESTIMATORS = (close_to_close, parkinson, garman_klass, rogers_satchell, yang_zhang)
moves = st.lists(
    st.tuples(st.floats(-0.2, 0.2), st.floats(0.0, 0.1), st.floats(0.0, 0.1), st.floats(-0.01, 0.01)),
    min_size=50,
    max_size=120,
)
seeds = st.integers(0, 2**32 - 1)


def history_of(rows: list[tuple[float, float, float, float]], *, unit: float = 1.0) -> PriceHistory:
    """Candles from moves, wicks up and down, and jumps between candles."""
    table = np.array(rows)
    close = np.log(2000.0 * unit) + np.cumsum(table[:, 0] + table[:, 3])
    opened = close - table[:, 0]
    high = np.maximum(opened, close) + table[:, 1]
    low = np.minimum(opened, close) - table[:, 2]
    times = np.arange(len(table), dtype=np.int64) * 3600 + 20_000 * DAY
    return PriceHistory("X", 3600, times, np.exp(opened), np.exp(high), np.exp(low), np.exp(close))


@given(moves, st.floats(1e-3, 1e4))
def test_the_unit_of_the_price_changes_nothing(rows: list[tuple[float, float, float, float]], unit: float) -> None:
    """Dollars, cents or thousands give the same volatility by every estimator, and it is a number of zero or more."""
    for estimator in ESTIMATORS:
        found = estimator(history_of(rows))
        assert 0.0 <= found < np.inf
        assert found == pytest.approx(estimator(history_of(rows, unit=unit)), rel=1e-6, abs=1e-9)


@given(moves)
def test_longer_wicks_are_never_calmer(rows: list[tuple[float, float, float, float]]) -> None:
    """Widening every candle's range does not lower a range estimator."""
    wider = [(move, up + 0.02, down + 0.02, jump) for move, up, down, jump in rows]
    for estimator in (parkinson, garman_klass, rogers_satchell):
        assert estimator(history_of(rows)) <= estimator(history_of(wider)) + 1e-12


@given(moves, st.data())
def test_no_return_crosses_a_gap(rows: list[tuple[float, float, float, float]], data: st.DataObject) -> None:
    """Leaving out candles leaves out the returns into and over them, and changes no other."""
    history = history_of(rows)
    gone = data.draw(st.integers(1, len(rows) - 2))
    keep = np.arange(len(rows)) != gone
    columns = (history.opens_at, history.open, history.high, history.low, history.close)
    holed = PriceHistory("X", 3600, *(column[keep] for column in columns))
    expected = np.delete(log_returns(history), [gone - 1, gone])
    assert list(expected) == list(log_returns(holed))


@given(st.lists(st.floats(1e-8, 1.0), min_size=30, max_size=400), st.floats(0.5, 0.99))
def test_averages_lie_between_what_they_average(values: list[float], decay: float) -> None:
    """EWMA, long run and their blend lie between the calmest day and the wildest."""
    daily = DailyVariances(np.arange(len(values), dtype=np.int64), np.array(values), 0)
    low, high = (np.sqrt(365 * bound) for bound in (min(values), max(values)))
    for found in (ewma(daily, decay=decay), long_run(daily), half_long_run(daily, decay=decay)):
        assert low * (1 - 1e-9) <= found <= high * (1 + 1e-9)
    assert 0.5 <= stress_floor(daily, asset_floor=0.5)


@given(st.floats(0.01, 3.0), st.floats(0.01, 3.0), st.floats(0.01, 400.0))
def test_blend_lies_between_forecast_and_options(forecast: float, implied: float, days: float) -> None:
    """And never nearer to the options than halfway in variance."""
    blend = blend_implied(forecast, implied, days)
    assert min(forecast, implied) * (1 - 1e-12) <= blend <= max(forecast, implied) * (1 + 1e-12)
    assert abs(blend**2 - forecast**2) <= 0.5 * abs(implied**2 - forecast**2) + 1e-12


@given(seeds, st.integers(2, 8), st.integers(10, 80), st.data())
def test_correlation_is_possible_and_order_free(seed: int, assets: int, days: int, data: st.DataObject) -> None:
    """Shrunk and repaired it is positive semidefinite with ones on its diagonal, whatever the order of assets."""
    returns = np.random.default_rng(seed).standard_normal((days, assets)).cumsum(axis=1)
    order = list(data.draw(st.permutations(range(assets))))
    found = repair_correlation(shrink_correlation(returns))
    assert np.linalg.eigvalsh(found).min() > -1e-9
    assert [1.0] * assets == list(np.diag(found))
    assert np.abs(found).max() <= 1.0
    other = repair_correlation(shrink_correlation(returns[:, order]))
    assert found[np.ix_(order, order)] == pytest.approx(other, abs=1e-9)
