"""How long the choice of sales takes: five collaterals, four debts, four pieces of cost for each pair."""

from __future__ import annotations

import time
from itertools import product
from statistics import median
from typing import Any

import numpy as np

from defilev.optimize.allocation import Collateral, Route, cheapest_sales

COLLATERALS, DEBTS, PIECES = 5, 4, 4
BOOKS = 25


def planning_figures() -> dict[str, dict[str, Any]]:
    """Return the median over random books, each solved once."""
    generator = np.random.default_rng(1)
    taken = [_taken(generator) for _ in range(BOOKS + 1)][1:]
    return {"allocation_5x4x4_median": {"figure": round(median(taken), 6), "unit": "s"}}


def _taken(generator: np.random.Generator) -> float:
    held = [
        Collateral(float(generator.uniform(1e4, 2e5)), float(generator.uniform(0.6, 0.9))) for _ in range(COLLATERALS)
    ]
    capacity = sum(each.value * each.liquidation_threshold for each in held)
    debts = [float(capacity * generator.uniform(0.3, 0.9) / DEBTS) for _ in range(DEBTS)]
    routes = [
        Route(
            place,
            debt,
            tuple((held[place].value / PIECES, float(cost)) for cost in sorted(generator.uniform(0, 0.01, PIECES))),
            fixed_cost=float(generator.uniform(1, 5)),
            kept=0.995,
        )
        for place, debt in product(range(COLLATERALS), range(DEBTS))
    ]
    started = time.perf_counter()
    cheapest_sales(held, debts, routes, capacity / sum(debts) * 1.3)
    return time.perf_counter() - started
