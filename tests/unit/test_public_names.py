"""The names and signatures of risk and of the optimizer that others build on."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from defilev.config.multipliers import load_multipliers
from defilev.optimize import band, leverage
from defilev.risk import first_passage, volatility
from defilev.risk.first_passage import KouJumps

MARKET = ["expected_return", "volatility", "supply_rate", "borrow_rate"]
SIGNATURES: dict[Callable[..., Any], list[str]] = {
    first_passage.liquidation_probability: ["health_factor", "volatility", "horizon", "drift"],
    first_passage.health_factor_for_probability: ["probability", "volatility", "horizon", "drift"],
    first_passage.calibrated_liquidation_probability: ["health_factor", "volatility", "horizon", "carry"],
    first_passage.calibrated_health_factor_for_probability: ["probability", "volatility", "horizon", "carry"],
    first_passage.double_barrier_exit_probability: [
        "lower_distance",
        "upper_distance",
        "volatility",
        "horizon",
        "drift",
    ],
    first_passage.jump_liquidation_probability: ["health_factor", "volatility", "horizon", "drift", "jumps"],
    first_passage.expected_log_equity: ["leverage", "terms", "expected_return", "volatility", "horizon"],
    leverage.growth_optimal_leverage: MARKET,
    leverage.growth_rate: ["leverage", *MARKET],
    leverage.leverage_decay: ["leverage", "variance"],
    leverage.cppi_multiplier_bound: ["probability", "horizon", "jumps"],
    leverage.implied_return: ["leverage", "volatility", "supply_rate", "borrow_rate"],
    leverage.leverage_to_health_factor: ["leverage", "liquidation_threshold"],
    leverage.health_factor_to_leverage: ["health_factor", "liquidation_threshold"],
    band.no_trade_band: ["leverage", "risk_aversion", "proportional_cost", "fixed_cost"],
    band.Band.to_health_factors: ["self", "liquidation_threshold"],
}
ESTIMATORS = (
    *("close_to_close", "parkinson", "garman_klass", "rogers_satchell", "yang_zhang"),
    *("ewma", "har", "gjr_garch", "blend_implied"),
)


@pytest.mark.parametrize("function", SIGNATURES, ids=lambda function: str(function.__qualname__))
def test_signatures_that_others_build_on(function: Callable[..., Any]) -> None:
    """The first parameters of each public function, by name and in order; all of them are documented."""
    names = list(inspect.signature(function).parameters)
    assert SIGNATURES[function] == names[: len(SIGNATURES[function])]
    assert inspect.getdoc(function)


def test_every_estimator_has_its_name() -> None:
    """Volatility's names are there, and every name that a room exports exists."""
    assert set(ESTIMATORS) <= set(volatility.__all__)
    for room in (first_passage, volatility, leverage, band):
        assert all(hasattr(room, name) for name in room.__all__)
    assert ["trigger_low", "trade_to_low", "trade_to_high", "trigger_high"] == list(band.Band.__dataclass_fields__)


def test_probabilities_broadcast() -> None:
    """A column of health factors against a row of horizons is a table, and each entry is the scalar's answer."""
    health, years = np.array([[1.1], [1.5], [2.0]]), np.array([2.0, 7.0, 20.0, 30.0]) / 365
    jumps = KouJumps(30, 0.4, 1 / 0.04, 1 / 0.05)
    tables: dict[str, Callable[[Any, Any], Any]] = {
        "lognormal": lambda h, t: first_passage.liquidation_probability(h, 0.7, t, -0.2),
        "jumps": lambda h, t: first_passage.jump_liquidation_probability(h, 0.7, t, -0.2, jumps),
        "calibrated": lambda h, t: first_passage.calibrated_liquidation_probability(
            h, 0.7, t, table=load_multipliers()
        ),
        "two-sided": lambda h, t: first_passage.double_barrier_exit_probability(np.log(h), 0.4, 0.7, t, -0.2),
    }
    for name, table in tables.items():
        found = table(health, years)
        assert (3, 4) == found.shape, name
        assert float(table(1.5, 7 / 365)) == pytest.approx(float(found[1, 1]), rel=1e-9), name
    assert (4,) == np.shape(first_passage.health_factor_for_probability(0.01, 0.7, years))


def test_drift_is_that_of_the_log_health_factor() -> None:
    """The driftless default is the logarithm's: the rule of thumb exp(z·σ√T) and no Itô term."""
    assert inspect.signature(first_passage.liquidation_probability).parameters["drift"].default == 0.0
    health = np.exp(2.5758293035489004 * 0.8 * np.sqrt(0.02))
    assert 0.01 == pytest.approx(first_passage.liquidation_probability(health, 0.8, 0.02), rel=1e-9)
