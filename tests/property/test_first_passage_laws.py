"""Laws of first passage that hold for every position: monotone, inverse of inverse, scale, permutation, decimals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st

from defilev.config.multipliers import load_multipliers
from defilev.risk.exposure import ExposureMatrix, log_health
from defilev.risk.first_passage import (
    KouJumps,
    LiquidationTerms,
    calibrated_health_factor_for_probability,
    calibrated_liquidation_probability,
    double_barrier_exit_probability,
    expected_liquidation_loss,
    expected_log_equity,
    health_factor_for_probability,
    jump_health_factor_for_probability,
    jump_liquidation_probability,
    liquidation_probability,
)

TABLE = load_multipliers()
health_factors = st.floats(1.0001, 20.0)
volatilities = st.floats(0.01, 3.0)
horizons = st.floats(1e-5, 2.0)
drifts = st.floats(-2.0, 2.0)
probabilities = st.floats(1e-8, 0.999)
table_days = st.floats(1.0, 30.0)
factors = st.floats(1.0, 3.0)
TINY = 1e-12
INVERSION = 1e-7
"""What the numerical inversion of the jump transform may be off by, absolutely."""


@given(health_factors, volatilities, horizons, drifts, factors)
def test_more_health_is_never_more_dangerous(hf: float, sigma: float, years: float, nu: float, more: float) -> None:
    """The probability falls with the health factor and is a probability."""
    near, far = liquidation_probability([hf, hf * more], sigma, years, nu)
    assert 0.0 <= far <= near + TINY <= 1.0 + TINY


@given(health_factors, volatilities, horizons, drifts, factors)
def test_more_time_is_never_safer(hf: float, sigma: float, years: float, nu: float, more: float) -> None:
    """The probability rises with the horizon."""
    shorter, longer = liquidation_probability(hf, sigma, [years, years * more], nu)
    assert shorter <= longer + TINY


@given(health_factors, volatilities, horizons, st.floats(0.0, 2.0), factors)
def test_more_volatility_is_never_safer(hf: float, sigma: float, years: float, nu: float, more: float) -> None:
    """The probability rises with the volatility when the drift does not itself lead to liquidation."""
    calmer, wilder = liquidation_probability(hf, [sigma, sigma * more], years, nu)
    assert calmer <= wilder + TINY


@given(health_factors, volatilities, horizons, drifts, st.floats(0.0, 1.0))
def test_a_better_drift_is_never_more_dangerous(hf: float, sigma: float, years: float, nu: float, more: float) -> None:
    """The probability falls with the drift."""
    worse, better = liquidation_probability(hf, sigma, years, [nu, nu + more])
    assert better <= worse + TINY


@given(health_factors, volatilities, horizons, drifts, st.floats(0.01, 100.0))
def test_only_the_clock_of_the_market_matters(hf: float, sigma: float, years: float, nu: float, speed: float) -> None:
    """Time counted in other units gives the same probability: σ√c, ν·c, T/c."""
    there = liquidation_probability(hf, sigma * speed**0.5, years / speed, nu * speed)
    assert liquidation_probability(hf, sigma, years, nu) == pytest.approx(there, rel=1e-6, abs=1e-12)


@given(probabilities, volatilities, horizons, drifts)
def test_inverse_of_the_inverse(probability: float, sigma: float, years: float, nu: float) -> None:
    """The health factor of a probability has that probability."""
    health = health_factor_for_probability(probability, sigma, years, nu)
    assume(np.log(health) > 1e-6)
    assert probability == pytest.approx(liquidation_probability(health, sigma, years, nu), rel=1e-5)


@given(probabilities, st.floats(0.05, 2.0), horizons, factors)
def test_less_risk_taken_needs_more_health(probability: float, sigma: float, years: float, more: float) -> None:
    """The required health factor rises with volatility and horizon, and falls with the probability accepted."""
    base = health_factor_for_probability(probability, sigma, years)
    assert base <= health_factor_for_probability(probability, sigma * more, years) * (1 + TINY)
    assert base <= health_factor_for_probability(probability, sigma, years * more) * (1 + TINY)
    assert base <= health_factor_for_probability(probability / more, sigma, years) * (1 + TINY)


@given(st.floats(0.001, 2.0), st.floats(0.001, 2.0), st.floats(0.02, 2.0), horizons, drifts)
def test_two_barriers_are_worse_than_one_and_better_than_their_sum(
    a: float, b: float, sigma: float, years: float, nu: float
) -> None:
    """max(P(down), P(up)) ≤ P(exit) ≤ P(down) + P(up), and mirroring the price changes nothing."""
    down = liquidation_probability(np.exp(a), sigma, years, nu)
    up = liquidation_probability(np.exp(b), sigma, years, -nu)
    either: Any = double_barrier_exit_probability(a, b, sigma, years, nu)
    assert max(down, up) - 1e-8 <= either <= min(1.0, down + up) + 1e-8
    assert either == pytest.approx(double_barrier_exit_probability(b, a, sigma, years, -nu), abs=1e-9)


@given(st.floats(1.01, 3.0), st.floats(0.2, 1.5), st.floats(1e-3, 0.5), st.floats(-1, 1), st.floats(1.0, 60), factors)
def test_jumps_are_monotone_in_health_and_time(
    hf: float, sigma: float, years: float, nu: float, intensity: float, more: float
) -> None:
    """With jumps too more health is safer and more time is not; nothing is NaN."""
    jumps = KouJumps(intensity, 0.4, 1 / 0.04, 1 / 0.05)
    near, far = jump_liquidation_probability([hf, hf * more], sigma, years, nu, jumps)
    longer = jump_liquidation_probability(hf, sigma, years * more, nu, jumps)
    assert 0.0 <= far <= near + INVERSION
    assert near <= longer + INVERSION <= 1 + INVERSION


@given(st.floats(1e-5, 0.5), st.floats(0.2, 1.5), st.floats(1e-3, 0.5), st.floats(-1, 1))
def test_jump_inverse_of_the_inverse(probability: float, sigma: float, years: float, nu: float) -> None:
    """The health factor of a probability has that probability, jumps included."""
    jumps = KouJumps(55, 0.46, 1 / 0.032, 1 / 0.038)
    health = jump_health_factor_for_probability(probability, sigma, years, nu, jumps)
    found = jump_liquidation_probability(health, sigma, years, nu, jumps)
    assert probability == pytest.approx(found, rel=1e-4, abs=INVERSION)


@given(st.floats(0.0011, 0.9), st.floats(0.05, 2.0), table_days, st.floats(-0.2, 0.0))
def test_calibrated_inverse_of_the_inverse(probability: float, sigma: float, days: float, carry: float) -> None:
    """The calibrated health factor of a probability has that probability."""
    health = calibrated_health_factor_for_probability(probability, sigma, days / 365, carry, table=TABLE)
    found = calibrated_liquidation_probability(health, sigma, days / 365, carry, table=TABLE)
    assert probability == pytest.approx(found, rel=1e-6)


@given(health_factors, st.floats(0.05, 2.0), table_days, st.floats(-0.5, 0.5), factors)
def test_calibrated_is_monotone(hf: float, sigma: float, days: float, carry: float, more: float) -> None:
    """More health or carry is safer, more volatility is not, and it is a probability."""
    base = calibrated_liquidation_probability(hf, sigma, days / 365, carry, table=TABLE)
    assert TABLE.smallest_probability <= base <= 1.0
    assert calibrated_liquidation_probability(hf * more, sigma, days / 365, carry, table=TABLE) <= base + TINY
    assert calibrated_liquidation_probability(hf, sigma, days / 365, carry + more, table=TABLE) <= base + TINY
    if np.log(hf) + carry * days / 365 > 0:
        assert base <= calibrated_liquidation_probability(hf, sigma * more, days / 365, carry, table=TABLE) + TINY


@given(health_factors, st.floats(0.05, 2.0), table_days, table_days)
def test_calibrated_is_monotone_in_the_horizon(hf: float, sigma: float, one: float, other: float) -> None:
    """What may happen within a horizon may happen within a longer one."""
    shorter, longer = (
        calibrated_liquidation_probability(hf, sigma, days / 365, table=TABLE) for days in sorted((one, other))
    )
    assert shorter <= longer * (1 + 1e-9) + TINY


@given(st.floats(1.05, 5.0), st.floats(0.1, 1.5), st.floats(0.01, 1.0), st.floats(-1, 1), st.floats(0.01, 1e6))
def test_expected_loss_scales_with_the_debt(hf: float, sigma: float, years: float, nu: float, scale: float) -> None:
    """A thousand times the debt, or another unit, is that many times the loss, and it is at most bonus × debt."""
    terms = LiquidationTerms(0.8, 0.05, 0.5)
    unit = expected_liquidation_loss(hf, sigma, years, nu, terms=terms, debt=1.0)
    assert 0.0 <= unit <= 0.05
    assert scale * unit == pytest.approx(
        expected_liquidation_loss(hf, sigma, years, nu, terms=terms, debt=scale), rel=1e-12
    )


@given(st.floats(1.1, 4.0), st.floats(0.05, 2.0), st.floats(0.005, 1.0), st.floats(-1, 1))
def test_log_equity_is_a_number(leverage: float, sigma: float, years: float, mean: float) -> None:
    """Survival weighting keeps the logarithm finite at any volatility, horizon and view."""
    assert np.isfinite(expected_log_equity(leverage, LiquidationTerms(0.78, 0.05, 0.5), mean, sigma, years))


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 2)), min_size=2, max_size=6), st.data())
def test_order_and_unit_of_assets_change_nothing(legs: list[tuple[float, float, float]], data: st.DataObject) -> None:
    """Permuting drivers, or counting in cents, leaves volatility and drift of ln(health factor) as they are."""
    order = data.draw(st.permutations(range(len(legs))))
    scale = data.draw(st.floats(1e-3, 1e3))
    assume(sum(leg[0] for leg in legs) > 1e-3)
    assume(sum(leg[1] for leg in legs) > 1e-3)
    table = np.array(legs)
    base = _log_health(table)
    other = _log_health(table[list(order)] * [scale, scale, 1.0])
    assert base == pytest.approx(other, rel=1e-6, abs=1e-9)


def _log_health(table: np.ndarray) -> tuple[float, float]:
    n, one = len(table), np.zeros(1)
    matrix = ExposureMatrix((), table[None, :, 0], table[None, :, 1], table[None, :, 0], one, one)
    matrix = ExposureMatrix(("0x",) * n, matrix.capacity, matrix.requirement, matrix.equity, one, one)  # type: ignore[arg-type]
    correlation = np.where(np.eye(n, dtype=bool), 1.0, 0.5)
    found = log_health(matrix, table[:, 2], correlation)
    return float(found.volatility[0]), float(found.drift[0])
