"""Growth, fractions, drag, CPPI, tail loss: published figures and closed forms."""

from __future__ import annotations

from math import exp, log, nan, sqrt

import numpy as np
import pytest

from defilev.errors import InvalidNumber
from defilev.optimize.carry import best_carry_leverage, loop_debt, net_carry
from defilev.optimize.conversions import loan_to_value_to_leverage
from defilev.optimize.leverage import (
    cppi_leverage,
    cppi_multiplier_bound,
    drawdown_probability,
    erosion,
    fractional_growth,
    growth_optimal_leverage,
    growth_optimal_leverages,
    growth_rate,
    health_factor_to_leverage,
    implied_return,
    leverage_after,
    leverage_decay,
    leverage_to_health_factor,
    leveraged_log_growth,
    mean_variance_leverage,
    rebalancing_demand,
    shrunk_fraction,
    volatility_target_leverage,
)
from defilev.optimize.tail import conditional_value_at_risk, leverage_for_loss

THORP = {"expected_return": 0.11, "volatility": 0.15, "supply_rate": 0.0, "borrow_rate": 0.06}
"""Thorp 2006, §7.1: the S&P 500."""


def test_kelly_of_thorps_market() -> None:
    """The growth-optimal leverage, its growth and that of no leverage are Thorp's (2006, §7.1)."""
    assert growth_optimal_leverage(**THORP) == pytest.approx(2.222222, rel=1e-6)
    best = growth_optimal_leverage(**THORP)
    assert growth_rate(best, **THORP) == pytest.approx(0.1155556, rel=1e-6)
    assert growth_rate(best, **THORP) == pytest.approx(0.06 + 0.5 * ((0.11 - 0.06) / 0.15) ** 2, abs=1e-12)
    assert growth_rate(1, **THORP) == pytest.approx(0.09875, rel=1e-6)
    assert best * THORP["volatility"] == pytest.approx(1 / 3, rel=1e-6)


def test_excess_growth_is_gone_at_twice_kelly() -> None:
    """At twice the growth-optimal leverage nothing is left of the growth above the rate (Thorp 2006)."""
    assert growth_rate(4.444444444444445, **THORP) == pytest.approx(0.06, abs=1e-12)


@pytest.mark.parametrize(
    ("expected_return", "leverage"), [(0.50, 2.5), (0.26, 1.0), (0.20, 1.0), (0.18, 1.0), (0.10, 0.5), (-0.14, -1.0)]
)
def test_two_rates_leave_a_dead_zone_at_one(expected_return: float, leverage: float) -> None:
    """With a borrow rate above the idle rate the optimum is exactly 1 between two returns, and moves outside them."""
    found = growth_optimal_leverage(expected_return, 0.4, 0.0, 0.10, idle_rate=0.02)
    assert leverage == pytest.approx(found, abs=1e-12)


def test_optimum_beats_its_neighbours() -> None:
    """No leverage near the kinked optimum grows faster."""
    for expected_return in (-0.05, 0.03, 0.08, 0.2, 0.6):
        market = (expected_return, 0.5, 0.01, 0.06)
        best = growth_optimal_leverage(*market, idle_rate=0.02)
        top = growth_rate(best, *market, idle_rate=0.02)
        for step in (-0.1, -1e-3, 1e-3, 0.1):
            assert top >= growth_rate(best + step, *market, idle_rate=0.02)


def test_several_assets_agree_with_one() -> None:
    """The vector formula is the scalar one for a single asset, in all three zones."""
    for expected_return in (0.01, 0.09, 0.5):
        (found,) = growth_optimal_leverages([expected_return], [[0.16]], [0.01], 0.08, idle_rate=0.02)
        expected = growth_optimal_leverage(expected_return, 0.4, 0.01, 0.08, idle_rate=0.02)
        assert expected == pytest.approx(found, abs=1e-12)


def test_singular_covariance_is_refused() -> None:
    """Two assets that move as one have no optimum: the error names the remedy."""
    with pytest.raises(InvalidNumber, match="singular"):
        growth_optimal_leverages([0.1, 0.2], [[0.04, 0.04], [0.04, 0.04]], [0, 0], 0.05)
    with pytest.raises(InvalidNumber, match="does not fit"):
        growth_optimal_leverages([0.1, nan], [[0.04, 0], [0, 0.04]], [0, 0], 0.05)


@pytest.mark.parametrize(("fraction", "chance"), [(1.0, 0.5), (0.5, 0.125), (0.25, 0.0078125)])
def test_chance_of_ever_halving(fraction: float, chance: float) -> None:
    """The chance of ever falling to half is x^(2/c−1) (Thorp 2006 §3; MacLean, Ziemba and Blazenko 1992)."""
    assert drawdown_probability(0.5, fraction) == chance


def test_chance_of_ever_halving_by_simulation() -> None:
    """Half-Kelly wealth, watched through a bridge between steps, halves as often as the formula says, within 3 se."""
    rng, paths, years, step = np.random.default_rng(7), 20_000, 60.0, 0.25
    sharpe, fraction = 0.8, 0.5
    drift = (fraction - fraction**2 / 2) * sharpe**2 * step
    spread = fraction * sharpe * sqrt(step)
    barrier, wealth, alive = log(0.5), np.zeros(paths), np.ones(paths)
    for _ in range(int(years / step)):
        after = wealth + drift + spread * rng.standard_normal(paths)
        crossed = np.exp(np.minimum(-2 * (wealth - barrier) * (after - barrier) / spread**2, 0))
        alive *= np.where(after <= barrier, 0.0, 1 - crossed)
        wealth = after
    found, error = 1 - alive.mean(), alive.std() / sqrt(paths)
    assert drawdown_probability(0.5, fraction) == pytest.approx(found, abs=3 * error)


def test_daily_doubling_loses_to_a_round_trip() -> None:
    """Twice −10 % and +10 % a day turns 100 into 80 and 96 (Cheng and Madhavan 2009)."""
    equity, path = 100.0, []
    for move in (-0.10, 0.10):
        debt = equity
        drifted = leverage_after(2, log(1 + move))
        equity = debt / (drifted - 1)
        path.append(equity)
        exposure = drifted * equity + debt * rebalancing_demand(2, move)
        assert exposure == pytest.approx(2 * equity, abs=1e-12)
    assert [80, 96] == pytest.approx(path, abs=1e-12)


@pytest.mark.parametrize(("leverage", "tolerance"), [(2.0, 5e-4), (3.0, 3e-3), (-1.0, 5e-4)])
def test_constant_leverage_follows_realised_variance(leverage: float, tolerance: float) -> None:
    """Hourly rebalanced wealth is the closed form with realised variance (Avellaneda and Zhang 2010)."""
    rng, hours = np.random.default_rng(3), 8_760
    moves = 0.8 * sqrt(1 / hours) * rng.standard_normal((500, hours)) - 0.32 / hours
    simple = np.expm1(moves)
    wealth = np.log1p(leverage * simple).sum(axis=1)
    formula = [
        leveraged_log_growth(leverage, float(total), float(variance))
        for total, variance in zip(moves.sum(axis=1), (moves**2).sum(axis=1), strict=True)
    ]
    assert np.abs(wealth - np.array(formula)).mean() < tolerance


@pytest.mark.parametrize(("leverage", "loss"), [(2.0, -0.473), (-1.0, -0.473), (3.0, -0.853)])
def test_flat_path_erosion(leverage: float, loss: float) -> None:
    """A year at 80 % volatility that ends where it began costs what the drag formula says."""
    assert erosion(leverage, 0.64) == pytest.approx(loss, abs=5e-4)
    assert leverage_decay(leverage, 0.64) == pytest.approx(0.5 * (leverage - leverage**2) * 0.64)
    assert leverage_decay(1, 0.64) == 0


def test_drift_uncertainty_shrinks_kelly() -> None:
    """With five years of information a Sharpe of 0.8 deserves 0.7619 of Kelly (Kan and Zhou 2007, one asset)."""
    assert shrunk_fraction(0.8, 5) == pytest.approx(0.761905, abs=1e-6)
    for fraction, growth in ((1.0, 0.22), (0.761905, 0.2438), (0.5, 0.2150), (0.25, 0.1338)):
        assert fractional_growth(fraction, 0.8, years=5) == pytest.approx(growth, abs=1e-4)
    assert fractional_growth(1, 0.8) == pytest.approx(0.32)


def test_drift_uncertainty_by_simulation() -> None:
    """Growth at a fraction of an estimated Kelly, averaged over the estimate, is the closed form within 3 se."""
    rng, draws = np.random.default_rng(11), 400_000
    estimated = 0.8 + rng.standard_normal(draws) / sqrt(5)
    for fraction in (1.0, 0.761905, 0.5, 0.25):
        held = fraction * estimated
        growth = held * 0.8 - held**2 / 2
        error = growth.std() / sqrt(draws)
        assert fractional_growth(fraction, 0.8, years=5) == pytest.approx(growth.mean(), abs=3 * error)


def test_implied_return_is_the_inverse_of_kelly() -> None:
    """The implied return of a leverage makes exactly that leverage growth-optimal."""
    assert implied_return(2.5, 0.68, 0.018, 0.054) == pytest.approx(1.192)
    for leverage in (1.2, 2.5, 4.0):
        implied = implied_return(leverage, 0.68, 0.018, 0.054)
        assert leverage == pytest.approx(growth_optimal_leverage(implied, 0.68, 0.018, 0.054))


def test_fractional_kelly_is_mean_variance() -> None:
    """Risk aversion γ without a rate spread is the fraction 1/γ of Kelly."""
    kelly = growth_optimal_leverage(0.9, 0.5, 0.0, 0.03)
    half = mean_variance_leverage(0.9, 0.5, 0.0, 0.03, risk_aversion=2)
    assert kelly / 2 == pytest.approx(half)
    assert volatility_target_leverage(1.0, 0.5) == 2


def test_high_volatility_kelly_is_below_one() -> None:
    """A Sharpe of 0.6 over 4 % at 68 % volatility does not justify borrowing."""
    assert growth_optimal_leverage(0.448, 0.68, 0.018, 0.054) == pytest.approx(0.89, abs=0.005)


def test_fixed_debt_lets_leverage_drift() -> None:
    """Leverage after a move of a fixed-debt position is collateral over equity then."""
    assert leverage_after(2.0, log(0.75)) == pytest.approx(1.5 / 0.5)
    with pytest.raises(InvalidNumber, match="no equity"):
        leverage_after(5.0, log(0.7))


def test_conversions_are_exact() -> None:
    """A position of 120,000 against 72,000 at a threshold of 0.83 is 2.5× and a health factor of 1.38333."""
    assert leverage_to_health_factor(2.5, 0.83) == pytest.approx(120_000 * 0.83 / 72_000)
    assert health_factor_to_leverage(1.66, 0.83) == pytest.approx(2.0)
    assert leverage_to_health_factor(1.0, 0.83) is None
    assert health_factor_to_leverage(None, 0.83) == 1.0
    assert loan_to_value_to_leverage(0.805) == pytest.approx(5.128205)
    with pytest.raises(InvalidNumber, match="no equity"):
        health_factor_to_leverage(0.8, 0.83)


def test_tail_loss_of_a_fixed_debt() -> None:
    """CVaR of L=2 at 80 % volatility over 30 days is .78608 (closed form), .78603 by simulation (se 3e-4)."""
    found = conditional_value_at_risk(2, 0.8, 30 / 365, borrow_rate=0.05)
    assert found == pytest.approx(0.78608, abs=5e-6)
    rng, draws = np.random.default_rng(5), 1_000_000
    spread = 0.8 * sqrt(30 / 365)
    loss = 1 + exp(0.05 * 30 / 365) - 2 * np.exp(spread * rng.standard_normal(draws) - spread**2 / 2)
    worst = np.sort(loss)[-draws // 20 :]
    assert found == pytest.approx(worst.mean(), abs=3 * worst.std() / sqrt(len(worst)) + 1e-3)
    assert conditional_value_at_risk(leverage_for_loss(0.5, 0.8, 0.1), 0.8, 0.1) == pytest.approx(0.5, abs=1e-9)


def test_loop_debt_against_brute_force() -> None:
    """Own-rate impact: 8,000 of debt at the cap, L 2.6 and 3.74 % against 3.10 % (closed form and brute force)."""
    best = loop_debt(collateral_yield=0.031, slope=0.027, kink=0.9, pool=100_000, borrowed=82_000)
    assert best == pytest.approx(8_000)
    curve = lambda owed: 0.027 * ((82_000 + owed) / 100_000) / 0.9 if owed <= 8_000 else 0.5  # noqa: E731
    leverage = best_carry_leverage(equity=5_000, supply_rate=0.031, curve=curve, ceiling=10)
    assert leverage == pytest.approx(2.6, abs=1e-6)
    assert net_carry(leverage, 0.031, curve(8_000)) == pytest.approx(0.0374, abs=5e-5)
    assert best_carry_leverage(equity=1, supply_rate=0.01, curve=lambda _: 0.05, ceiling=5) == 1


def test_floor_decides_the_cppi_leverage() -> None:
    """Keeping 60 % of equity with a multiplier of 3 is a leverage of 1.2 (Black and Perold 1992)."""
    assert cppi_leverage(3, 0.6) == pytest.approx(1.2)
    with pytest.raises(InvalidNumber, match="floor"):
        cppi_leverage(3, 1.0)


@pytest.mark.parametrize("bad", [nan, -0.1, 0.0])
def test_volatility_that_cannot_be_is_refused(bad: float) -> None:
    """A volatility of zero, below it or NaN has no Kelly leverage: the error names the argument."""
    with pytest.raises(InvalidNumber, match="volatility"):
        growth_optimal_leverage(0.1, bad, 0.0, 0.05)


def test_idle_money_cannot_earn_more_than_debt_costs() -> None:
    """An idle rate above the borrow rate would be free money, and is refused."""
    with pytest.raises(InvalidNumber, match="idle rate"):
        growth_optimal_leverage(0.1, 0.5, 0.0, 0.03, idle_rate=0.05)


def test_bounds_are_probabilities() -> None:
    """A gap budget outside (0, 1) is refused, and one that jumps never reach allows any multiplier."""
    from defilev.risk.first_passage import KouJumps

    jumps = KouJumps(30, 0.4, 1 / 0.04, 20)
    with pytest.raises(InvalidNumber, match="probability"):
        cppi_multiplier_bound(1.0, 0.1, jumps)
    assert cppi_multiplier_bound(0.999, 1e-4, jumps) == float("inf")


def test_tail_loss_without_risk_is_the_carry() -> None:
    """At zero volatility and zero rates the worst outcome is no loss."""
    assert conditional_value_at_risk(2, 0.0, 1.0) == pytest.approx(0.0, abs=1e-12)
