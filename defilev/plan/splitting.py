"""A sale along two routes at once, where that brings more than either alone by more than its gas; pure."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations
from math import ceil

from defilev.model.plan import Swap
from defilev.plan.inputs import APPROVE_GAS, PlanInputs
from defilev.plan.sale import Fill, Sale
from defilev.venues.contract import Route

__all__ = ["ROUTES_TO_PAIR", "best_split", "least_gain", "shares_of"]

ROUTES_TO_PAIR = 3
"""Only so many of the best routes are paired with each other."""

QUARTERS = 4
"""A sale is split in quarters: one, two or three of them go along the first of two routes."""

_SMALLEST_GAIN = Fraction(1, 10_000)
"""A gain of less than this part is not worth a second swap, whatever gas costs."""


def shares_of(amount: int) -> tuple[int, ...]:
    """Return the parts of `amount` that a split may send along one of its routes."""
    first = [amount * quarter // QUARTERS for quarter in range(1, QUARTERS)]
    return tuple(sorted({part for each in first for part in (each, amount - each)} - {0, amount}))


def least_gain(inputs: PlanInputs, sale: Sale, routes: Sequence[Route], amount: int) -> int:
    """Return how much more of the debt a split must bring than one route, in base units: what a swap's gas is worth."""
    least = ceil(amount * sale.price * _SMALLEST_GAIN)
    if inputs.venue is None or inputs.native is None or not routes:
        return least
    gas = max(inputs.venue.gas(Swap(route, 1, 1, 1)) for route in routes[:ROUTES_TO_PAIR]) + APPROVE_GAS
    value = inputs.protocol.value_down(inputs.account, inputs.native.address, gas * inputs.gas_price)
    worth = Fraction(value, 10**inputs.account.quote_decimals) * sale.price / sale.unit_value
    return max(least, ceil(worth))


def best_split(sale: Sale, amount: int, parts: Sequence[Fill]) -> Fill | None:
    """Return the two of `parts` that make up `amount` and bring most together; `None` when no two do.

    Their routes share no pool, so that what each brings by itself is what they bring together.
    """
    pairs = [
        (one, other)
        for one, other in combinations(parts, 2)
        if one.amount + other.amount == amount and one.quote and other.quote and _are_apart(one.route, other.route)
    ]
    best = max(pairs, key=_brought, default=None)
    if best is None:
        return None
    larger, smaller = sorted(best, key=lambda part: -part.amount)
    whole = Fill(amount, sale.minimum_out(amount), larger.route, larger.quote, smaller)
    return whole if all(_brings(part) >= part.minimum_out for part in whole.parts) else None


def _brought(pair: tuple[Fill, Fill]) -> int:
    return sum(_brings(part) for part in pair)


def _brings(part: Fill) -> int:
    return part.quote.amount_out if part.quote is not None else 0


def _are_apart(one: Route, other: Route) -> bool:
    return not {hop.pool for hop in one} & {hop.pool for hop in other}
