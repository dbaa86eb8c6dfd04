"""What only a whole plan can tell of a debt that takes another's place: all that is borrowed pays for it; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from defilev.execute.checks import Bounds, Check, DecodedCall, MoveKind
from defilev.execute.rules import SwapCall, swap_call
from defilev.model.plan import Plan
from defilev.model.request import Address

__all__ = ["borrowing_checks", "swaps_debt"]

ROUNDED = 100
"""One part in this many of what a sale brings may be kept: it is sold in whole units of a token that may be coarse."""


def swaps_debt(plan: Plan) -> bool:
    """Return whether what a plan borrows is to take the place of another debt."""
    return plan.goal.kind == "swap-debt"


def borrowing_checks(calls: Sequence[DecodedCall], *, bounds: Bounds) -> Iterator[tuple[int, Check]]:
    """Yield, with the position of each borrowing, that it is sold for a debt, which is repaid with what it brings."""
    for position, call in enumerate(calls):
        if call.move is None or call.move.kind != "borrow":
            continue
        sale = _next_sale(calls[position + 1 :], call.move.asset)
        sold = None if sale is None else sale.amount_in
        yield position, Check("what is borrowed is sold", sold == call.move.amount, sold, call.move.amount)
        bought = "" if sale is None else sale.hops[-1][1]
        yield position, Check("it is sold for", bought in bounds.debts, bought, "a token that the account owes")
    for asset in {call.move.asset for call in calls if call.move is not None and call.move.kind == "borrow"}:
        yield from _repaid(calls, asset)


def _repaid(calls: Sequence[DecodedCall], borrowed: Address) -> Iterator[tuple[int, Check]]:
    sales = [(place, swap_call(call)) for place, call in enumerate(calls) if call.role == "router"]
    of_it = [(place, sale) for place, sale in sales if sale.hops[0][0] == borrowed]
    for bought in {sale.hops[-1][1] for _, sale in of_it}:
        brought = sum(sale.minimum_out for _, sale in of_it if sale.hops[-1][1] == bought)
        amounts = _amounts(calls, "repay", bought)
        repaid = None if None in amounts else sum(amount for amount in amounts if amount is not None)
        least = brought - brought // ROUNDED
        holds = bool(amounts) and (repaid is None or repaid >= least)
        yield of_it[0][0], Check("what it brings is repaid", holds, repaid, f"at least {least}, or everything")


def _next_sale(calls: Sequence[DecodedCall], token: Address) -> SwapCall | None:
    sales = (swap_call(call) for call in calls if call.role == "router")
    return next((sale for sale in sales if sale.hops[0][0] == token), None)


def _amounts(calls: Sequence[DecodedCall], kind: MoveKind, asset: Address) -> list[int | None]:
    moves = [call.move for call in calls if call.move is not None]
    return [move.amount for move in moves if (move.kind, move.asset) == (kind, asset)]
