"""The exit ladder: how far prices may move until each way out of a position stops working.

A sale raises health only above (1 + flash fee) / (1 - slippage) · threshold of what is sold. A plain account, which
must withdraw before it can sell, is stopped much earlier: by the floor that no step may go below, and by the number of
rounds that a plan has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from defilev.model.exits import Exit, ExitAxis, ExitLadder, ExitQuestion, ExitWay, Impact, NoReturn
from defilev.model.exposure import Exposure
from defilev.model.target_inputs import Depth
from defilev.optimize.impact import critical_impact
from defilev.risk.axis import Holding, Moved, axis_of, last_shock, moved

__all__ = ["exit_ladder", "health_after_rounds", "health_of_no_return"]

_TINY = 1e-9


@dataclass(frozen=True, slots=True)
class _Case:
    exposure: Exposure
    axis: ExitAxis
    question: ExitQuestion


def exit_ladder(
    exposure: Exposure, question: ExitQuestion, *, bonus: float | None = None, depth: Depth | None = None
) -> ExitLadder | None:
    """Return the exits of an account, the first that stops working first; `None` when no move liquidates it.

    Args:
        exposure: the account's linear forms.
        question: what an exit must reach, and with what.
        bonus: the liquidator's discount; `None` when it is not known.
        depth: what the pools make of the sale of collateral for all debt, `None` when nobody asked them.
    """
    axis = axis_of(exposure)
    if axis is None:
        return None
    case = _Case(exposure, axis, question)
    exits = sorted(_exits(case), key=lambda each: -1.0 if each.shock is None else each.shock)
    now = moved(exposure, axis, 0.0)
    toxic = None if bonus is None else 1 / (1 + bonus)
    stop, is_endless = last_shock(lambda shock: _at(case, shock).loan_to_value < (toxic or 0), axis)
    return ExitLadder(
        axis=axis,
        question=question,
        exits=tuple(exits),
        no_return=tuple(_no_return(case, holding) for holding in now.holdings),
        toxic_loan_to_value=toxic,
        toxic_shock=None if toxic is None or is_endless else stop or 0.0,
        impact=None if depth is None else _impact(now, depth, question),
    )


def health_of_no_return(threshold: float, question: ExitQuestion) -> float:
    """Return the health factor down to which selling a collateral of `threshold` in one transaction raises it."""
    return (1 + question.flash_fee) / (1 - question.slippage) * threshold


def health_after_rounds(state: Moved, sold: Holding, question: ExitQuestion) -> float | None:
    """Return the health factor after the rounds of one plan that sells `sold` for the largest debt.

    Each of them withdraws what the floor leaves free and no more than the goal needs, sells it and repays. `None` when
    no debt is left.
    """
    capacity, debt, most = state.capacity, state.debt, state.largest_debt
    left, kept = sold.value, 1 - question.slippage
    for _ in range(question.rounds):
        free = (capacity - question.floor * debt) / sold.threshold
        gain = question.goal * kept - sold.threshold
        needed = (question.goal * debt - capacity) / gain if gain > 0 else left
        amount = min(free, left, most / kept, max(needed, 0.0))
        if amount <= _TINY * debt:
            break
        capacity, left = capacity - sold.threshold * amount, left - amount
        debt, most = debt - kept * amount, most - kept * amount
        if debt <= _TINY * state.debt:
            return None
    return capacity / debt


def _exits(case: _Case) -> Iterator[Exit]:
    yield _exit(case, "liquidation", lambda state: state.health_factor >= 1)
    held = dict(case.question.wallet)
    owed = {term.asset: term.requirement for term in case.exposure.terms if term.requirement}
    counted = {term.asset for term in case.exposure.terms if term.capacity > 0}
    wallet = sum(min(held.get(asset, 0.0), debt) for asset, debt in owed.items())
    spare = sum(value for asset, value in held.items() if asset in counted)
    yield replace(_exit(case, "repay", lambda state: wallet > 0 and _repaid(case, state) >= 1), value=wallet)
    yield replace(_exit(case, "add", lambda state: spare > 0 and _added(case, state) >= 1), value=spare)
    for place, holding in enumerate(_at(case, 0.0).holdings):
        yield replace(_exit(case, "sell", _reaches(case, place)), asset=holding.symbol)
        yield replace(_exit(case, "sell-part", _helps(case, place)), asset=holding.symbol)


def _exit(case: _Case, way: ExitWay, works: Callable[[Moved], bool]) -> Exit:
    """Return an exit that must be taken before the account is liquidatable."""
    stop, is_endless = last_shock(lambda shock: _is_safe(state := _at(case, shock)) and works(state), case.axis)
    health = None if stop is None else _at(case, stop).health_factor
    return Exit(way, "", stop, health, is_endless=is_endless)


def _is_safe(state: Moved) -> bool:
    return state.health_factor >= 1


def _repaid(case: _Case, state: Moved) -> float:
    """Return health after repaying all that the wallet has of what is owed, over the goal."""
    held = dict(case.question.wallet)
    paid = sum(
        min(held.get(term.asset, 0.0), term.requirement) * state.factors.get(term.asset, 1.0)
        for term in case.exposure.terms
    )
    left = state.debt - paid
    return float("inf") if left <= 0 else state.capacity / left / case.question.goal


def _added(case: _Case, state: Moved) -> float:
    """Return health after supplying all that the wallet has of what is collateral already, over the goal."""
    held = dict(case.question.wallet)
    more = sum(
        held.get(holding.asset, 0.0) * state.factors.get(holding.asset, 1.0) * holding.threshold
        for holding in state.holdings
    )
    return (state.capacity + more) / state.debt / case.question.goal


def _reaches(case: _Case, place: int) -> Callable[[Moved], bool]:
    def works(state: Moved) -> bool:
        after = health_after_rounds(state, state.holdings[place], case.question)
        return after is None or max(after, state.health_factor) >= case.question.goal - _TINY

    return works


def _helps(case: _Case, place: int) -> Callable[[Moved], bool]:
    def works(state: Moved) -> bool:
        if state.health_factor >= case.question.goal:
            return True
        after = health_after_rounds(state, state.holdings[place], case.question)
        return after is None or after >= state.health_factor + case.question.least_rise

    return works


def _no_return(case: _Case, holding: Holding) -> NoReturn:
    limit = health_of_no_return(holding.threshold, case.question)
    stop, is_endless = last_shock(lambda shock: _at(case, shock).health_factor > limit, case.axis)
    return NoReturn(holding.symbol, limit, stop, is_endless)


def _impact(now: Moved, depth: Depth, question: ExitQuestion) -> Impact | None:
    sold = next((holding for holding in now.holdings if holding.symbol == depth.sold), None)
    if sold is None or not 0 < sold.threshold < 1:
        return None
    sale = min(sold.value, now.largest_debt / (1 - question.slippage))
    critical = critical_impact(sold.value, sold.threshold, now.health_factor, proportional_cost=question.slippage)
    return Impact(
        venue=depth.venue,
        asset=depth.sold,
        sale=sale,
        move=min(depth.impact * sale, 1.0),
        critical_move=min(max(critical, 0.0) * sale, 1.0),
        helps=depth.impact < critical,
    )


def _at(case: _Case, shock: float) -> Moved:
    return moved(case.exposure, case.axis, shock)
