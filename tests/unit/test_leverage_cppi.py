"""CPPI: gap risk under jumps, under discrete rebalancing, and the cushion's path."""

from __future__ import annotations

from math import exp, inf, log, sqrt

import numpy as np
import pytest

from defilev.optimize.cppi import (
    constant_health_gap_probability,
    cppi_cushion,
    cppi_gap_probability,
    cppi_multiplier_bound,
    discrete_cppi_gap_probability,
)
from defilev.risk.first_passage import KouJumps

JUMPS = KouJumps(intensity=30, up_share=0.4, up_rate=25, down_rate=20)
MONTH = 30 / 365
BALDER = {"volatility": 0.2, "expected_return": 0.085, "rate": 0.05, "horizon": 1.0}


@pytest.mark.parametrize(("multiplier", "chance"), [(3, 4.448e-4), (5, 0.0169123)])
def test_gap_risk_under_jumps(multiplier: float, chance: float) -> None:
    """The chance of a gap is Cont and Tankov's (2009) with Kou's jumps."""
    assert cppi_gap_probability(multiplier, MONTH, JUMPS) == pytest.approx(chance, abs=1e-7)


def test_gap_risk_by_simulation() -> None:
    """Counting jumps that leap the cushion gives the same chance within 3 standard errors."""
    rng, paths = np.random.default_rng(2), 400_000
    downs = rng.poisson(JUMPS.intensity * 0.6 * MONTH, paths)
    sizes = rng.exponential(1 / JUMPS.down_rate, downs.sum())
    leapt = np.zeros(paths)
    np.add.at(leapt, np.repeat(np.arange(paths), downs), sizes > -log(1 - 1 / 5))
    found = (leapt > 0).mean()
    assert cppi_gap_probability(5, MONTH, JUMPS) == pytest.approx(found, abs=3 * sqrt(found / paths))


def test_multiplier_bound_inverts_the_gap() -> None:
    """The bound for 1 % is 4.527, and its gap risk is 1 % again."""
    bound = cppi_multiplier_bound(0.01, MONTH, JUMPS)
    assert bound == pytest.approx(4.527, abs=5e-4)
    assert cppi_gap_probability(bound, MONTH, JUMPS) == pytest.approx(0.01)
    assert cppi_multiplier_bound(0.9, 1e-6, JUMPS) == inf


@pytest.mark.parametrize(("health_factor", "chance"), [(1.2, 3.8e-2), (1.35, 3.7e-3), (1.5, 4.4e-4), (1.8, 1.2e-5)])
def test_constant_health_is_a_cppi(health_factor: float, chance: float) -> None:
    """A constant health factor has the gap risk of the multiplier whose cushion it is."""
    found = constant_health_gap_probability(health_factor, MONTH, JUMPS)
    assert found == pytest.approx(chance, rel=0.05)
    assert found == pytest.approx(cppi_gap_probability(1 / (1 - 1 / health_factor), MONTH, JUMPS))


@pytest.mark.parametrize(
    ("multiplier", "rebalances", "chance"),
    [(12, 12, 0.5430), (12, 24, 0.3195), (15, 48, 0.3258), (18, 12, 0.8691), (18, 24, 0.8593)],
)
def test_discrete_rebalancing(multiplier: float, rebalances: int, chance: float) -> None:
    """Trading only n times breaks the floor as often as the formula of Balder, Brandl and Mahayni (2009) says."""
    found = discrete_cppi_gap_probability(multiplier, rebalances=rebalances, **BALDER)
    assert found == pytest.approx(chance, abs=5e-5)


def test_cushion_without_moves_decays() -> None:
    """On a flat path the cushion loses exp((1−m)(r + ½mσ²)T) (Black and Perold 1992)."""
    assert cppi_cushion(3, 1.0, 0.5, 1.0, rate=0.02) == pytest.approx(exp(-2 * (0.02 + 0.375)))
    assert cppi_cushion(1, 1.1, 0.5, 1.0, rate=0.02) == pytest.approx(1.1)
