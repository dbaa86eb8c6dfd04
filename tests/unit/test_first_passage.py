"""Known answers of first passage: each cites its source."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from defilev.errors import InvalidNumber
from defilev.risk.first_passage import (
    MONITORING_SHIFT,
    LiquidationTerms,
    discount_factor_at_liquidation,
    discretely_monitored_health_factor,
    double_barrier_exit_probability,
    eventual_liquidation_probability,
    expected_liquidation_loss,
    expected_log_equity,
    health_factor_for_probability,
    interest_only_years,
    liquidation_density,
    liquidation_outcome,
    liquidation_probability,
    mean_years_to_liquidation,
    median_years_to_liquidation,
)

DAY = 1 / 365
PUBLISHED = liquidation_probability(105 / 100, 0.2, 0.5, 0.08)
"""Haug 2007 p. 180, cash-or-nothing barriers (QuantLib test-suite/binaryoption.cpp): S=105, H=100, σ=.2, T=.5."""


def test_down_in_price_is_the_published_one() -> None:
    """The cash paid if the barrier is hit is worth 6.2150 + 3.1454 (Haug 2007; QuantLib)."""
    assert 9.3604 == pytest.approx(15 * np.exp(-0.05) * PUBLISHED, abs=1e-4)


def test_down_out_price_is_the_published_one() -> None:
    """The cash paid if the barrier is not hit is worth 4.9081 (Haug 2007; QuantLib)."""
    assert 4.9081 == pytest.approx(15 * np.exp(-0.05) * (1 - PUBLISHED), abs=1e-4)


@pytest.mark.parametrize(
    ("expected", "health_factor", "volatility", "days", "carry"),
    [(0.09568, 1.5, 0.8, 30, -0.03), (0.04964, 1.25, 0.8, 7, -0.03), (0.00258, 1.1, 0.6, 1, -0.08)],
)
def test_probability_of_the_reference_rows(
    expected: float, health_factor: float, volatility: float, days: float, carry: float
) -> None:
    """Closed-form rows that simulation confirmed; drift is carry − σ²/2."""
    found = liquidation_probability(health_factor, volatility, days * DAY, carry - volatility**2 / 2)
    assert expected == pytest.approx(found, abs=5e-6)


def test_density_integrates_to_the_probability() -> None:
    """∫f dt over 30 days is P(τ≤T) = .0956834, by quadrature."""
    mass, _ = quad(lambda t: liquidation_density(float(t), 1.5, 0.8, -0.35), 1e-9, 30 * DAY, epsabs=1e-12, epsrel=1e-12)
    assert 0.0956834 == pytest.approx(mass, abs=1e-7)
    assert mass == pytest.approx(liquidation_probability(1.5, 0.8, 30 * DAY, -0.35), abs=1e-9)


def test_transform_is_the_discounted_density() -> None:
    """∫e^{−qt}f dt = E[e^{−qτ}] = .7952143 at q = .3, by quadrature."""
    transform, _ = quad(
        lambda t: np.exp(-0.3 * t) * liquidation_density(float(t), 1.5, 0.8, -0.35), 1e-9, 200, limit=500, epsabs=1e-12
    )
    assert 0.7952143 == pytest.approx(discount_factor_at_liquidation(0.3, 1.5, 0.8, -0.35), abs=1e-7)
    assert 0.7952143 == pytest.approx(transform, abs=1e-7)


def test_monitoring_constant_is_that_of_the_zeta_function() -> None:
    """−ζ(½)/√(2π) (Broadie–Glasserman–Kou 1997) by the eta series, Euler-transformed."""
    terms = np.arange(1, 41)
    weights = np.array([sum(_binomial(40, k) for k in range(n, 41)) / 2.0**40 for n in terms])
    eta = float(((-1.0) ** (terms + 1) / np.sqrt(terms) * weights).sum())
    zeta_half = eta / (1 - 2**0.5)
    assert MONITORING_SHIFT == pytest.approx(-zeta_half / np.sqrt(2 * np.pi), abs=1e-10)
    assert 0.5825971579 == pytest.approx(MONITORING_SHIFT, abs=1e-10)


@pytest.mark.parametrize(
    ("expected", "health_factor", "volatility", "days", "carry", "steps"),
    [(0.07660, 1.5, 0.8, 30, -0.03, 30), (0.03741, 1.25, 0.8, 7, -0.03, 24), (0.00173, 1.1, 0.6, 1, -0.08, 24)],
)
def test_discrete_monitoring_moves_the_barrier_away(
    expected: float, health_factor: float, volatility: float, days: float, carry: float, steps: int
) -> None:
    """The corrected rows of the reference table (Broadie–Glasserman–Kou 1997)."""
    shifted = discretely_monitored_health_factor(health_factor, volatility, days * DAY / steps)
    assert expected == pytest.approx(
        liquidation_probability(shifted, volatility, days * DAY, carry - volatility**2 / 2), abs=5e-6
    )


def test_inverse_of_the_reference_table() -> None:
    """HF_min at σ=.8, b−s=3 %: 1.250, 1.338, 1.449 over 7 days at 5, 1 and 0.1 %."""
    found = health_factor_for_probability([0.05, 0.01, 0.001], 0.8, 7 * DAY, -0.03 - 0.32)
    assert [1.250, 1.338, 1.449] == pytest.approx(list(found), abs=5e-4)


def test_driftless_inverse_is_the_rule_of_thumb() -> None:
    """Without drift the inverse is exp(z(1−ε/2)σ√T)."""
    assert np.exp(2.5758293035489004 * 0.8 * np.sqrt(0.02)) == pytest.approx(
        health_factor_for_probability(0.01, 0.8, 0.02), rel=1e-12
    )


def test_times_of_the_reference_position() -> None:
    """HF 1.5, σ .8, ν −.35: mean 1.16 years, median .374; a loop at 1.02 lasts 1,807 days at .4 % and 139 at 5.2 %."""
    assert 1.16 == pytest.approx(mean_years_to_liquidation(1.5, -0.35), abs=5e-3)
    assert 0.374 == pytest.approx(median_years_to_liquidation(1.5, 0.8, -0.35), abs=5e-4)
    assert 1807 == pytest.approx(365 * (interest_only_years(1.02, 0.0, 0.004) or 0), abs=0.5)
    assert 139 == pytest.approx(365 * (interest_only_years(1.02, 0.028, 0.08) or 0), abs=0.5)


def test_what_never_happens_has_no_time() -> None:
    """No downward drift: an infinite mean; rarely liquidated: no median; a carry that pays never liquidates."""
    assert mean_years_to_liquidation(1.5, 0.1) is None
    assert median_years_to_liquidation(3.0, 0.3, 0.5) is None
    assert interest_only_years(1.02, 0.05, 0.04) is None
    assert np.exp(-2 * 0.5 * np.log(3) / 0.09) == pytest.approx(eventual_liquidation_probability(3.0, 0.3, 0.5))


def test_two_sided_exit_of_the_reference() -> None:
    """a=ln 1.4, b=ln 1.35, σ=.8, ν=−.32 over 30 days: .33113."""
    found = double_barrier_exit_probability(np.log(1.4), np.log(1.35), 0.8, 30 * DAY, -0.32)
    assert 0.33113 == pytest.approx(found, abs=5e-6)


def test_two_sided_exit_agrees_in_both_expansions() -> None:
    """The reflections and the sine series are one function: they meet where the code changes from one to the other."""
    width = np.log(1.4) + np.log(1.35)
    horizons = (0.4 * width / 0.8) ** 2 * np.array([1 - 1e-9, 1 + 1e-9])
    below, above = double_barrier_exit_probability(np.log(1.4), np.log(1.35), 0.8, horizons, -0.32)
    assert below == pytest.approx(above, abs=1e-8)


def test_log_equity_of_the_reference() -> None:
    """L=2.5, ℓ=.83, μ=.5, s=.02, b=.05, σ=.7, β=.05, κ=.5 over 90 days: −.1140121."""
    found = expected_log_equity(2.5, LiquidationTerms(0.83, 0.05, 0.5), 0.5, 0.7, 90 * DAY, 0.02, 0.05)
    assert -0.1140121 == pytest.approx(found, abs=1e-7)


def test_log_equity_without_risk_is_the_growth_of_the_position() -> None:
    """At a tiny volatility the expectation is the deterministic log growth."""
    growth = np.log(2 * np.exp(0.03) - np.exp(0.01))
    found = expected_log_equity(2.0, LiquidationTerms(0.8, 0.05, 0.5), 0.1, 1e-3, 0.3, 0.0, 1 / 30)
    assert growth == pytest.approx(found, abs=1e-5)


@pytest.mark.parametrize(
    ("terms", "lost", "health", "before", "after", "toxic"),
    [
        ((0.83, 0.05, 0.5), 0.122, 1.1285, 5.88, 3.78, 0.9524),
        ((0.83, 0.05, 1.0), 0.244, None, 5.88, 1.0, 0.9524),
        ((0.78, 0.06, 0.5), 0.106, 1.1732, 4.55, 2.98, 0.9434),
        ((0.93, 0.01, 0.5), 0.066, 1.0607, 14.3, 8.12, 0.9901),
        ((0.65, 0.10, 0.5), 0.093, 1.2850, 2.86, 2.02, 0.9091),
    ],
)
def test_liquidation_table(
    terms: tuple[float, float, float], lost: float, health: float | None, before: float, after: float, toxic: float
) -> None:
    """Equity lost, health after, leverage before and after, toxic loan-to-value: algebra, half a printed digit.

    βκ/(1/ℓ−1) and (1−ℓ(1+β)κ)/(1−κ) to 1e-4; the toxic point is Warmuz, Chaudhary and Pinna's (2022). What the pool
    itself does is in tests/world/test_liquidation.py.
    """
    outcome = liquidation_outcome(LiquidationTerms(*terms))
    threshold, bonus, close = terms
    assert lost == pytest.approx(outcome.equity_lost, abs=5e-4)
    assert bonus * close / (1 / threshold - 1) == pytest.approx(outcome.equity_lost, abs=1e-4)
    assert (health is None) == (outcome.health_factor is None)
    if health is not None:
        assert health == pytest.approx(outcome.health_factor, abs=5e-5)
        assert (1 - threshold * (1 + bonus) * close) / (1 - close) == pytest.approx(outcome.health_factor, abs=1e-4)
    assert before == pytest.approx(outcome.leverage_before, abs=5e-2 if before > 10 else 5e-3)
    assert after == pytest.approx(outcome.leverage_after, abs=5e-3)
    assert toxic == pytest.approx(LiquidationTerms(*terms).toxic_loan_to_value, abs=5e-5)


def test_expected_loss_lies_between_one_liquidation_and_two() -> None:
    """βκD·P is the first liquidation alone; a second repays half of what is left."""
    terms = LiquidationTerms(0.83, 0.05, 0.5)
    first = 0.05 * 0.5 * 1000 * liquidation_probability(1.2, 0.8, 30 * DAY, -0.3)
    found = expected_liquidation_loss(1.2, 0.8, 30 * DAY, -0.3, terms=terms, debt=1000)
    assert first < found < 1.5 * first


def test_probability_is_stable_far_out() -> None:
    """Tiny volatilities neither overflow nor lose the tail, whatever the drift."""
    assert 0.0 == liquidation_probability(1.5, 1e-200, 1.0, 0.1)
    assert 1.0 == liquidation_probability(1.5, 1e-200, 1.0, -1.0)
    assert 0.0 < liquidation_probability(4.0, 0.3, 0.05, 0.0) < 1e-80
    assert 0.0 == liquidation_probability(float("inf"), 0.8, 1.0)


@pytest.mark.parametrize("health_factor", [1.0, 0.5, 0.0, -2.0])
def test_at_or_below_one_liquidation_is_certain(health_factor: float) -> None:
    """A health factor of 1 or less is probability 1, not an exception."""
    assert 1.0 == liquidation_probability(health_factor, 0.8, 0.1, 5.0)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ((float("nan"), 0.8, 0.1, 0.0), "health_factor"),
        ((1.5, -0.1, 0.1, 0.0), "volatility"),
        ((1.5, float("nan"), 0.1, 0.0), "volatility"),
        ((1.5, 0.8, 0.0, 0.0), "horizon"),
        ((1.5, 0.8, -1.0, 0.0), "horizon"),
        ((1.5, 0.8, 0.1, float("inf")), "drift"),
        (([1.5, 1.6], [0.8, 0.9, 1.0], 0.1, 0.0), "shapes"),
    ],
)
def test_bad_arguments_are_named_with_a_remedy(arguments: tuple, name: str) -> None:
    """Every refusal names the argument and says what to do."""
    with pytest.raises(InvalidNumber, match=name) as caught:
        liquidation_probability(*arguments)
    assert caught.value.fix


@pytest.mark.parametrize("probability", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_inverse_refuses_what_is_no_probability(probability: float) -> None:
    """Only what lies strictly between 0 and 1 has a health factor."""
    with pytest.raises(InvalidNumber, match="probability"):
        health_factor_for_probability(probability, 0.8, 0.1)


def _binomial(n: int, k: int) -> float:
    from math import comb

    return float(comb(n, k))
