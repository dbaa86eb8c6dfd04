"""A book as one position: its leverage, what it pays a year, and between which moves all of it survives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from defilev.report.bounds import Bounds, nearest_bound
from defilev.report.health import HealthView
from defilev.report.perp import PerpView, View
from defilev.units import EXACT

__all__ = ["BookBounds", "Carry", "added", "carry_of", "limits_of"]

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class BookBounds:
    """The first account that dies when `driver` falls, and the first when it rises, each with the relative move.

    `driver` is `None` for everything but stablecoins moving together. A side is `None` where nobody dies on it.
    """

    driver: str | None
    below: tuple[View, Decimal] | None
    above: tuple[View, Decimal] | None


@dataclass(frozen=True, slots=True)
class Carry:
    """What a book earns in a year at today's rates, in dollars; what is paid is negative.

    `supply` and `borrow` are the loans' interest, `funding` and `borrowing` the perpetuals'. `unknown` is how many
    perpetuals have funding that nobody can tell: they are in no figure but `borrowing`.
    """

    supply: Decimal
    borrow: Decimal
    funding: Decimal
    borrowing: Decimal
    unknown: int

    @property
    def net(self) -> Decimal:
        """All of it."""
        return added((self.supply, self.borrow, self.funding, self.borrowing))


def limits_of(views: Sequence[View]) -> tuple[BookBounds, ...]:
    """Return the bounds of a book, everything together first, then by driver; empty when no move liquidates anybody."""
    names = dict.fromkeys(each.driver for view in views for each in view.bounds)
    found = [_limits(name, views) for name in names]
    return tuple(each for each in found if each.below or each.above)


def carry_of(views: Iterable[tuple[HealthView, Decimal | None]], perps: Sequence[PerpView]) -> Carry:
    """Return the carry of loans, each with the dollars in one unit of its currency, and of perpetuals."""
    loans = [(view.balance, dollars) for view, dollars in views if dollars is not None]
    known = [view.balance.funding for view in perps if view.balance.funding is not None]
    return Carry(
        supply=_sum((each.supply_rate or _ZERO, each.collateral_value, dollars) for each, dollars in loans),
        borrow=-_sum((each.borrow_rate or _ZERO, each.debt_value, dollars) for each, dollars in loans),
        funding=added(known),
        borrowing=added(view.balance.borrowing for view in perps),
        unknown=len(perps) - len(known),
    )


def _limits(driver: str | None, views: Sequence[View]) -> BookBounds:
    own: list[tuple[int, Bounds]] = [
        (number, each) for number, view in enumerate(views) for each in view.bounds if each.driver == driver
    ]
    below, above = nearest_bound(own, lambda each: each.below), nearest_bound(own, lambda each: each.above)
    return BookBounds(
        driver,
        None if below is None else (views[below[0]], below[1]),
        None if above is None else (views[above[0]], above[1]),
    )


def _sum(products: Iterable[tuple[Decimal, Decimal, Decimal]]) -> Decimal:
    return added(EXACT.multiply(EXACT.multiply(rate, value), dollars) for rate, value, dollars in products)


def added(values: Iterable[Decimal]) -> Decimal:
    """Return the sum of `values`, exact."""
    total = _ZERO
    for value in values:
        total = EXACT.add(total, value)
    return total
