"""The closed forms against their referee, within three standard errors."""

from __future__ import annotations

import numpy as np
import pytest

from defilev.errors import InvalidNumber
from defilev.risk.exposure import ratio_volatility
from defilev.risk.filtered_simulation import filtered_variances, simulated_falls, simulated_probability
from defilev.risk.first_passage import (
    KouJumps,
    LiquidationTerms,
    diffusion_drift,
    diffusion_volatility,
    double_barrier_exit_probability,
    expected_liquidation_loss,
    expected_log_equity,
    jump_liquidation_probability,
    liquidation_probability,
)
from defilev.risk.monte_carlo import Basket, SimulatedProbability, simulate_basket, simulate_jumps, simulate_lognormal
from defilev.risk.volatility.garch import GarchFit

DAY = 1 / 365
ROWS = [(1.5, 0.8, 30, -0.03), (1.25, 0.8, 7, -0.03), (1.1, 0.6, 1, -0.08)]


def agrees(closed: float, simulated: SimulatedProbability, *, standard_errors: float = 3.0) -> bool:
    return abs(closed - simulated.probability) <= standard_errors * simulated.standard_error


@pytest.mark.parametrize(("health_factor", "volatility", "days", "carry"), ROWS)
def test_bridge_simulation_agrees_with_the_closed_form(
    health_factor: float, volatility: float, days: float, carry: float
) -> None:
    """The rows of the reference table (Karatzas–Shreve closed form), 200,000 paths."""
    drift = carry - volatility**2 / 2
    simulated = simulate_lognormal(
        health_factor, volatility, days * DAY, drift, generator=np.random.default_rng(11), paths=200_000, steps=12
    )
    assert agrees(liquidation_probability(health_factor, volatility, days * DAY, drift), simulated)


def test_watching_at_steps_only_misses_touches() -> None:
    """HF 1.5, 30 daily looks: .07799 ± .00045 in the reference, below the continuous .09568."""
    simulated = simulate_lognormal(
        1.5, 0.8, 30 * DAY, -0.35, generator=np.random.default_rng(5), paths=200_000, steps=30, monitoring="steps"
    )
    assert abs(0.07799 - simulated.probability) <= 3 * (simulated.standard_error**2 + 0.00045**2) ** 0.5


@pytest.mark.parametrize(("health_factor", "days"), [(1.25, 7), (1.5, 30)])
def test_jump_simulation_agrees_with_the_inversion(health_factor: float, days: int) -> None:
    """Kou's model at a total volatility of 80 % (Kou–Wang 2003 transform)."""
    jumps = KouJumps(30, 0.4, 1 / 0.04, 1 / 0.05)
    diffusion = diffusion_volatility(0.8, jumps)
    drift = diffusion_drift(-0.03, diffusion, jumps)
    simulated = simulate_jumps(
        health_factor, diffusion, days * DAY, drift, jumps, generator=np.random.default_rng(3), paths=200_000
    )
    assert agrees(jump_liquidation_probability(health_factor, diffusion, days * DAY, drift, jumps), simulated)


def test_ratio_of_two_assets() -> None:
    """σ .8/.6, ρ=.8 → σ_R=.48166; HF 1.3 over 30 days: .06935, exact for one collateral and one debt."""
    sigma = ratio_volatility(0.8, 0.6, 0.8)
    assert 0.48166 == pytest.approx(sigma, abs=5e-6)
    closed = liquidation_probability(1.3, sigma, 30 * DAY, (0.02 - 0.32) - (0.05 - 0.18))
    assert 0.06935 == pytest.approx(closed, abs=5e-6)
    pair = Basket(
        np.array([1.3, 0.0]),
        np.array([0.0, 1.0]),
        np.array([0.8, 0.6]),
        np.array([0.02, 0.05]),
        np.array([[1.0, 0.8], [0.8, 1.0]]),
    )
    assert agrees(closed, simulate_basket(pair, 30 * DAY, generator=np.random.default_rng(2), paths=200_000, steps=10))


def test_basket_must_have_a_possible_correlation() -> None:
    """A matrix that is not positive semidefinite is refused with its repair; a singular one is not."""
    ones, twos = np.ones(3), np.array([1.0, 0.0, 0.0])
    impossible = np.array([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]])
    with pytest.raises(InvalidNumber, match="correlation") as caught:
        simulate_basket(Basket(2 * twos, ones - twos, ones, ones, impossible), 0.1, generator=np.random.default_rng(1))
    assert "repair_correlation" in caught.value.fix
    singular = Basket(2 * twos, np.array([0.0, 1.0, 0.0]), 0.5 * ones, 0 * ones, np.ones((3, 3)))
    assert 0.0 == simulate_basket(singular, 0.1, generator=np.random.default_rng(1), paths=1000).probability


def test_filtered_simulation_without_dynamics_is_the_closed_form() -> None:
    """Constant variance and normal residuals with intraday lows of a Brownian day give the Brownian answer."""
    generator = np.random.default_rng(8)
    steps = generator.standard_normal((40_000, 400)) / 20
    path = steps.cumsum(axis=1)
    fit = _constant_variance(path[:, -1])
    falls = simulated_falls(
        fit, 7, generator=generator, paths=100_000, residual_lows=np.minimum(path.min(axis=1), 0.0) - 0.5826 / 20
    )
    simulated = simulated_probability(1.15, falls)[0]
    closed = liquidation_probability(1.15, 0.04 * 365**0.5, 7 * DAY, 0.0)
    assert closed == pytest.approx(simulated.probability, abs=0.01)


def test_filter_repeats_the_recursion() -> None:
    """The variance of the day after a fall is ω + (α+γ)ε² + βσ² in percent."""
    fit = GarchFit(0.0, 0.2, 0.03, 0.06, 0.91, 4.5, 0.0, 2, True, 1e-4, np.ones(2))
    level = fit.omega / (1 - fit.persistence)
    found = filtered_variances(fit, np.array([-0.02, 0.01]))
    first = 0.2 + 0.09 * 4 + 0.91 * level
    assert [first / 1e4, (0.2 + 0.03 * 1 + 0.91 * first) / 1e4] == pytest.approx(list(found))


def test_nothing_to_draw_from_is_refused() -> None:
    """Lows that do not belong to the residuals are an error."""
    with pytest.raises(InvalidNumber, match="draw"):
        simulated_falls(
            _constant_variance(np.ones(9)), 7, generator=np.random.default_rng(1), residual_lows=np.zeros(8)
        )


def test_two_sided_exit_agrees_with_simulation() -> None:
    """a=ln 1.4, b=ln 1.35, σ=.8, ν=−.32 over 30 days: the bridge on both sides of short steps."""
    generator, a, b = np.random.default_rng(21), np.log(1.4), np.log(1.35)
    variance = 0.64 * 30 * DAY / 60
    x, alive = np.zeros(100_000), np.ones(100_000)
    for _ in range(60):
        moved = x - 0.32 * 30 * DAY / 60 + variance**0.5 * generator.standard_normal(100_000)
        for near, far in ((a + x, a + moved), (b - x, b - moved)):
            inside = (near > 0) & (far > 0)
            alive *= np.where(inside, -np.expm1(-2 * np.maximum(near, 0) * np.maximum(far, 0) / variance), 0.0)
        x = moved
    simulated = SimulatedProbability(float(1 - alive.mean()), float(alive.std() / 100_000**0.5))
    assert agrees(double_barrier_exit_probability(a, b, 0.8, 30 * DAY, -0.32), simulated)


def test_log_equity_and_loss_agree_with_simulation() -> None:
    """L=2.5, ℓ=.83, μ=.5, s=.02, b=.05, σ=.7, β=.05, κ=.5 over 90 days: equity frozen at the first liquidation."""
    generator, paths, steps, years = np.random.default_rng(22), 200_000, 90, 90 * DAY
    terms, step = LiquidationTerms(0.83, 0.05, 0.5), years / steps
    drift, deviation = 0.5 + 0.02 - 0.05 - 0.245, 0.7 * step**0.5
    x = np.full(paths, np.log(0.83 * 2.5 / 1.5))
    frozen = np.full(paths, np.nan)
    for number in range(steps):
        moved = x + drift * step + deviation * generator.standard_normal(paths)
        touched = np.exp(-2 * np.maximum(x, 0) * np.maximum(moved, 0) / deviation**2) > generator.random(paths)
        hit = np.isnan(frozen) & (touched | (moved <= 0))
        frozen[hit] = np.log(1.5 * terms.kept_per_debt) + 0.05 * (number + 0.5) * step
        x = moved
    alive = np.isnan(frozen)
    end = np.log(1.5 * np.exp(0.05 * years) * (np.exp(np.maximum(x, 1e-9)) / 0.83 - 1))
    logs = np.where(alive, end, frozen)
    closed = expected_log_equity(2.5, terms, 0.5, 0.7, years, 0.02, 0.05)
    assert abs(closed - logs.mean()) <= 3 * logs.std() / paths**0.5
    first = 0.025 * float((~alive).mean())
    loss = expected_liquidation_loss(0.83 * 2.5 / 1.5, 0.7, years, drift, terms=terms, debt=1.0)
    assert first - 3 * 0.025 * 0.5 / paths**0.5 <= loss <= 1.5 * first


@pytest.mark.full
def test_basket_weights_drift_little() -> None:
    """Collaterals 50/30/10, debts 40/8: 30 days closed .03264, 90 days .25089; simulated within .002."""
    lt = np.array([0.83, 0.78, 0.65])
    correlation = np.array([[1, 0.8, 0.7, 0], [0.8, 1, 0.6, 0], [0.7, 0.6, 1, 0], [0, 0, 0, 1]])
    basket = Basket(
        np.append(lt * [50, 30, 10], 0),
        np.array([0, 8, 0, 40.0]),
        np.array([0.8, 0.6, 1.1, 0.01]),
        np.zeros(4),
        correlation,
    )
    for days, expected in ((30, 0.03264), (90, 0.25089)):
        simulated = simulate_basket(basket, days * DAY, generator=np.random.default_rng(4), paths=400_000, steps=30)
        assert expected == pytest.approx(simulated.probability, abs=0.002)


def _constant_variance(residuals: np.ndarray) -> GarchFit:
    return GarchFit(0.0, 16.0, 0.0, 0.0, 0.0, None, 0.0, len(residuals), True, 16.0 / 1e4, residuals)
