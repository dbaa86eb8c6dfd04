"""A loan and its hedge in words: both barriers, their chances, the split of the margin, and the best carry."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from math import isfinite

from defilev.optimize.hedged import CarryBook, Odds
from defilev.pipeline.hedging import HedgedBook
from defilev.report import figures
from defilev.report.ink import Ink
from defilev.report.liquidation import decimal_figure
from defilev.report.table import LABEL_WIDTH, Cell, flow, labelled

__all__ = ["hedge_text"]

_SMALLEST = 1e-6


def hedge_text(book: HedgedBook, *, chain_name: str, width: int, ink: Ink) -> str:
    """Return the answer for a terminal of `width` columns, without a newline at its end."""
    loan = book.loan
    block = f"block {figures.block_number(loan.block.number)}"
    head = [Cell(f"{book.driver}, hedged", "strong"), Cell(figures.clean(chain_name)), Cell(block), Cell(loan.owner)]
    lines = [*flow(head, separator=" · ", width=width, ink=ink), ""]
    room = width - LABEL_WIDTH - 2
    for label, parts in _parts(book):
        cells = [Cell(word) for part in parts for word in part.split(" ")]
        lines += labelled(label, flow(cells, separator=" ", width=room, ink=ink))
    return "\n".join(lines)


def _parts(book: HedgedBook) -> Iterator[tuple[str, list[str]]]:
    loan, hedge, asked, now = book.loan, book.hedge, book.question, book.now
    below = f"{book.driver} below {_price(book, now.below)} ({_move(now.below)}),"
    above = f"{book.driver} above {_price(book, now.above)} ({_move(now.above)})," if isfinite(now.above) else "never,"
    yield "loan", [f"{loan.protocol} {figures.clean(loan.market_name)}:", below, f"P {_chance(now.loan)}"]
    yield "hedge", [f"{hedge.protocol} {figures.clean(hedge.market_name)}:", above, f"P {_chance(now.hedge)}"]
    days = figures.grouped(decimal_figure(asked.horizon * 365), 0)
    how = f"within {days} d at {figures.percent(decimal_figure(asked.volatility), places=1)}, lognormal without drift"
    yield "either", [f"P {_chance(now.either)}", how]
    share = decimal_figure(book.delta / book.equity) if book.equity > 0 else None
    yield (
        "delta",
        [f"{_dollars(book.delta)}, {figures.percent(share, signed=True)} of the equity {_dollars(book.equity)}"],
    )
    yield "margin", _split(book)
    kept = "kept" if now.either <= asked.budget else "kept by that split"
    if book.missing:
        kept = f"not kept by any split: {_dollars(book.missing)} more would keep it"
    yield "budget", [f"P {_chance(asked.budget)}:", kept]
    yield "carry now", [_made(book.held, is_known=book.carry is not None)]
    if book.best is not None:
        yield "best carry", [_made(book.best, is_known=True), f"({_band(asked.band)}; half of the budget on each side)"]


def _split(book: HedgedBook) -> list[str]:
    amount = _dollars(abs(book.moved))
    way = "from the loan to the hedge" if book.moved > 0 else "from the hedge to the loan"
    if abs(book.moved) < 1e-3 * max(book.equity, 1.0):
        return ["split as well as it can be"]
    return [f"best with {amount} {way}:", _after(book.split)]


def _after(odds: Odds) -> str:
    above = _move(odds.above) if isfinite(odds.above) else "never"
    return f"P {_chance(odds.either)}, barriers {_move(odds.below)} and {above}"


def _made(book: CarryBook, *, is_known: bool) -> str:
    carry = f"{_dollars(book.carry)} a year" if is_known else "unknown, as the funding is"
    parts = (("collateral", book.collateral), ("debt", book.debt), ("margin", book.margin), ("hedge", book.notional))
    return f"{carry}: " + ", ".join(f"{name} {_dollars(value)}" for name, value in parts)


def _band(band: tuple[float, float] | None) -> str:
    low, high = (figures.percent(decimal_figure(each), places=0, signed=True) for each in band or (0.0, 0.0))
    return f"delta between {low} and {high} of the equity"


def _price(book: HedgedBook, factor: float) -> str:
    return figures.price(decimal_figure(book.price * factor))


def _move(factor: float) -> str:
    return figures.change(decimal_figure(factor - 1))


def _chance(value: float) -> str:
    shown = max(value, _SMALLEST)
    places = 2 if shown >= 1e-3 else 4
    return f"{'< ' if value < _SMALLEST else ''}{figures.percent(decimal_figure(shown), places=places)}"


def _dollars(value: float) -> str:
    return figures.dollars(round(decimal_figure(value), 2) or Decimal(0))
