"""Which collateral to sell: the programme against the closed form and against brute force."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from defilev.errors import Infeasible, InvalidNumber
from defilev.optimize.allocation import Collateral, Route, Sales, best_health, cheapest_sales, ranking
from defilev.optimize.impact import sale_for_health_factor


def health_after(collaterals: list[Collateral], debts: list[float], done: Sales) -> float:
    """Recompute health after the sales."""
    left = [held.value for held in collaterals]
    owed = [debt - repaid for debt, repaid in zip(debts, done.from_wallet, strict=True)]
    for sale in done.sales:
        left[sale.route.collateral] -= sale.sold
        owed[sale.route.debt] -= sale.repaid
    return sum(v * held.liquidation_threshold for v, held in zip(left, collaterals, strict=True)) / sum(owed)


def test_one_route_is_the_closed_form() -> None:
    """C=200, D=120, ℓ=.8, 20 bp, HF*=1.6: the programme sells 40.16064, as the closed form, and health is 1.6."""
    held, routes = [Collateral(200, 0.8)], [Route(0, 0, ((200, 0.002),))]
    done = cheapest_sales(held, [120], routes, 1.6)
    assert done.sales[0].sold == pytest.approx(40.16064, abs=5e-6)
    assert done.sales[0].sold == pytest.approx(
        sale_for_health_factor(200, 120, 0.8, 1.6, proportional_cost=0.002), rel=1e-6
    )
    assert health_after(held, [120], done) == pytest.approx(1.6, abs=1e-6)


def test_lowest_threshold_goes_first_at_equal_cost() -> None:
    """Of C=100/100 at .83 and .65 and D=90 to HF*=2, all 23.774 come from the .65 one."""
    held = [Collateral(100, 0.83), Collateral(100, 0.65)]
    routes = [Route(place, 0, ((100, 0.002),)) for place in (0, 1)]
    done = cheapest_sales(held, [90], routes, 2.0)
    assert [1] == [sale.route.collateral for sale in done.sales]
    assert done.sales[0].sold == pytest.approx(23.774, abs=5e-4)
    assert ranking(0.65, 2.0, 0.002) < ranking(0.83, 2.0, 0.002)


def test_the_wallet_comes_first() -> None:
    """What the wallet can repay costs nothing and is used before anything is sold."""
    held, routes = [Collateral(200, 0.8)], [Route(0, 0, ((200, 0.002),))]
    assert cheapest_sales(held, [120], routes, 1.6, wallet=[30]).sales == ()
    part = cheapest_sales(held, [120], routes, 1.6, wallet=[10])
    assert part.from_wallet == pytest.approx((10,))
    assert health_after(held, [120], part) == pytest.approx(1.6, abs=1e-6)


def brute_force(collaterals: list[Collateral], debts: list[float], routes: list[Route], goal: float) -> float:
    """Return the lowest cost: every set of used routes, filled greedily by cost per improvement."""
    best = float("inf")
    for used in product((False, True), repeat=len(routes)):
        chosen = [route for route, is_used in zip(routes, used, strict=True) if is_used]
        pieces = sorted(
            (
                (ranking(collaterals[r.collateral].liquidation_threshold, goal, cost), r, size, cost)
                for r in chosen
                for size, cost in r.segments
            ),
            key=lambda piece: piece[0],
        )
        missing = goal * sum(debts) - sum(c.value * c.liquidation_threshold for c in collaterals)
        cost_of = sum(route.fixed_cost for route in chosen)
        for _, route, size, cost in pieces:
            gain = goal * (1 - cost) - collaterals[route.collateral].liquidation_threshold
            sold = min(size, max(missing, 0) / gain)
            missing -= sold * gain
            cost_of += sold * cost
        if missing <= 1e-9:
            best = min(best, cost_of)
    return best


@pytest.mark.parametrize("seed", range(12))
def test_two_by_two_against_brute_force(seed: int) -> None:
    """On random 2×2 books with rising costs and fixed costs the programme is as cheap as trying every set of routes."""
    rng = np.random.default_rng(seed)
    held = [Collateral(float(rng.uniform(4e4, 9e4)), float(rng.uniform(0.6, 0.85))) for _ in range(2)]
    debts = [float(rng.uniform(2e4, 4e4)) for _ in range(2)]
    routes = []
    for place, debt in product(range(2), range(2)):
        cheap, dear = sorted(rng.uniform(0.0005, 0.01, 2))
        routes.append(Route(place, debt, ((6_000.0, float(cheap)), (9_000.0, float(dear))), float(rng.uniform(5, 40))))
    now = sum(c.value * c.liquidation_threshold for c in held) / sum(debts)
    goal = max(now * 1.15, 1.05)
    done = cheapest_sales(held, debts, routes, goal)
    assert brute_force(held, debts, routes, goal) == pytest.approx(done.cost, rel=1e-6)
    assert health_after(held, debts, done) == pytest.approx(goal, rel=1e-6)


def test_what_cannot_be_reached_is_said() -> None:
    """Too little on the routes, a cost that eats the gain, and a falling cost curve are refused."""
    held = [Collateral(200, 0.8)]
    with pytest.raises(Infeasible, match="no sales"):
        cheapest_sales(held, [120], [Route(0, 0, ((5, 0.002),))], 1.6)
    with pytest.raises(Infeasible, match="frees less"):
        ranking(0.8, 1.05, 0.3)
    with pytest.raises(InvalidNumber, match="falls"):
        cheapest_sales(held, [120], [Route(0, 0, ((5, 0.01), (5, 0.002)))], 1.6)


def test_what_surely_arrives_counts_and_what_is_quoted_costs() -> None:
    """With 0.5 % allowed and 0.1 % quoted, health lands for the former, and the cost is of the latter."""
    held, routes = [Collateral(200, 0.8)], [Route(0, 0, ((200, 0.001),), kept=0.995)]
    done = cheapest_sales(held, [120], routes, 1.6)
    assert done.sales[0].sold == pytest.approx((1.6 * 120 - 160) / (1.6 * 0.995 - 0.8))
    assert done.sales[0].repaid == pytest.approx(done.sales[0].sold * 0.995)
    assert done.cost == pytest.approx(done.sales[0].sold * 0.001)


def test_a_gain_is_taken_no_further_than_the_goal() -> None:
    """A route that pays more than the oracle is used until health is there, not for its gain; there already is none."""
    held, routes = [Collateral(200, 0.8)], [Route(0, 0, ((200, -0.01),))]
    assert health_after(held, [120], cheapest_sales(held, [120], routes, 1.6)) == pytest.approx(1.6)
    assert () == cheapest_sales(held, [120], routes, 1.2).sales


def test_a_leverage_is_health_at_thresholds_of_its_own() -> None:
    """C=200, D=120 (leverage 2.5) to 2 at 20 bp: with thresholds of 1 − 1/2 health 1 is a leverage of 2."""
    held, routes = [Collateral(200, 1 - 1 / 2)], [Route(0, 0, ((200, 0.002),))]
    (sale,) = cheapest_sales(held, [120], routes, 1.0).sales
    left = 200 - sale.sold
    assert left / (left - (120 - sale.repaid)) == pytest.approx(2)


def test_what_must_go_whole_goes_whole() -> None:
    """A collateral that bars the others is sold to its end although another is cheaper."""
    held = [Collateral(30, 0.8, whole=True), Collateral(200, 0.8)]
    routes = [Route(0, 0, ((30, 0.004),)), Route(1, 0, ((200, 0.001),))]
    done = cheapest_sales(held, [120], routes, 2.0)
    assert [30.0] == [pytest.approx(sale.sold) for sale in done.sales if sale.route.collateral == 0]
    assert health_after(held, [120], done) == pytest.approx(2.0)


@pytest.mark.parametrize("seed", range(8))
def test_the_best_health_is_reached_and_nothing_above_it(seed: int) -> None:
    """On random books sales reach the best health, and a thousandth more is refused; what is used up is named."""
    rng = np.random.default_rng(seed)
    held = [Collateral(float(rng.uniform(4e4, 9e4)), float(rng.uniform(0.6, 0.85))) for _ in range(2)]
    debts = [float(rng.uniform(2e4, 4e4)) for _ in range(2)]
    routes = [
        Route(place, debt, ((float(rng.uniform(2e3, 9e3)), 0.002),)) for place, debt in product(range(2), range(2))
    ]
    best = best_health(held, debts, routes)
    assert best.health_factor is not None
    done = cheapest_sales(held, debts, routes, best.health_factor * (1 - 1e-7))
    assert health_after(held, debts, done) == pytest.approx(best.health_factor, rel=1e-6)
    assert (0, 1, 2, 3) == best.routes
    with pytest.raises(Infeasible, match="no sales"):
        cheapest_sales(held, debts, routes, best.health_factor * 1.001)


def test_the_best_health_of_what_can_repay_everything_is_none() -> None:
    """Collateral that pays all debts reaches a health factor without a number; nothing owed has none to reach."""
    assert best_health([Collateral(200, 0.8)], [50], [Route(0, 0, ((200, 0.002),))]).health_factor is None
    with pytest.raises(Infeasible, match="nothing is owed"):
        best_health([Collateral(200, 0.8)], [0], [])
