"""Times of the risk formulas: 10,000 accounts in closed form and with jumps, and a million simulated paths."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from defilev.risk.exposure import ExposureMatrix
from defilev.risk.first_passage import (
    DEFAULT_JUMPS,
    health_factor_for_probability,
    jump_liquidation_probability,
    liquidation_probability,
)
from defilev.risk.monte_carlo import simulate_lognormal

ACCOUNTS = 10_000
WEEK = 7 / 365


def risk_figures() -> dict[str, dict[str, Any]]:
    """Return the figures, each the least of five runs but for the simulation."""
    generator = np.random.default_rng(1)
    health = generator.uniform(1.01, 3.0, ACCOUNTS)
    volatility = generator.uniform(0.3, 1.2, ACCOUNTS)
    capacity, requirement = generator.exponential(size=(2, ACCOUNTS, 20))
    names: tuple[Any, ...] = tuple(f"driver {place}" for place in range(20))
    book = ExposureMatrix(names, capacity, requirement, capacity - requirement, health * 0, health * 0)

    def jumps() -> object:
        return jump_liquidation_probability(health, 0.55, WEEK, -0.2, DEFAULT_JUMPS)

    return {
        "probability_10000_accounts": _least(lambda: liquidation_probability(health, volatility, WEEK, -0.2)),
        "inverse_10000_accounts": _least(lambda: health_factor_for_probability(0.01, volatility, WEEK, -0.2)),
        "jumps_10000_accounts": _least(jumps),
        "shock_10000_accounts_20_assets": _least(lambda: book.health_factors(np.full(20, 0.8))),
        "simulate_1e6_paths_30_steps": _least(
            lambda: simulate_lognormal(
                1.25, 0.8, WEEK, -0.35, generator=np.random.default_rng(7), paths=1_000_000, steps=30
            ),
            times=1,
        ),
    }


def _least(act: Callable[[], object], *, times: int = 5) -> dict[str, Any]:
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        act()
        taken.append(time.perf_counter() - started)
    return {"figure": round(min(taken), 6), "unit": "s"}
