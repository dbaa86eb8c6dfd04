"""The self-check: fees, profit and what is left, worked out from what is stored, against the Reader's, on every read.

The Reader's test for liquidation leaves out the fees since the market's last update, so it is held to what our formula
gives without them; the fees with them are held to `getPositionInfo`. The verdict that an account shows is the keeper's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from defilev.errors import SelfCheckFailed
from defilev.model.account import SelfCheck
from defilev.protocols.gmx_v2 import math
from defilev.protocols.gmx_v2.state import PositionState

__all__ = ["EXACT_CHECK", "checked"]

EXACT_CHECK = SelfCheck("exact", "getPositionInfo's fees and profit, isPositionLiquidatable's remaining collateral")


def checked(state: PositionState, required: Sequence[int]) -> PositionState:
    """Return `state` once everything that the Reader says of it has been reproduced to the digit.

    `required` are the two amounts that the Reader says must be left.

    Raises:
        SelfCheckFailed: something has not; the error has both figures.
    """
    for what, ours, theirs in _compared(state, required):
        if ours != theirs:
            raise SelfCheckFailed(
                f"computed and contract {what} of position {state.key} differ at block {state.block.number}",
                computed=ours,
                contract=theirs,
                market=state.market.market,
            )
    return state


def _compared(state: PositionState, required: Sequence[int]) -> Iterator[tuple[str, object, object]]:
    position, terms, charges = state.position, state.terms, state.charges
    borrowing, funding = math.fees_up_to_date(terms, at=state.at)
    yield "funding fee", math.funding_amount(position, funding), charges.funding_amount
    yield "borrowing fee", math.borrowing_usd(position, borrowing), charges.borrowing_usd
    paid = math.borrowing_amount(position, borrowing, state.collateral_price)
    yield "borrowing fee in tokens", paid, charges.borrowing_amount
    closing = math.closing_amount(position, charges.closing_factor, state.collateral_price)
    yield "closing fee", closing, charges.closing_amount
    yield "cost of closing", _cost(state, charges.borrowing_amount, charges.funding_amount), charges.total_amount
    yield "profit", math.unrealized_pnl(position, state.index_price), charges.uncapped_pnl
    yield "capped profit is no larger", True, charges.pnl <= charges.uncapped_pnl
    yield from _verdict(state, required)


def _verdict(state: PositionState, required: Sequence[int]) -> Iterator[tuple[str, object, object]]:
    """Compare the Reader's own view, which counts fees as they are stored."""
    position, terms = state.position, state.terms
    paid = math.borrowing_amount(position, terms.borrowing_factor, state.collateral_price)
    stored = _cost(state, paid, math.funding_amount(position, terms.funding_per_size))
    yield "remaining collateral", math.remaining(state, stored), state.reader_remaining
    yield "required collateral", math.maintenance(position.size, terms), max(required)
    yield "isPositionLiquidatable", math.is_liquidatable(state, stored), state.reader_liquidatable


def _cost(state: PositionState, borrowing_amount: int, funding_amount: int) -> int:
    charges = state.charges
    return charges.closing_amount + charges.ui_amount - charges.discount_amount + borrowing_amount + funding_amount
