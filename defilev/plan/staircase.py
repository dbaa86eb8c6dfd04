"""The staircase: a plain account cannot borrow for one transaction, so it withdraws, swaps and repays in rounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from defilev.errors import Infeasible
from defilev.model.plan import Repay
from defilev.model.request import Read
from defilev.model.token import Token
from defilev.plan.choose import Ranked, choose_debt, estimate, rank, read_routes, sales_of
from defilev.plan.goals import Aim
from defilev.plan.in_hand import sell_in_hand
from defilev.plan.inputs import PlanInputs
from defilev.plan.path import Path, borrow_of, start, supply_of
from defilev.plan.quoting import Sold, find_fill
from defilev.plan.refusals import out_of_reach, past_no_return, require_progress, require_worthwhile, with_outside_help
from defilev.plan.rounds import reached, round_amount, selling, wallet_amount
from defilev.plan.sale import Fill, Sale, repay, require_venue
from defilev.plan.words import health_text, leverage_text
from defilev.venues.contract import Route

__all__ = ["MAX_ROUNDS", "fill_round", "plan_path", "repay_from_wallet", "worth_its_gas"]

MAX_ROUNDS = 12
"""The most rounds that one plan has."""

DUST = 100_000
"""Less than one part in this many of what there was is what sizing leaves over, not something to sell or repay."""


class _Short(NamedTuple):
    """A path that ends before the goal; `why` is what refused the next round, `None` when a plan has no more rounds."""

    end: Path
    why: Infeasible | None


def plan_path(inputs: PlanInputs) -> Read[tuple[Path, str]]:
    """Return the path to a health factor or leverage, and a label that is empty unless it stops short of the goal.

    The wallet's own debt asset is repaid first; then the cheapest collateral that reaches the goal is sold.

    Raises:
        Infeasible: nothing reaches the goal; the facts say what could be reached.
    """
    aim = Aim(inputs.goal)
    debt = choose_debt(inputs)
    path = repay_from_wallet(start(inputs), inputs, debt.asset, aim)
    path, sold = yield from sell_in_hand(path, inputs, debt, aim, Sold())
    if reached(path, aim) or (inputs.in_hand and aim.nearly_reached(path.first) and aim.nearly_reached(path.last)):
        return path, ""
    sales = _workable(path, sales_of(inputs, inputs.account, debt), aim)
    routes = yield from read_routes(inputs, sales)
    ranked = yield from rank(inputs, {sale: estimate(path, inputs, sale) for sale in sales}, routes)
    partial: list[_Short] = []
    refusals: list[Infeasible] = []
    for candidate in sorted(ranked, key=lambda each: each.amount == supply_of(path.last, each.sale.collateral.address)):
        try:
            end, why = yield from _descend(path, inputs, candidate, aim, sold)
        except Infeasible as refusal:
            refusals.append(refusal)
            continue
        if reached(end, aim):
            return end, ""
        partial.append(_Short(end, why))
    if not partial and sold.values:
        partial.append(_Short(path, refusals[0]))
    return _best_partial(path, inputs, partial, refusals, aim)


def repay_from_wallet(path: Path, inputs: PlanInputs, debt: Token, aim: Aim) -> Path:
    """Return the path after repaying from the wallet what helps; unchanged when that is not worth its gas."""
    held = inputs.wallet.balance(debt.address)
    amount = wallet_amount(path, debt, held, aim)
    if amount == 0 or not worth_its_gas(inputs, debt, amount):
        return path
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
    return (yield from find_fill(require_venue(inputs), sale, routes, sold, amount))


def _workable(path: Path, sales: Sequence[Sale], aim: Aim) -> list[Sale]:
    """Return the sales that raise the health factor; raises the refusal of the first when none does."""
    refusals = [past_no_return(path, sale, aim) for sale in sales]
    workable = [sale for sale, refusal in zip(sales, refusals, strict=True) if refusal is None]
    for refusal in refusals:
        if not workable and refusal is not None:
            raise refusal
    return workable


def _descend(
    path: Path, inputs: PlanInputs, candidate: Ranked, aim: Aim, sold: Sold
) -> Read[tuple[Path, Infeasible | None]]:
    """Return the path after as many rounds of a sale as the goal takes, as a plan has, or as there can be.

    With it comes what refused the next round, where one was refused; the first raises.
    """
    sale = candidate.sale
    for number in range(MAX_ROUNDS):
        if _exhausted(path, inputs, sale):
            raise out_of_reach(path, sale, _goal_text(inputs))
        try:
            path, sold = yield from _round(path, inputs, candidate, aim, sold)
        except Infeasible as refusal:
            if number == 0:
                raise
            return path, refusal
        if reached(path, aim):
            break
    return path, None


def _round(path: Path, inputs: PlanInputs, candidate: Ranked, aim: Aim, sold: Sold) -> Read[tuple[Path, Sold]]:
    sale = candidate.sale
    amount = round_amount(path, inputs, sale, aim)
    fill = yield from fill_round(inputs, sale, candidate.routes, sold, amount)
    after = selling(path, inputs, sale, fill)
    require_progress(path, after, sale)
    return after, sold.with_fill(sale, fill)


def _exhausted(path: Path, inputs: PlanInputs, sale: Sale) -> bool:
    """Return whether nothing but dust is left of the collateral to sell or of the debt to repay."""
    supplied = supply_of(inputs.account, sale.collateral.address)
    owed = borrow_of(inputs.account, sale.debt.address)
    return (
        supply_of(path.first, sale.collateral.address) * DUST <= supplied
        or borrow_of(path.first, sale.debt.address) * DUST <= owed
    )


def _goal_text(inputs: PlanInputs) -> str:
    name = "a health factor" if inputs.goal.kind == "health-factor" else "a leverage"
    return f"{name} of {inputs.goal.value}"


def _best_partial(
    path: Path, inputs: PlanInputs, partial: Sequence[_Short], refusals: Sequence[Infeasible], aim: Aim
) -> tuple[Path, str]:
    best = max(partial, key=lambda short: short.end.health_factor() or 0, default=None)
    debt = choose_debt(inputs).asset
    if best is None:
        raise with_outside_help(refusals[0], path, debt, aim)
    try:
        require_worthwhile(start(inputs), best.end, MAX_ROUNDS, inputs.floor)
    except Infeasible as slow:
        raise with_outside_help(best.why or slow, path, debt, aim) from None
    return best.end, _label(best, inputs)


def _label(short: _Short, inputs: PlanInputs) -> str:
    end, goal = short.end, _goal_text(inputs)
    reach = f"a health factor of {health_text(end.health_factor())} and a leverage of {leverage_text(end.last)}"
    if short.why is None:
        return f"PARTIAL: {MAX_ROUNDS} rounds reach {reach}, not {goal}; plan again afterwards"
    return f"PARTIAL: it reaches {reach}, not {goal}, since {short.why.fact}; plan again afterwards"
