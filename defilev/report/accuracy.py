"""How well promises were kept: the distribution of got against promised over the journal's finished runs; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import ceil
from typing import Any

from defilev.report.figures import DOLLAR, dollars, grouped, percent
from defilev.report.ink import Ink
from defilev.report.table import Cell, Column, table
from defilev.units import WAD, to_decimal

__all__ = ["Accuracy", "Spread", "accuracy_document", "accuracy_of", "accuracy_text"]

Row = Mapping[str, Any]

KEPT_WITHIN = WAD // 1000
"""How far below its promise a health factor may be and the promise still counts as kept."""

PLACES = 18
"""Digits after the point in the document."""

_QUANTILES = (Decimal("0.1"), Decimal("0.5"), Decimal("0.9"))
_COLUMNS = tuple(Column(name, "right" if name else "left") for name in ("", "n", "least", "p10", "p50", "p90", "most"))


@dataclass(frozen=True, slots=True)
class Spread:
    """A distribution: how many, the least, three quantiles by nearest rank, and the most."""

    count: int
    least: Decimal
    p10: Decimal
    p50: Decimal
    p90: Decimal
    most: Decimal


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Promised against got; a spread is `None` when there is nothing to count.

    `health_factor`: got less promised. `debt`: got over promised less one. `cost`: got less expected, of the runs that
    are valued in US dollars. `slippage`: of each swap, how much less than its quote it brought, as a fraction of that.
    """

    runs: int
    kept: int
    health_factor: Spread | None
    debt: Spread | None
    cost: Spread | None
    slippage: Spread | None


def accuracy_of(outcomes: Sequence[Row]) -> Accuracy:
    """Return the distributions over finished runs, as `JournalReader.outcomes` gives them."""
    pairs = [(row["promised_health_factor"], row["got_health_factor"]) for row in outcomes]
    debts = [(row["promised_debt"], row["got_debt"]) for row in outcomes]
    in_dollars = [row for row in outcomes if row["quote"] == DOLLAR]
    costs = [(row["cost_expected"], row["cost_got"], row["quote_decimals"]) for row in in_dollars]
    fills = [fill for row in outcomes for fill in row["fills"]]
    return Accuracy(
        runs=len(outcomes),
        kept=sum(_is_kept(promised, got) for promised, got in pairs),
        health_factor=_spread(to_decimal(got - promised, 18) for promised, got in pairs if None not in (promised, got)),
        debt=_spread(Decimal(got) / promised - 1 for promised, got in debts if promised),
        cost=_spread(Decimal(got - expected).scaleb(-decimals) for expected, got, decimals in costs if got is not None),
        slippage=_spread(1 - Decimal(fill["got"]) / fill["quoted"] for fill in fills if fill["quoted"]),
    )


def accuracy_document(accuracy: Accuracy, *, place: str) -> dict[str, Any]:
    """Return the `defilev/accuracy@1` document."""
    return {
        "schema": "defilev/accuracy@1",
        "journal": place,
        "runs": accuracy.runs,
        "kept": accuracy.kept,
        **{name: _plain(getattr(accuracy, name)) for name in ("health_factor", "debt", "cost", "slippage")},
    }


def accuracy_text(accuracy: Accuracy, *, width: int, ink: Ink) -> str:
    """Return the distributions as a table."""
    rows = [
        ("health factor, got less promised", accuracy.health_factor, lambda value: _signed(value, 4)),
        ("debt, got over promised", accuracy.debt, lambda value: percent(value, places=3, signed=True)),
        ("cost in dollars, got less expected", accuracy.cost, dollars),
        ("slippage, below the quote", accuracy.slippage, lambda value: percent(value, places=3, signed=True)),
    ]
    cells = [_cells(name, spread, write) for name, spread, write in rows]
    head = f"{accuracy.kept} of {accuracy.runs} promises kept"
    return "\n".join([ink(head, "strong"), "", *table(_COLUMNS, cells, width=width, ink=ink)])


def _is_kept(promised: int | None, got: int | None) -> bool:
    return got is None or (promised is not None and got >= promised - KEPT_WITHIN)


def _spread(values: Iterable[Decimal]) -> Spread | None:
    ordered = sorted(values)
    if not ordered:
        return None
    p10, p50, p90 = (ordered[_rank(quantile, len(ordered))] for quantile in _QUANTILES)
    return Spread(len(ordered), ordered[0], p10, p50, p90, ordered[-1])


def _rank(quantile: Decimal, count: int) -> int:
    """Return the place of the nearest rank, from zero."""
    return ceil(quantile * count) - 1


def _plain(spread: Spread | None) -> dict[str, Any] | None:
    if spread is None:
        return None
    figures = {name: f"{round(getattr(spread, name), PLACES):f}" for name in ("least", "p10", "p50", "p90", "most")}
    return {"count": spread.count, **figures}


def _cells(name: str, spread: Spread | None, write: Any) -> list[Cell]:
    if spread is None:
        return [Cell(name), Cell("0"), *(Cell("—") for _ in range(5))]
    figures = (spread.least, spread.p10, spread.p50, spread.p90, spread.most)
    return [Cell(name), Cell(str(spread.count)), *(Cell(write(figure)) for figure in figures)]


def _signed(value: Decimal, places: int) -> str:
    return ("+" if value > 0 else "") + grouped(value, places)
