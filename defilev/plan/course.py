"""Which sales a plan makes, one after another: the cheapest mixture of all pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from defilev.errors import Infeasible
from defilev.model.request import Read
from defilev.optimize.allocation import Reach, Sale as Amount, Sales, best_health, cheapest_sales
from defilev.plan.choose import Ranked
from defilev.plan.curves import read_curves
from defilev.plan.inputs import PlanInputs
from defilev.plan.mixture import Problem, problem_of, variants
from defilev.plan.path import Path, supply_of
from defilev.plan.words import goal_text, health_text, ratio_text
from defilev.units import WAD

__all__ = ["Course", "Part", "read_mixture"]

WHOLE = 0.999
"""From this part on a collateral is sold, or a debt repaid, to its end: no dust is left."""

NOTHING = 1e-6
"""Less than this part of a collateral is the solver's rounding."""


@dataclass(frozen=True, slots=True)
class Part:
    """One sale of a course: of `amount`, or as much as the goal takes when that is `None`.

    `clears` says that it repays all that is left of its debt.
    """

    source: Ranked
    amount: int | None = None
    clears: bool = False


Course = tuple[Part, ...]


def read_mixture(path: Path, inputs: PlanInputs, sources: Sequence[Ranked]) -> Read[Course | None]:
    """Return the cheapest sales along all of `sources` that reach the goal; `None` when none is made.

    Costs are those of the quotes at rising sizes, a round's gas, and what interest says (see `Carry`). What is repaid
    is counted at the worst allowed price, as in the plan itself. Pairs that share a pool are priced as if they did not.

    Raises:
        Infeasible: all of them together do not reach it; the fact says how far they do, and what is used up.
    """
    problem = problem_of(path, inputs, sources, (yield from read_curves(inputs, sources)))
    ways = [way for way in variants(problem) if way.routes]
    if not ways:
        return None
    solved = [(way, done) for way in ways if (done := _cheapest(way)) is not None]
    if not solved:
        raise _unreachable(inputs, ways)
    way, done = min(solved, key=lambda each: each[1].cost)
    return _course(path, way, done) or None


def _cheapest(problem: Problem) -> Sales | None:
    try:
        return cheapest_sales(problem.held, problem.owed, problem.routes, problem.goal)
    except Infeasible:
        return None


def _course(path: Path, problem: Problem, done: Sales) -> Course:
    """Return the sales in their order: zero-LTV collateral, then the lowest threshold; last what lands on the goal.

    Empty where the programme sells nothing, as when rounding alone keeps a position of cents from its goal.
    """
    cleared = {debt for debt in range(len(problem.owed)) if _repaid(done, debt) >= WHOLE * problem.owed[debt]}
    sales = [sale for sale in done.sales if sale.sold > NOTHING * problem.held[sale.route.collateral].value]
    if not sales:
        return ()
    landing = max(sales, key=lambda sale: (sale.route.debt not in cleared, not _is_whole(problem, sale), sale.sold))

    def order(sale: Amount) -> tuple[bool, bool, float]:
        leg = problem.collaterals[sale.route.collateral]
        return leg.loan_to_value != 0, sale is landing, problem.held[sale.route.collateral].liquidation_threshold

    ordered = sorted(sales, key=order)
    last = {sale.route.debt: place for place, sale in enumerate(ordered)}
    return tuple(
        Part(
            problem.source_of(sale.route),
            None if sale is ordered[-1] else _base_units(path, problem, sale),
            clears=sale.route.debt in cleared and last[sale.route.debt] == place,
        )
        for place, sale in enumerate(ordered)
    )


def _repaid(done: Sales, debt: int) -> float:
    return sum(sale.repaid for sale in done.sales if sale.route.debt == debt)


def _base_units(path: Path, problem: Problem, sale: Amount) -> int:
    """Return how much is sold in base units; all of it when next to nothing would be left."""
    held = problem.held[sale.route.collateral]
    token = problem.collaterals[sale.route.collateral].asset
    supplied = supply_of(path.first, token.address)
    return supplied if _is_whole(problem, sale) else int(supplied * Fraction(sale.sold / held.value))


def _is_whole(problem: Problem, sale: Amount) -> bool:
    return sale.sold >= WHOLE * problem.held[sale.route.collateral].value


def _unreachable(inputs: PlanInputs, ways: Sequence[Problem]) -> Infeasible:
    """Return the refusal with the best that can be reached, and what there is no more of then."""
    reaches = [(way, found) for way in ways if (found := _best(way)) is not None]
    if not reaches:
        zero = ", ".join(leg.asset.symbol for leg in ways[0].collaterals if leg.loan_to_value == 0)
        return Infeasible(
            f"{zero} has a loan-to-value of zero and must be sold whole before any other collateral, and cannot be",
            fix="bring the debt asset to the wallet, or raise --max-slippage",
        )
    way, best = max(reaches, key=lambda each: each[1].health_factor or 0)
    reach = "nothing more" if best.health_factor is None else _reach_text(inputs, best.health_factor)
    return Infeasible(
        f"everything that can be sold reaches {reach}, not {goal_text(inputs.goal)}",
        fix=f"aim lower, raise --max-slippage, or bring {way.debts[0].asset.symbol} to the wallet",
        used_up=", ".join(_used_up(inputs, way, best)) or "nothing",
    )


def _best(way: Problem) -> Reach | None:
    try:
        return best_health(way.held, way.owed, way.routes)
    except Infeasible:
        return None


def _reach_text(inputs: PlanInputs, health: float) -> str:
    """Return what the best health of the programme is; see `mixture` for a leverage."""
    if inputs.goal.kind == "health-factor" or inputs.goal.value is None:
        return f"a health factor of {health_text(int(health * WAD))}"
    ratio = Fraction(health) / (1 - 1 / Fraction(inputs.goal.value))
    return f"a leverage of {ratio_text(ratio / (ratio - 1))}" if ratio > 1 else "no equity"


def _used_up(inputs: PlanInputs, way: Problem, best: Reach) -> Iterator[str]:
    for place in best.collaterals:
        yield f"{way.collaterals[place].asset.symbol} that can be sold"
    for place in best.routes:
        sale = way.sources[place].sale
        if way.routes[place].collateral not in best.collaterals:
            venue = inputs.venue.name if inputs.venue else "the market"
            yield f"what {venue} takes of {sale.collateral.symbol} for {sale.debt.symbol}"
