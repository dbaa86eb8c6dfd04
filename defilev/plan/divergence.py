"""How far the venue's price lies from the oracle's, and what is not traded at it for that reason; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil

from defilev.errors import VenueDiverges
from defilev.model.account import Leg, Notice
from defilev.model.plan import Swap
from defilev.model.request import Read
from defilev.plan.inputs import USUAL_DIVERGENCE, Divergence, PlanInputs
from defilev.plan.path import Path
from defilev.plan.sale import Sale, sale_of
from defilev.plan.words import amount_text, percent_text
from defilev.venues.contract import Order, Quote, Route

__all__ = ["Gap", "gap_of", "is_near", "read_notices", "small_order", "too_far"]

FEWEST_UNITS = 100_000
"""Base units on either side of a small sale, so that rounding stays out of its price."""

SMALL = 1000
"""A small sale is one part in this many of the whole one: it moves the price by next to nothing."""


@dataclass(frozen=True, slots=True)
class Gap:
    """By what part of the oracle's price the venue's lies above it for an order; below zero where it lies under."""

    order: Order
    part: Fraction


def small_order(sale: Sale, route: Route, amount: int) -> Order:
    """Return the sale along `route` that tells its price: a small part of `amount`."""
    least = max(FEWEST_UNITS, ceil(FEWEST_UNITS / sale.price))
    return Order(route, min(max(amount // SMALL, least), amount))


def gap_of(inputs: PlanInputs, sale: Sale, order: Order, quote: Quote | None) -> Gap | None:
    """Return the gap that a small order shows; `None` when the venue does not fill it.

    What the pools take as their fee is a cost, and no part of the price.
    """
    if quote is None or inputs.venue is None:
        return None
    return Gap(order, quote.amount_out / (order.amount_in * sale.price * inputs.venue.kept(order.route)) - 1)


def is_near(inputs: PlanInputs, sale: Sale, gap: Gap) -> bool:
    """Return whether a price is as near to the oracle's as the plan demands."""
    under, over = _limits(inputs, sale, inputs.divergence)
    return -gap.part <= under and (over is None or gap.part <= over)


def _limits(inputs: PlanInputs, sale: Sale, limit: Divergence) -> tuple[Decimal, Decimal | None]:
    is_e_mode_pair = inputs.protocol.is_e_mode_pair(inputs.account, sale.collateral.address, sale.debt.address)
    if limit.e_mode is not None and is_e_mode_pair:
        return limit.e_mode, limit.e_mode
    return limit.under, limit.over


def too_far(inputs: PlanInputs, sale: Sale, gap: Gap) -> VenueDiverges:
    """Return the refusal that names the pair, how far its prices are apart, and the limit."""
    under, over = _limits(inputs, sale, inputs.divergence)
    limit = under if gap.part < 0 or over is None else over
    return VenueDiverges(
        f"{_gap_text(inputs, sale, gap)}, and the plan allows {percent_text(Fraction(limit))}",
        tried_with=amount_text(gap.order.amount_in, sale.collateral),
        pools=", ".join(hop.pool for hop in gap.order.route),
    )


def _gap_text(inputs: PlanInputs, sale: Sale, gap: Gap) -> str:
    venue = inputs.venue.name if inputs.venue is not None else "the venue"
    side = "under" if gap.part < 0 else "over"
    pair = f"{sale.collateral.symbol} in {sale.debt.symbol}"
    return f"the price of {pair} on {venue} lies {percent_text(abs(gap.part))} {side} the oracle's"


def read_notices(inputs: PlanInputs, path: Path) -> Read[tuple[Notice, ...]]:
    """Return what a plan with a wider limit than the usual one must say: which prices only that limit lets through.

    One batch, and none where the limit is the usual one or nothing is sold.
    """
    if inputs.venue is None or inputs.divergence == USUAL_DIVERGENCE:
        return ()
    sold = {swap.route: swap for swap in path.actions if isinstance(swap, Swap)}
    asked = [
        (sale, small_order(sale, route, swap.amount_in))
        for route, swap in sold.items()
        if (sale := _sale(inputs, route)) is not None
    ]
    quotes = (yield from inputs.venue.quotes([order for _, order in asked])) if asked else ()
    found = [(sale, gap_of(inputs, sale, order, quote)) for (sale, order), quote in zip(asked, quotes, strict=True)]
    return tuple(_notices(inputs, [(sale, gap) for sale, gap in found if gap is not None]))


def _sale(inputs: PlanInputs, route: Route) -> Sale | None:
    supplied = _leg(inputs, "supply", route[0].token_in.address)
    owed = _leg(inputs, "borrow", route[-1].token_out.address)
    return None if supplied is None or owed is None else sale_of(inputs, supplied, owed)


def _leg(inputs: PlanInputs, side: str, asset: str) -> Leg | None:
    legs = (leg for leg in inputs.account.legs if leg.side == side and leg.asset.address == asset)
    return next(legs, None)


def _notices(inputs: PlanInputs, gaps: Sequence[tuple[Sale, Gap]]) -> Iterator[Notice]:
    for sale, gap in gaps:
        usual = _limits(inputs, sale, USUAL_DIVERGENCE)[0]
        if abs(gap.part) > usual:
            text = f"{_gap_text(inputs, sale, gap)}: {percent_text(Fraction(usual))} is usual, this plan allows more"
            yield Notice("divergence-widened", text)
