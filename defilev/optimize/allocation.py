"""Which collateral to sell for which debt: the cheapest sales that reach a health factor, as a small linear programme.

Amounts are in quote units. Multiplied out, the health constraint is linear: `Σℓ_i·C_i' − H·ΣD_j' = 0`. A fixed cost per
route makes the choice of routes whole numbers; HiGHS solves it. A leverage L is the health factor 1 at thresholds of
`1 − 1/L`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from defilev.errors import Infeasible
from defilev.optimize.arguments import at_least, open_unit
from defilev.optimize.programme import SLACK, UNIT, Collateral, Programme, Route, Sale, Sales, capacity_of

__all__ = ["Collateral", "Reach", "Route", "Sale", "Sales", "best_health", "cheapest_sales", "ranking"]

_ITERATIONS = 50

_BRANCHES = 60
"""The most linear programmes that are solved for one choice of routes; what is best by then is taken."""

_CLOSE = 1e-7
"""A saving of less than this part of what is owed is not looked for."""


@dataclass(frozen=True, slots=True)
class Reach:
    """The best health that sales reach, `None` when they repay everything, and what is used up then.

    `collaterals` and `routes` are the numbers of those of which no more can be sold.
    """

    health_factor: float | None
    collaterals: tuple[int, ...]
    routes: tuple[int, ...]


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
    """Return the cheapest sales after which health is `health_factor`; none when it is at least that already.

    Args:
        collaterals: what is supplied.
        debts: what is owed of each asset.
        routes: how collateral can become debt; the only ways that are used.
        health_factor: the goal, at least 1.
        wallet: what may be repaid of each debt at no cost; nothing when left out.

    Raises:
        Infeasible: no sales along these routes reach it.
        InvalidNumber: an argument out of range, or a cost curve that falls.
    """
    goal = at_least(health_factor, 1, what="health factor")
    programme = Programme.of(collaterals, debts, routes, wallet)
    missing = goal * sum(debts) - capacity_of(collaterals)
    if missing <= 0:
        return Sales((), (0.0,) * len(debts), 0.0)
    health = (programme.gains(goal), missing / UNIT, missing / UNIT + SLACK)
    amounts = _cheapest(programme, health)
    if amounts is None:
        raise Infeasible(
            f"no sales along these routes bring health to {goal:g}", fix="ask for less, or add to the collateral"
        )
    return programme.sales(amounts)


def _cheapest(programme: Programme, health: tuple[list[float], float, float]) -> list[float] | None:
    """Return the cheapest amounts with every used route paid for in whole; `None` when nothing satisfies `health`.

    Branch and bound over linear programmes: each of them gives amounts that can be had, and a bound on what better ones
    cost. Whole numbers are not left to the solver, which prints to the terminal now and then while it looks for them.
    """
    best: list[float] | None = None
    least, costs = float("inf"), programme.costs()
    waiting: list[tuple[frozenset[int], frozenset[int]]] = [(frozenset(), frozenset())]
    for _ in range(_BRANCHES):
        if not waiting:
            break
        used, unused = waiting.pop()
        amounts = programme.solved(costs, [health], used=used, unused=unused)
        if amounts is None:
            continue
        bound = sum(cost * amount for cost, amount in zip(costs, amounts, strict=True))
        if bound >= least - _CLOSE * sum(programme.debts):
            continue
        cost = programme.sales(amounts).cost
        best, least = (amounts, cost) if cost < least else (best, least)
        divided = programme.divided(amounts)
        if divided is not None:
            waiting += [(used | {divided}, unused), (used, unused | {divided})]
    return best


def best_health(
    collaterals: Sequence[Collateral], debts: Sequence[float], routes: Sequence[Route], *, wallet: Sequence[float] = ()
) -> Reach:
    """Return the highest health that sales along `routes` reach, whatever they cost (Dinkelbach's iteration).

    Raises:
        InvalidNumber: an argument out of range, or a cost curve that falls.
        Infeasible: nothing is owed, or collateral that must be sold whole cannot be.
    """
    programme = Programme.of(collaterals, debts, routes, wallet)
    if sum(debts) <= 0:
        raise Infeasible("nothing is owed", fix="there is nothing to reach")
    health = capacity_of(collaterals) / sum(debts)
    amounts: list[float] | None = None
    for _ in range(_ITERATIONS):
        amounts = programme.solved([-gain for gain in programme.gains(health)], [])
        if amounts is None:
            raise Infeasible("the sales cannot be made", fix="leave out the collateral that cannot be sold whole")
        left, owed = programme.after(amounts)
        if owed <= sum(debts) * SLACK:
            return Reach(None, *programme.used_up(amounts))
        if left / owed <= health * (1 + SLACK):
            break
        health = left / owed
    return Reach(health, *programme.used_up(amounts or []))
