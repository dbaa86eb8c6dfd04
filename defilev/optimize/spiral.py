"""Does selling help? The deleveraging spiral of an account's own sales, and the account after every stress scenario.

An impact is by how much of itself the oracle's price falls per quote unit sold. Source: Klages-Mundt and Minca, on
deleveraging spirals; Warmuz, Chaudhary and Pinna 2022, on toxic liquidations.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt

from defilev.errors import Infeasible
from defilev.model.target import BandLevels, Spiral, StressResult, Trade
from defilev.model.target_inputs import StressCase
from defilev.optimize.arguments import above, at_least
from defilev.optimize.impact import critical_impact, sale_for_health_factor
from defilev.optimize.outlook import Case, money

__all__ = ["spiral_of", "spiralling_leverage", "stress_results"]


def spiralling_leverage(equity: float, impact: float, *, proportional_cost: float = 0.0) -> float:
    """Return the leverage from which on the first unit sold lowers health: `ιE·L(L−1) = 1 − cL` solved for L.

    The critical impact of `impact.critical_impact`, with collateral L·E and debt (L−1)·E; 1/c when sales move nothing.

    Raises:
        InvalidNumber: an equity that is not above zero, a negative impact or cost, or neither of the two.
    """
    pressure = above(equity, 0, what="equity") * at_least(impact, 0, what="impact")
    cost = at_least(proportional_cost, 0, what="proportional cost")
    above(pressure + cost, 0, what="impact or cost")
    linear = pressure - cost
    root = sqrt(linear * linear + 4 * pressure)
    return (linear + root) / (2 * pressure) if linear > 0 else 2 / (root - linear)


def spiral_of(case: Case, trade: Trade) -> Spiral | None:
    """Return whether the trade's sale, or else one that repays all debt, raises health; `None` when nothing is owed."""
    position, cost = case.position, case.preferences.proportional_cost
    if position.health_factor is None:
        return None
    debt = float(position.debt_value)
    sale = float(trade.sale) if trade.sale > 0 else debt / (1 - cost)
    collateral = float(position.collateral_value)
    health = position.liquidation_threshold * collateral / debt
    critical = critical_impact(collateral, position.liquidation_threshold, health, proportional_cost=cost)
    critical = max(critical, 0.0) / max(position.moving_share, 1e-9)
    depth, bonus = position.depth, position.liquidation_bonus
    return Spiral(
        sale=money(sale),
        critical_impact=critical,
        critical_move=min(critical * sale, 1.0),
        move=None if depth is None else min(depth.impact * sale, 1.0),
        helps=None if depth is None else depth.impact < critical,
        toxic_loan_to_value=None if bonus is None else 1 / (1 + bonus),
    )


def stress_results(case: Case, band: BandLevels) -> Iterator[StressResult]:
    """Yield what each of the position's stress cases does; the trade back is to the band's danger trigger."""
    for after in case.position.stress_cases:
        owed, counted = float(after.requirement), float(after.capacity)
        health = counted / owed if owed > 0 else None
        lost = (case.position.liquidation_bonus or 0.0) * case.position.close_factor * owed if after.liquidated else 0.0
        sale = _sale(case, after, band)
        yield StressResult(
            name=after.name,
            health_factor=health,
            liquidated=after.liquidated,
            equity_change=max((float(after.equity) - lost) / case.equity - 1, -1.0),
            sale=None if sale is None else money(sale),
            cost=None if sale is None else money(_cost(case, after, sale)),
            move=None if sale is None or case.position.depth is None else min(_impact(case, after) * sale, 1.0),
        )


def _impact(case: Case, after: StressCase) -> float:
    depth = case.position.depth
    return 0.0 if depth is None else depth.impact / after.depth


def _sale(case: Case, after: StressCase, band: BandLevels) -> float | None:
    collateral, debt = float(after.collateral), float(after.requirement)
    goal = band.trigger_low
    if debt <= 0 or goal is None or float(after.capacity) >= goal * debt:
        return 0.0
    try:
        return sale_for_health_factor(
            collateral,
            debt,
            float(after.capacity) / collateral,
            goal,
            proportional_cost=case.preferences.proportional_cost,
            impact=_impact(case, after) * case.position.moving_share,
        )
    except Infeasible:
        return None


def _cost(case: Case, after: StressCase, sale: float) -> float:
    if not sale:
        return 0.0
    gas = float(case.preferences.gas_value) * after.gas
    return sale * case.preferences.proportional_cost + 0.5 * _impact(case, after) * sale * sale + gas
