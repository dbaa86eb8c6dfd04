"""The no-trade band: its equations, their limits, the exact proportional-cost boundaries, and its optimality."""

from __future__ import annotations

from math import log, nan, sqrt
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from defilev.errors import InvalidNumber
from defilev.optimize.band import (
    Band,
    HealthBand,
    band_below,
    band_cost_rate,
    no_trade_band,
    trades_per_year,
    with_reaction,
)


def widths(leverage: float, band: Band) -> tuple[float, float]:
    """Return (b, h): how far the trade-to level and the trigger lie from the target."""
    return band.trade_to_high - leverage, band.trigger_high - leverage


@pytest.mark.parametrize("leverage", [0.4, 1.01, 1.5, 2.0, 4.0])
@pytest.mark.parametrize("proportional", [1e-5, 1e-3, 3e-3])
@pytest.mark.parametrize("fixed", [1e-8, 1e-4, 1e-2])
def test_band_solves_its_equations(leverage: float, proportional: float, fixed: float) -> None:
    """B·b·h·(h+b) = c and (B/4)(h−b)³(h+b) = k hold with residuals below 1e-14."""
    inner, outer = widths(leverage, no_trade_band(leverage, 2.0, proportional, fixed))
    factor = 2 / (3 * leverage**2 * (leverage - 1) ** 2)
    assert factor * inner * outer * (outer + inner) == pytest.approx(proportional, rel=0, abs=1e-14)
    assert factor / 4 * (outer - inner) ** 3 * (outer + inner) == pytest.approx(fixed, rel=0, abs=1e-14)


def test_without_gas_the_cube_root_law_holds() -> None:
    """k = 0 gives h = b = (3cL²(L−1)²/2γ)^⅓ (Janeček and Shreve 2004), and k → 0 tends to it."""
    expected = (3 * 0.001 * 4 * 1 / (2 * 2.0)) ** (1 / 3)
    assert widths(2, no_trade_band(2, 2, 0.001, 0)) == pytest.approx((expected, expected), abs=1e-10)
    assert widths(2, no_trade_band(2, 2, 0.001, 1e-40)) == pytest.approx((expected, expected), abs=1e-10)


def test_without_fees_the_fourth_root_law_holds() -> None:
    """c = 0 gives b = 0, h = (12kL²(L−1)²/γ)^¼ (Altarovici, Muhle-Karbe and Soner 2015), and c → 0 tends to it."""
    expected = (12 * 1e-4 * 4 * 1 / 2.0) ** 0.25
    assert widths(2, no_trade_band(2, 2, 0, 1e-4)) == pytest.approx((0, expected), abs=1e-10)
    assert widths(2, no_trade_band(2, 2, 1e-16, 1e-4)) == pytest.approx((0, expected), abs=1e-10)


def test_no_cost_no_band() -> None:
    """Without costs, and at a leverage of exactly 1, the band has no width."""
    assert Band(2, 2, 2, 2) == no_trade_band(2, 1, 0, 0)
    assert Band(1, 1, 1, 1) == no_trade_band(1, 1, 0.01, 0.01)


def exact_boundaries(mean: float, volatility: float, aversion: float, spread: float) -> tuple[float, float]:
    """Return the exact no-trade boundaries of the proportional-cost problem (GGMS 2014), by shooting."""
    variance = volatility**2

    def mismatch(gap: float) -> float:
        ratio = (mean + gap) * (mean - gap - aversion * variance) / ((mean - gap) * (mean + gap - aversion * variance))
        end = log(ratio / (1 - spread))

        def slope(_: float, w: Any) -> Any:
            rest = (mean**2 - gap**2) / (aversion * variance**2)
            return -((1 - aversion) * w**2 + (2 * mean / variance - 1) * w - rest)

        solved = solve_ivp(slope, (0, end), [(mean - gap) / (aversion * variance)], rtol=1e-12, atol=1e-14)
        return float(solved.y[0, -1] - (mean + gap) / (aversion * variance))

    gap = brentq(mismatch, 1e-4, 0.02, xtol=1e-14)
    return (mean - gap) / (aversion * variance), (mean + gap) / (aversion * variance)


@pytest.mark.parametrize(
    ("spread", "low", "high", "tolerance"), [(0.01, 0.58194, 0.66806, 0.011), (0.001, 0.60485, 0.64515, 0.003)]
)
def test_band_approaches_the_exact_boundaries(spread: float, low: float, high: float, tolerance: float) -> None:
    """The cube root's half-width lies within 1.1 % and 0.3 % of the exact one (Gerhold et al. 2014)."""
    exact = exact_boundaries(0.08, 0.16, 5, spread)
    assert (low, high) == pytest.approx(exact, abs=1e-5)
    band = no_trade_band(0.625, 5, spread / 2, 0)
    assert (exact[1] - exact[0]) / 2 == pytest.approx(band.trigger_high - 0.625, rel=tolerance)


def test_published_cube_root_levels() -> None:
    """The first-order boundaries are [.58149, .66851] and [.60480, .64520]."""
    for spread, low, high in ((0.01, 0.58149, 0.66851), (0.001, 0.60480, 0.64520)):
        band = no_trade_band(0.625, 5, spread / 2, 0)
        assert (low, high) == pytest.approx((band.trigger_low, band.trigger_high), abs=1e-5)


def test_worked_example_in_health_factors() -> None:
    """Equity $48,000, gas $9, 12 bp, γ 2, threshold 0.83: the four levels of three targets."""
    expected = {
        2.0: (1.470, 1.608, 1.719, 2.012),
        1.5: (2.060, 2.400, 2.591, 3.381),
        2.5: (1.262, 1.345, 1.428, 1.600),
    }
    for leverage, levels in expected.items():
        found = no_trade_band(leverage, 2, 0.0012, 9 / 48_000).to_health_factors(0.83)
        assert levels == pytest.approx(
            (found.trigger_low, found.trade_to_low, found.trade_to_high, found.trigger_high), abs=6e-4
        )
    assert widths(2, no_trade_band(2, 2, 0.0012, 9 / 48_000)) == pytest.approx((0.0664, 0.2976), abs=5e-5)


def test_no_upper_trigger_where_nothing_would_be_owed() -> None:
    """A level of leverage at or below 1 is no health factor but `None`."""
    assert no_trade_band(1.1, 2, 0.01, 0.01).to_health_factors(0.8).trigger_high is None


def test_cost_rate_and_trades_of_the_theory() -> None:
    """L*=2, 10 bp, k=1e-4, γ=1, σ=.8: h=.3187, b=.0917, loss .014851 and 27.5 trades a year."""
    band = no_trade_band(2, 1, 0.001, 1e-4)
    assert widths(2, band) == pytest.approx((0.0917, 0.3187), abs=5e-5)
    assert band_cost_rate(2, 0.8, 1, band) == pytest.approx(0.014851, abs=5e-7)
    assert trades_per_year(2, 0.8, band) == pytest.approx(27.5, abs=0.05)
    assert trades_per_year(2, 0.8, no_trade_band(2, 1, 0.001, 0)) is None
    assert trades_per_year(1.5, 0.8, no_trade_band(1.5, 1, 0.003, 1e-4)) == pytest.approx(9.3, abs=0.05)


def test_reaction_raises_the_danger_side_only() -> None:
    """Where time to react asks for more health than the cost band, that is the trigger, and levels stay ordered."""
    band = no_trade_band(2.5, 2, 0.0012, 9 / 48_000).to_health_factors(0.83)
    assert band == with_reaction(band, 1.2, 0.83)
    raised = with_reaction(band, 1.40, 0.83)
    assert raised.trigger_low == 1.40
    levels = [raised.trigger_low, raised.trade_to_low, raised.trade_to_high, raised.trigger_high]
    assert levels == sorted(levels, key=lambda level: float("inf") if level is None else level)
    assert raised.trade_to_low is not None
    assert band.trade_to_low is not None
    assert raised.trade_to_low > band.trade_to_low
    assert HealthBand(None, None, None, None) == with_reaction(HealthBand(None, None, None, None), 1.2, 0.83)


def test_band_below_a_ceiling_ends_at_it() -> None:
    """The band of a ceiling has it as its trigger, and trades to well inside it."""
    band = band_below(2.4, 2, 0.0012, 2e-4)
    assert band.trigger_high == 2.4
    assert 1 < band.trade_to_high < 2.4
    centre = (band.trigger_low + band.trigger_high) / 2
    assert no_trade_band(centre, 2, 0.0012, 2e-4).trade_to_high == pytest.approx(band.trade_to_high, abs=1e-9)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ((0.0, 2, 0.001, 0), "leverage"),
        ((nan, 2, 0.001, 0), "leverage"),
        ((2, 0, 0.001, 0), "risk aversion"),
        ((2, 1, -0.001, 0), "proportional cost"),
        ((2, 1, 0.001, nan), "fixed cost"),
    ],
)
def test_bad_band_arguments_are_named(arguments: tuple[float, float, float, float], name: str) -> None:
    """What is out of range is refused by name, never answered with NaN."""
    with pytest.raises(InvalidNumber, match=name):
        no_trade_band(*arguments)


def loss_rate(leverage: float, inner: float, outer: float, *, proportional: float, fixed: float) -> float:
    """Simulate the true dynamics at γ = 1, σ = 0.8; return tracking loss and cost per year once it is stationary."""
    rng = np.random.default_rng(1)
    paths, steps, settling, step, sigma = 1_000, 20_000, 5_000, 1 / (365 * 96), 0.8
    held, cost, tracking = np.full(paths, leverage), 0.0, 0.0
    spread = sigma * sqrt(step)
    for place in range(-settling, steps):
        move = np.expm1(spread * rng.standard_normal(paths) - spread**2 / 2)
        held = held * (1 + move) / (1 + held * move)
        deviation = held - leverage
        out = np.abs(deviation) > outer
        if place >= 0:
            tracking += float((0.5 * sigma**2 * deviation**2).sum()) * step
            cost += float((proportional * (np.abs(deviation[out]) - inner) + fixed).sum())
        held[out] = leverage + np.sign(deviation[out]) * inner
    return (cost + tracking) / (paths * steps * step)


@pytest.mark.full
def test_band_is_optimal_in_simulation() -> None:
    """The simulated loss is the theory's within 2 %, and every perturbed band loses more (2e7 quarter-hour steps)."""
    costs = {"proportional": 0.001, "fixed": 1e-4}
    inner, outer = widths(2, no_trade_band(2, 1, 0.001, 1e-4))
    best = loss_rate(2, inner, outer, **costs)
    assert best == pytest.approx(0.014851, rel=0.02)
    for b, h in (
        (0.0, outer),
        (inner, 1.5 * outer),
        (inner, 0.75 * outer),
        (inner, 2.5 * outer),
        (2 * inner, outer),
        (0.5 * inner, 1.25 * outer),
        (1.5 * inner, 0.8 * outer),
    ):
        assert best < loss_rate(2, b, h, **costs)
