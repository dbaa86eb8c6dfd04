"""The staircase: a plain account cannot borrow for one transaction, so it withdraws, swaps and repays in rounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from defilev.errors import Infeasible
from defilev.model.account import Leg
from defilev.model.plan import Repay
from defilev.model.request import Read
from defilev.model.token import Token
from defilev.plan.carry import carry_of
from defilev.plan.choose import estimate, payable_debts, rank, read_routes, sales_of
from defilev.plan.cost import spent
from defilev.plan.course import Course, Part, read_mixture
from defilev.plan.divergence import too_far
from defilev.plan.goals import Aim
from defilev.plan.in_hand import sell_in_hand
from defilev.plan.inputs import PlanInputs
from defilev.plan.path import Path, borrow_of, start, supply_of
from defilev.plan.quoting import Sold, find_fill
from defilev.plan.refusals import out_of_reach, past_no_return, require_progress, require_worthwhile, with_outside_help
from defilev.plan.rounds import (
    clearing,
    clearing_amount,
    easing,
    payoff,
    reached,
    repayment_reaches,
    round_amount,
    selling,
    wallet_amount,
)
from defilev.plan.sale import Fill, Sale, repay, repay_all, require_venue, sell
from defilev.plan.splitting import least_gain
from defilev.plan.words import goal_text, health_text, leverage_text
from defilev.venues.contract import Route

__all__ = ["fill_round", "plan_path", "repay_from_wallet", "worth_its_gas"]

SINGLES = 3
"""The most single sales that are tried beside the mixture."""

DUST = 100_000
"""Less than one part in this many of what there was is what sizing leaves over, not something to sell or repay."""


class _Short(NamedTuple):
    """A path, and what refused the next round before the goal; `why` is `None` when a plan has no more rounds."""

    end: Path
    why: Infeasible | None


def plan_path(inputs: PlanInputs) -> Read[tuple[Path, str]]:
    """Return the path to a health factor or leverage, and a label that is empty unless it stops short of the goal.

    The debt assets in the wallet are repaid first; then the cheapest mixture of sales that reaches the goal is made,
    or the cheapest sale that reaches it alone.

    Raises:
        Infeasible: nothing reaches the goal; the facts say what could be reached.
    """
    aim = Aim(inputs.goal)
    path = start(inputs)
    for debt in payable_debts(inputs):
        if not reached(path, aim):
            path = repay_from_wallet(path, inputs, debt.asset, aim)
    path, sold = yield from sell_in_hand(path, inputs, _open_debts(path, inputs)[0], aim, Sold())
    if reached(path, aim) or (inputs.in_hand and aim.nearly_reached(path.first) and aim.nearly_reached(path.last)):
        return path, ""
    courses, refusals = yield from _courses(path, inputs, aim)
    ends: list[_Short] = []
    for course in courses:
        try:
            ends.append((yield from _descend(path, inputs, course, aim, sold)))
        except Infeasible as refusal:
            refusals.append(refusal)
        if ends and reached(ends[-1].end, aim) and len(courses[0]) == 1:
            break
    whole = [short.end for short in ends if reached(short.end, aim)]
    if whole:
        return min(whole, key=lambda end: _price(path, inputs, end)), ""
    if not ends and sold.values:
        ends.append(_Short(path, refusals[0]))
    return _best_partial(path, inputs, ends, refusals, aim)


def _price(path: Path, inputs: PlanInputs, end: Path) -> float:
    """Return what it costs to get from `path` to its `end`, in quote base units, with what interest says."""
    carry = carry_of(path.last, inputs.constraints)
    left = {(leg.side, leg.asset): leg.value for leg in end.last.legs}
    cost = float(spent(inputs, end.actions[len(path.actions) :]))
    for leg in path.last.legs:
        change = leg.value - left.get((leg.side, leg.asset), 0)
        rate = carry.of_collateral if leg.side == "supply" else carry.of_debt
        cost += change * rate(leg.asset) if leg.value else 0.0
    return cost


def _open_debts(path: Path, inputs: PlanInputs) -> list[Leg]:
    """Return the debts to repay that are still owed; the first of all when none is."""
    debts = payable_debts(inputs)
    return [leg for leg in debts if borrow_of(path.first, leg.asset.address) > 0] or debts[:1]


def _courses(path: Path, inputs: PlanInputs, aim: Aim) -> Read[tuple[list[Course], list[Infeasible]]]:
    """Return the courses to try, the cheapest mixture first, then single sales; and why there is no mixture.

    A mixture of several sales is no more than a guess where they share pools, so single sales are priced beside it.
    """
    sales = [sale for debt in _open_debts(path, inputs) for sale in sales_of(inputs, inputs.account, debt)]
    sales = _workable(path, sales, aim)
    routes = yield from read_routes(inputs, sales)
    amounts = {sale: min(estimate(path, inputs, sale), _most(path, sale)) for sale in sales}
    ranked = yield from rank(inputs, {sale: amount for sale, amount in amounts.items() if amount > 0}, routes)
    refusals: list[Infeasible] = [too_far(inputs, each.sale, each.apart) for each in ranked if each.apart is not None]
    ranked = [each for each in ranked if each.apart is None]
    if refusals and not ranked:
        raise with_outside_help(refusals[0], path, sales[0].debt, aim)
    singles: list[Course] = [
        (Part(source),) for source in sorted(ranked, key=lambda each: each.amount == _most(path, each.sale))
    ]
    if len(ranked) < 2:
        return singles, refusals
    try:
        mixture = yield from read_mixture(path, inputs, ranked)
    except Infeasible as refusal:
        return singles[:SINGLES], [refusal, *refusals]
    first = [] if mixture is None else [mixture]
    return [*first, *(course for course in singles[:SINGLES] if course != mixture)], refusals


def _most(path: Path, sale: Sale) -> int:
    """Return how much can be sold at all: what is supplied, or what repays the whole debt at the worst price."""
    supplied = supply_of(path.last, sale.collateral.address)
    return min(supplied, sale.amount_for(borrow_of(path.last, sale.debt.address)))


def repay_from_wallet(path: Path, inputs: PlanInputs, debt: Token, aim: Aim) -> Path:
    """Return the path after repaying from the wallet what helps; unchanged when that is not worth its gas."""
    held = inputs.spendable(debt)
    amount = wallet_amount(path, debt, held, aim)
    if amount == 0 or not worth_its_gas(inputs, debt, amount):
        return path
    everything = payoff(path, debt)
    if inputs.payer is None and held >= everything and not repayment_reaches(path, debt, amount, aim):
        return repay_all(path, debt, everything)
    return repay(path, debt, amount)


def worth_its_gas(inputs: PlanInputs, debt: Token, amount: int) -> bool:
    """Return whether `amount` is worth more than repaying it costs, where the native asset has a price."""
    if inputs.native is None:
        return True
    gas = inputs.protocol.gas(Repay(debt, amount)) * inputs.gas_price
    cost = inputs.protocol.value_down(inputs.account, inputs.native.address, gas)
    return inputs.protocol.value_down(inputs.account, debt.address, amount) >= cost


def fill_round(inputs: PlanInputs, sale: Sale, routes: Sequence[Route], sold: Sold, amount: int) -> Read[Fill]:
    """Return how the venue takes `amount` or part of it; the same token is simply repaid."""
    if not sale.swaps:
        return Fill(amount, amount)
    gain = least_gain(inputs, sale, routes, amount)
    return (yield from find_fill(require_venue(inputs), sale, routes, sold, amount, split_gain=gain))


def _workable(path: Path, sales: Sequence[Sale], aim: Aim) -> list[Sale]:
    """Return the sales that raise the health factor; raises the refusal of the first when none does."""
    refusals = [past_no_return(path, sale, aim) for sale in sales]
    workable = [sale for sale, refusal in zip(sales, refusals, strict=True) if refusal is None]
    for refusal in refusals:
        if not workable and refusal is not None:
            raise refusal
    return workable


def _descend(path: Path, inputs: PlanInputs, course: Course, aim: Aim, sold: Sold) -> Read[_Short]:
    """Return the path after as many rounds of a course as the goal takes, as a plan has, or as there can be.

    With it comes what refused the next round, where one was refused; the first raises.
    """
    rounds = 0
    for part in course:
        left = part.amount
        while rounds < inputs.rounds and not reached(path, aim) and not _is_done(path, inputs, part, left):
            try:
                fill, path = yield from _round(path, inputs, part, sold, aim, left)
            except Infeasible as refusal:
                if rounds == 0:
                    raise
                return _Short(path, refusal)
            sold = sold.with_fill(part.source.sale, fill)
            left = None if left is None else left - fill.amount
            rounds += 1
    return _Short(path, None)


def _is_done(path: Path, inputs: PlanInputs, part: Part, left: int | None) -> bool:
    """Return whether a part is over; raises `Infeasible` when one that should reach the goal is exhausted."""
    sale = part.source.sale
    if part.amount is None or left is None:
        if _exhausted(path, inputs, sale):
            raise out_of_reach(path, sale, goal_text(inputs.goal))
        return False
    is_repaid = borrow_of(path.first, sale.debt.address) == 0
    return is_repaid or (left * DUST <= part.amount and not part.clears)


def _round(
    path: Path, inputs: PlanInputs, part: Part, sold: Sold, aim: Aim, left: int | None
) -> Read[tuple[Fill, Path]]:
    """Return what one more round sells, and the path after it; a debt that is to be cleared is, once that is possible.

    What clears it is not bounded by the part's amount, which does not know of the interest until then.
    """
    sale = part.source.sale
    amount = clearing_amount(path, inputs, sale) if part.clears else None
    if amount is None:
        amount = round_amount(path, inputs, sale, aim, most=None if left is None or left <= 0 else left)
    fill = yield from fill_round(inputs, sale, part.source.routes, sold, amount)
    if part.clears and fill.minimum_out >= payoff(sell(path, inputs, sale, fill), sale.debt):
        after = clearing(path, inputs, sale, fill)
    else:
        after = (easing if part.clears else selling)(path, inputs, sale, fill)
    require_progress(path, after, sale)
    return fill, after


def _exhausted(path: Path, inputs: PlanInputs, sale: Sale) -> bool:
    """Return whether nothing but dust is left of the collateral to sell or of the debt to repay."""
    supplied = supply_of(inputs.account, sale.collateral.address)
    owed = borrow_of(inputs.account, sale.debt.address)
    return (
        supply_of(path.first, sale.collateral.address) * DUST <= supplied
        or borrow_of(path.first, sale.debt.address) * DUST <= owed
    )


def _best_partial(
    path: Path, inputs: PlanInputs, partial: Sequence[_Short], refusals: Sequence[Infeasible], aim: Aim
) -> tuple[Path, str]:
    best = max(partial, key=lambda short: short.end.health_factor() or 0, default=None)
    debt = _open_debts(path, inputs)[0].asset
    if best is None:
        raise with_outside_help(refusals[0], path, debt, aim)
    try:
        require_worthwhile(start(inputs), best.end, inputs.rounds, inputs.floor)
    except Infeasible as slow:
        raise with_outside_help(best.why or slow, path, debt, aim) from None
    return best.end, _label(best, inputs)


def _label(short: _Short, inputs: PlanInputs) -> str:
    end, goal = short.end, goal_text(inputs.goal)
    reach = f"a health factor of {health_text(end.health_factor())} and a leverage of {leverage_text(end.last)}"
    if short.why is None:
        return f"PARTIAL: {inputs.rounds} rounds reach {reach}, not {goal}; plan again afterwards"
    return f"PARTIAL: it reaches {reach}, not {goal}, since {short.why.fact}; plan again afterwards"
