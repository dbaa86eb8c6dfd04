"""What selling more and more along a pair costs, as pieces whose cost per unit rises."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate

from defilev.model.request import Read
from defilev.plan.choose import Ranked
from defilev.plan.inputs import PlanInputs
from defilev.venues.contract import Order

__all__ = ["Segments", "read_curves"]

Segments = tuple[tuple[float, float], ...]
"""Pieces of a sale as (value sold, cost per unit of it), in quote currency at the oracle's prices."""

SIZES = (Fraction(1, 64), Fraction(1, 16), Fraction(1, 4), Fraction(1, 2), Fraction(3, 4), Fraction(1))
ROUTES_PER_SIZE = 3


def read_curves(inputs: PlanInputs, sources: Sequence[Ranked]) -> Read[list[Segments]]:
    """Return the cost of each source up to its amount, in one batch; empty where no route gives the allowed minimum.

    Each size takes the best of the source's best routes. A piece that is cheaper than the one before it, as between two
    routes, counts at the cost of that one.
    """
    orders = {
        (place, amount): [Order(route, amount) for route in source.routes[:ROUTES_PER_SIZE]]
        for place, source in enumerate(sources)
        if source.sale.swaps
        for amount in _amounts(source)
    }
    asked = [order for each in orders.values() for order in each]
    quotes = (yield from inputs.venue.quotes(asked)) if inputs.venue is not None and asked else ()
    brought: dict[Order, int] = {
        order: quote.amount_out for order, quote in zip(asked, quotes, strict=True) if quote is not None
    }
    return [
        _segments(
            source,
            {
                amount: max((brought.get(order, 0) for order in orders[place, amount]), default=0)
                for amount in _amounts(source)
            }
            if source.sale.swaps
            else {source.amount: source.amount},
        )
        for place, source in enumerate(sources)
    ]


def _amounts(source: Ranked) -> list[int]:
    return sorted({amount for share in SIZES if (amount := int(source.amount * share)) > 0})


def _segments(source: Ranked, brought: dict[int, int]) -> Segments:
    """Return the pieces up to the largest amount that brings its minimum, given what each amount brings."""
    sale = source.sale
    sizes: list[float] = []
    costs: list[float] = []
    amount_before = brought_before = 0
    for amount, out in brought.items():
        if out < sale.minimum_out(amount) or out <= brought_before:
            break
        part = amount - amount_before
        sizes.append(float(part * sale.unit_value))
        costs.append(float(1 - (out - brought_before) / (part * sale.price)))
        amount_before, brought_before = amount, out
    return tuple(zip(sizes, accumulate(costs, max), strict=True))
