"""Known answers of first passage with jumps, and of the calibrated figure."""

from __future__ import annotations

import numpy as np
import pytest

from defilev.config.multipliers import load_multipliers
from defilev.errors import InvalidNumber
from defilev.risk.first_passage import (
    DEFAULT_JUMPS,
    KouJumps,
    calibrated_health_factor_for_probability,
    calibrated_liquidation_probability,
    diffusion_drift,
    diffusion_volatility,
    health_factor_for_probability,
    jump_health_factor_for_probability,
    jump_liquidation_probability,
    jump_variance,
    jumps_for_volatility,
    liquidation_probability,
)

DAY = 1 / 365
ILLUSTRATION = KouJumps(30, 0.4, 1 / 0.04, 1 / 0.05)
DIFFUSION = diffusion_volatility(0.8, ILLUSTRATION)
DRIFT = diffusion_drift(-0.03, DIFFUSION, ILLUSTRATION)


def test_kou_wang_published_setting() -> None:
    """μ=.1, σ=.2, λ=3, p=.5, η₁=1/.02, η₂=1/.03, b=.3, t=1, mirrored downward: .25584 (Kou–Wang 2003)."""
    found = jump_liquidation_probability(np.exp(0.3), 0.2, 1.0, -0.1, KouJumps(3, 0.5, 1 / 0.03, 1 / 0.02))
    assert 0.25584 == pytest.approx(found, abs=1e-5)


def test_no_jumps_is_the_closed_form() -> None:
    """λ→0 gives .2606143, the Brownian closed form."""
    rare = jump_liquidation_probability(np.exp(0.3), 0.2, 1.0, -0.1, KouJumps(1e-9, 0.5, 1 / 0.03, 1 / 0.02))
    none = jump_liquidation_probability(np.exp(0.3), 0.2, 1.0, -0.1, KouJumps(0, 0.5, 1 / 0.03, 1 / 0.02))
    assert 0.2606143 == pytest.approx(rare, abs=1e-6)
    assert none == liquidation_probability(np.exp(0.3), 0.2, 1.0, -0.1)


@pytest.mark.parametrize(
    ("expected", "health_factor", "days"), [(0.0501, 1.25, 7), (0.0942, 1.5, 30), (0.00181, 1.5, 7)]
)
def test_jumps_at_a_total_volatility_of_eighty_percent(expected: float, health_factor: float, days: int) -> None:
    """20 % of the variance in jumps: the figures of the reference, confirmed there by simulation."""
    assert 0.2 == pytest.approx(jump_variance(ILLUSTRATION) / 0.64, abs=1e-3)
    found = jump_liquidation_probability(health_factor, DIFFUSION, days * DAY, DRIFT, ILLUSTRATION)
    assert expected == pytest.approx(found, abs=5e-6 if expected < 0.01 else 5e-5)


@pytest.mark.parametrize(
    ("days", "expected"),
    [(1 / 24, [1.015, 1.020, 1.041]), (1, [1.082, 1.125, 1.255]), (7, [1.250, 1.364, 1.551])],
)
def test_jump_inverse_of_the_reference_table(days: float, expected: list[float]) -> None:
    """HF_min with Kou's jumps at 5, 1 and 0.1 %."""
    found = [
        jump_health_factor_for_probability(level, DIFFUSION, days * DAY, DRIFT, ILLUSTRATION)
        for level in (0.05, 0.01, 0.001)
    ]
    assert expected == pytest.approx(found, abs=5.1e-4)


@pytest.mark.parametrize(
    ("probability", "expected"), [(1e-4, [1.070, 1.148, 1.238, 1.331]), (1e-3, [1.009, 1.051, 1.133, 1.215])]
)
def test_reaction_bounds_with_the_shipped_jumps(probability: float, expected: list[float]) -> None:
    """σ=.68, s=1.8 %, b=5.4 %: the health factor that survives 10 minutes, 1 hour, 6 hours, 1 day."""
    jumps = jumps_for_volatility(0.68)
    diffusion = diffusion_volatility(0.68, jumps)
    drift = diffusion_drift(0.018 - 0.054, diffusion, jumps)
    found = [
        jump_health_factor_for_probability(probability, diffusion, hours / 8760, drift, jumps)
        for hours in (1 / 6, 1, 6, 24)
    ]
    assert expected == pytest.approx(found, abs=5.1e-4)


def test_jumps_shrink_with_a_low_volatility() -> None:
    """Where jumps would bring more than 30 % of the variance their sizes shrink, so that a diffusion is left."""
    scaled = jumps_for_volatility(0.3)
    assert 0.3 == pytest.approx(jump_variance(scaled) / 0.09)
    assert DEFAULT_JUMPS == jumps_for_volatility(0.9)
    with pytest.raises(InvalidNumber, match="more variance") as caught:
        diffusion_volatility(0.3, DEFAULT_JUMPS)
    assert "jumps_for_volatility" in caught.value.fix


def test_a_book_of_accounts_is_answered_in_one_shape() -> None:
    """Arrays broadcast, health factors at or below 1 are certain, nothing owed is impossible."""
    found = jump_liquidation_probability([[1.5, 0.9, np.inf]], [[0.6], [0.8]], 7 * DAY, DRIFT, ILLUSTRATION)
    assert (2, 3) == found.shape
    assert [1.0, 1.0] == list(found[:, 1])
    assert [0.0, 0.0] == list(found[:, 2])
    assert found[0, 0] < found[1, 0]


@pytest.mark.parametrize(
    "arguments",
    [(-1.0, 0.5, 30, 30), (1.0, 1.5, 30, 30), (1.0, 0.5, 1.0, 30), (1.0, 0.5, 30, 0.0), (float("nan"), 0.5, 30, 30)],
)
def test_jumps_that_make_no_sense_are_refused(arguments: tuple) -> None:
    """Intensity, share and rates have their domains."""
    with pytest.raises(InvalidNumber):
        KouJumps(*arguments)


def test_shipped_table_says_what_it_is() -> None:
    """The table names its sample, estimator and errors, and needs more than the normal law in the tail."""
    table = load_multipliers()
    assert ("ETH", "BTC") == table.assets
    assert "half-ewma-half-long-run" == table.estimator
    assert table.first_day < table.last_day <= table.derived_on
    week = next(row for row in table.horizons if row.days == 7)
    assert 2.5758 < week.multipliers[table.probabilities.index(0.01)]
    assert all(error > 0 for error in week.errors[1:])


def test_thirty_day_ceilings_are_plausible() -> None:
    """ETH at 68 %: leverage 1.3 to 2.3 at 1 and 5 %; Heimbach–Huang 2024 (BIS 1171) see 1.4 to 1.9 in the aggregate."""
    table = load_multipliers()
    for probability in (0.01, 0.05):
        health = calibrated_health_factor_for_probability(probability, 0.68, 30 * DAY, -0.036, table=table)
        assert 1.3 <= health / (health - 0.83) <= 2.3


def test_calibrated_inverse_is_the_multiplier() -> None:
    """HF_min = exp(k·σ̂√T + (b − s)T), k read from the table."""
    table = load_multipliers()
    week = next(row for row in table.horizons if row.days == 7)
    k = week.multipliers[table.probabilities.index(0.01)]
    expected = np.exp(k * 0.68 * np.sqrt(7 * DAY) + 0.036 * 7 * DAY)
    found = calibrated_health_factor_for_probability(0.01, 0.68, 7 * DAY, -0.036, table=table)
    assert expected == pytest.approx(found, rel=1e-12)
    assert 0.01 == pytest.approx(
        calibrated_liquidation_probability(found, 0.68, 7 * DAY, -0.036, table=table), rel=1e-9
    )
    assert found > health_factor_for_probability(0.01, 0.68, 7 * DAY, -0.036 - 0.68**2 / 2)


def test_calibrated_figure_never_claims_more_than_the_sample() -> None:
    """Far from the barrier it stays at the table's smallest probability; nothing owed is 0, at the barrier 1."""
    table = load_multipliers()
    found = calibrated_liquidation_probability([50.0, np.inf, 1.0, 0.3], 0.6, 7 * DAY, table=table)
    assert [table.smallest_probability, 0.0, 1.0, 1.0] == pytest.approx(list(found))


@pytest.mark.parametrize(
    ("probability", "days", "name"), [(0.0005, 7, "probability"), (0.01, 0.5, "horizon"), (0.01, 60, "horizon")]
)
def test_what_the_table_cannot_tell_is_refused(probability: float, days: float, name: str) -> None:
    """A finer probability or another horizon is an error that names the range that would do."""
    with pytest.raises(InvalidNumber, match=name) as caught:
        calibrated_health_factor_for_probability(probability, 0.6, days * DAY, table=load_multipliers())
    assert any(figure in caught.value.fix for figure in ("0.001", "1 to 30 days"))


def test_other_assets_get_a_margin() -> None:
    """A scaled table needs that much more distance and says so in its name."""
    table = load_multipliers()
    margin = table.scaled(1.15, asset_class="alt")
    plain, wide = (
        np.log(calibrated_health_factor_for_probability(0.01, 0.9, 7 * DAY, table=one)) for one in (table, margin)
    )
    assert 1.15 == pytest.approx(wide / plain)
    assert "alt" == margin.asset_class
    assert "1.15" in margin.name
