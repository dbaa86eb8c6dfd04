"""Collateral that an earlier plan withdrew and did not come to sell: it is sold before any more is withdrawn."""

from __future__ import annotations

from defilev.errors import Infeasible
from defilev.model.account import Leg
from defilev.model.request import Read
from defilev.plan.choose import rank, read_routes
from defilev.plan.goals import Aim
from defilev.plan.inputs import PlanInputs
from defilev.plan.path import Path, borrow_of
from defilev.plan.quoting import Sold, find_fill
from defilev.plan.rounds import SMALLEST_SALE, closest, overshot, reached
from defilev.plan.sale import Fill, Sale, exchange, repay_part, require_venue, sale_of

__all__ = ["sell_in_hand"]


def sell_in_hand(path: Path, inputs: PlanInputs, debt: Leg, aim: Aim, sold: Sold) -> Read[tuple[Path, Sold]]:
    """Return the path after selling what the goal needs of the collateral in hand, and repaying `debt` with it.

    What is `sold` already counts against every quote, and what is sold here is added to it.

    What the position holds nothing of any more has no price in it, and stays in the wallet; so does what no route
    takes at the price that the plan allows.
    """
    for sale, held in _sales(inputs, debt):
        if reached(path, aim) or borrow_of(path.last, debt.asset.address) == 0:
            break
        amount = _amount(path, inputs, sale, held, aim)
        if amount < SMALLEST_SALE:
            continue
        routes = yield from read_routes(inputs, [sale])
        (ranked,) = yield from rank(inputs, {sale: amount}, routes)
        try:
            fill = yield from find_fill(require_venue(inputs), sale, ranked.routes, sold, amount)
        except Infeasible:
            continue
        path, sold = _sold(path, inputs, sale, fill), sold.with_fill(sale, fill)
    return path, sold


def _sales(inputs: PlanInputs, debt: Leg) -> list[tuple[Sale, int]]:
    supplies = {leg.asset.address: leg for leg in inputs.account.legs if leg.side == "supply"}
    held = {balance.token.address: balance.amount for balance in inputs.in_hand}
    sales = [(sale_of(inputs, supplies[token], debt), amount) for token, amount in held.items() if token in supplies]
    return [(sale, amount) for sale, amount in sales if sale.swaps]


def _amount(path: Path, inputs: PlanInputs, sale: Sale, held: int, aim: Aim) -> int:
    """Return how much to sell: what reaches the goal, or all that the debt can take."""
    most = min(held, sale.amount_for(borrow_of(path.first, sale.debt.address)))

    def after(amount: int) -> Path:
        return _sold(path.since(), inputs, sale, Fill(amount, sale.minimum_out(amount)))

    def enough(amount: int) -> bool:
        try:
            return reached(after(amount), aim)
        except Infeasible:
            return False

    if most < SMALLEST_SALE or not enough(most):
        return most
    return closest(enough, lambda amount: overshot(after(amount), aim), most)


def _sold(path: Path, inputs: PlanInputs, sale: Sale, fill: Fill) -> Path:
    amount = min(fill.minimum_out, borrow_of(path.first, sale.debt.address))
    return repay_part(exchange(path, inputs, sale, fill), sale.debt, amount)
