"""Which collateral to sell for which debt: the cheapest sales that reach a health factor, as a small linear programme.

Amounts are in quote units. Multiplied out, the health constraint is linear: `Σℓ_i·C_i' − H·ΣD_j' ≥ 0`. A fixed cost per
route makes the choice of routes whole numbers; HiGHS solves it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from defilev.errors import Infeasible, InvalidNumber
from defilev.optimize.arguments import above, at_least, open_unit

__all__ = ["Collateral", "Route", "Sale", "Sales", "cheapest_sales", "ranking"]

_UNIT = 1_000.0
"""What amounts are divided by before they are solved for, so that tolerances fit."""


@dataclass(frozen=True, slots=True)
class Collateral:
    """What is supplied of one asset: its value and its liquidation threshold, a fraction."""

    value: float
    liquidation_threshold: float


@dataclass(frozen=True, slots=True)
class Route:
    """A way to sell collateral number `collateral` for debt number `debt`.

    `segments` are (size, cost per unit sold) with costs that rise; `fixed_cost` is paid once the route is used.
    """

    collateral: int
    debt: int
    segments: tuple[tuple[float, float], ...]
    fixed_cost: float = 0.0


@dataclass(frozen=True, slots=True)
class Sale:
    """How much goes along a route, and what arrives as repayment."""

    route: Route
    sold: float
    repaid: float


@dataclass(frozen=True, slots=True)
class Sales:
    """The cheapest sales, what the wallet repays of each debt, and what it all costs."""

    sales: tuple[Sale, ...]
    from_wallet: tuple[float, ...]
    cost: float


def ranking(liquidation_threshold: float, health_factor: float, cost: float) -> float:
    """Return `m/(H(1−m)−ℓ)`, the cost of one unit of improvement by selling this collateral; lowest first.

    At equal cost the lowest threshold goes first. Raises `Infeasible` when selling it lowers health.
    """
    gain = health_factor * (1 - at_least(cost, 0, what="cost")) - open_unit(
        liquidation_threshold, what="liquidation threshold"
    )
    if gain <= 0:
        raise Infeasible(
            "selling that collateral frees less than it costs", fix="sell another, or repay from the wallet"
        )
    return cost / gain


def cheapest_sales(
    collaterals: Sequence[Collateral],
    debts: Sequence[float],
    routes: Sequence[Route],
    health_factor: float,
    *,
    wallet: Sequence[float] = (),
) -> Sales:
    """Return the cheapest sales after which health is at least `health_factor`.

    Args:
        collaterals: what is supplied.
        debts: what is owed of each asset.
        routes: how collateral can become debt; the only ways that are used.
        health_factor: the goal, above 1.
        wallet: what may be repaid of each debt at no cost; nothing when left out.

    Raises:
        Infeasible: no sales along these routes reach it.
        InvalidNumber: an argument out of range, or a cost curve that falls.
    """
    import numpy as np
    from scipy.optimize import Bounds, LinearConstraint, milp

    goal = above(health_factor, 1, what="health factor")
    _check(collaterals, debts, routes)
    spare = list(wallet) or [0.0] * len(debts)
    pieces = [(place, size, cost) for place, route in enumerate(routes) for size, cost in route.segments]
    count, used = len(pieces), len(routes)
    rows, lows, highs = _constraints(collaterals, debts, routes, pieces, goal)
    prices = [cost for _, _, cost in pieces] + [route.fixed_cost / _UNIT for route in routes] + [0.0] * len(debts)
    upper = [size / _UNIT for _, size, _ in pieces] + [1.0] * used
    upper += [min(owned, owed) / _UNIT for owned, owed in zip(spare, debts, strict=True)]
    solved = milp(
        np.array(prices),
        constraints=LinearConstraint(np.array(rows), np.array(lows), np.array(highs)),
        bounds=Bounds(np.zeros(len(prices)), np.array(upper)),
        integrality=np.array([0] * count + [1] * used + [0] * len(debts)),
    )
    if solved.x is None:
        raise Infeasible(
            f"no sales along these routes bring health to {goal:g}", fix="ask for less, or add to the collateral"
        )
    amounts = [float(value) * _UNIT for value in solved.x]
    return _sales(routes, pieces, amounts[:count], tuple(amounts[count + used :]))


def _constraints(
    collaterals: Sequence[Collateral],
    debts: Sequence[float],
    routes: Sequence[Route],
    pieces: Sequence[tuple[int, float, float]],
    goal: float,
) -> tuple[list[list[float]], list[float], list[float]]:
    """Return rows with their bounds: health, collateral held, debt owed, and that a route is paid for when used."""
    used, owed = len(routes), len(debts)
    of = [routes[place] for place, _, _ in pieces]
    gains = [
        goal * (1 - cost) - collaterals[route.collateral].liquidation_threshold
        for route, (_, _, cost) in zip(of, pieces, strict=True)
    ]
    capacity = sum(held.value * held.liquidation_threshold for held in collaterals)
    rows = [gains + [0.0] * used + [goal] * owed]
    lows, highs = [(goal * sum(debts) - capacity) / _UNIT], [float("inf")]
    for number, held in enumerate(collaterals):
        rows.append([1.0 if route.collateral == number else 0.0 for route in of] + [0.0] * (used + owed))
        lows.append(0.0)
        highs.append(held.value / _UNIT)
    for number, debt in enumerate(debts):
        sold = [1 - cost if route.debt == number else 0.0 for route, (_, _, cost) in zip(of, pieces, strict=True)]
        rows.append(sold + [0.0] * used + [float(number == other) for other in range(owed)])
        lows.append(0.0)
        highs.append(debt / _UNIT)
    for number, route in enumerate(routes):
        most = sum(size for size, _ in route.segments) / _UNIT
        rows.append(
            [float(place == number) for place, _, _ in pieces]
            + [-most if number == other else 0.0 for other in range(used)]
            + [0.0] * owed
        )
        lows.append(-float("inf"))
        highs.append(0.0)
    return rows, lows, highs


def _sales(
    routes: Sequence[Route],
    pieces: Sequence[tuple[int, float, float]],
    amounts: Sequence[float],
    from_wallet: tuple[float, ...],
) -> Sales:
    found = []
    for number, route in enumerate(routes):
        own = [(amount, cost) for (place, _, cost), amount in zip(pieces, amounts, strict=True) if place == number]
        sold = sum(amount for amount, _ in own)
        if sold > 1e-9 * _UNIT:
            found.append(Sale(route, sold, sum(amount * (1 - cost) for amount, cost in own)))
    cost = sum(sale.sold - sale.repaid + sale.route.fixed_cost for sale in found)
    return Sales(tuple(found), from_wallet, cost)


def _check(collaterals: Sequence[Collateral], debts: Sequence[float], routes: Sequence[Route]) -> None:
    for held in collaterals:
        at_least(held.value, 0, what="collateral")
        open_unit(held.liquidation_threshold, what="liquidation threshold")
    for debt in debts:
        at_least(debt, 0, what="debt")
    for route in routes:
        at_least(route.fixed_cost, 0, what="fixed cost")
        costs = [cost for _, cost in route.segments]
        if not costs or costs != sorted(costs):
            raise InvalidNumber("a route's cost falls with size", fix="give segments whose cost per unit rises")
        for size, cost in route.segments:
            above(size, 0, what="segment")
            at_least(cost, 0, what="cost")
