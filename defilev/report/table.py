"""Aligned columns and wrapped lines for a terminal of a given width; colour is applied after alignment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from defilev.report.ink import Ink

__all__ = ["Cell", "Column", "flow", "labelled", "table"]

LABEL_WIDTH = 16
_INDENT = "  "


@dataclass(frozen=True, slots=True)
class Column:
    """A column with its heading; columns with a higher `drop` are left out first when the table is too wide."""

    heading: str
    align: Literal["left", "right"] = "left"
    drop: int = 0


@dataclass(frozen=True, slots=True)
class Cell:
    """A text and the style it is written in, `None` for none; `short` stands for it where columns would be left out."""

    text: str
    style: str | None = None
    short: str = ""


def table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], *, width: int, ink: Ink) -> list[str]:
    """Return the heading and `rows`, indented; short forms are taken and columns dropped until the lines fit."""
    brief = [[replace(cell, text=cell.short or cell.text) for cell in row] for row in rows]
    kept = list(range(len(columns)))
    while len(kept) > 1 and _table_width([columns[place] for place in kept], [_at(row, kept) for row in brief]) > width:
        droppable = max(kept, key=lambda place: (columns[place].drop, place))
        if not columns[droppable].drop:
            break
        kept.remove(droppable)
    shown = [columns[place] for place in kept]
    headings = [Cell(column.heading, "dim") for column in shown]
    fits = _table_width(shown, [_at(row, kept) for row in rows]) <= width
    lines = [headings, *(_at(row, kept) for row in (rows if fits else brief))]
    widths = _widths(shown, lines)
    gap = 3 if _line_width(widths, 3) <= width else 2
    return [_line(line, shown, widths, gap, ink) for line in lines]


def labelled(label: str, lines: Iterable[str]) -> list[str]:
    """Return `lines` beside a label that stands on the first of them."""
    return [f"{_INDENT}{label if place == 0 else '':<{LABEL_WIDTH}}{line}" for place, line in enumerate(lines)]


def flow(items: Sequence[Cell], *, separator: str, width: int, ink: Ink) -> list[str]:
    """Return `items` on as few lines as fit into `width`; an item is never broken."""
    lines: list[list[Cell]] = []
    used = 0
    for item in items:
        needed = len(separator) + len(item.text)
        if not lines or used + needed > width:
            lines.append([])
            used = -len(separator)
        lines[-1].append(item)
        used += needed
    return [separator.join(_painted(item.text, item, ink) for item in line) for line in lines]


def _at(row: Sequence[Cell], places: Sequence[int]) -> list[Cell]:
    return [row[place] for place in places]


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> list[int]:
    return [
        max(len(column.heading), *(len(row[place].text) for row in rows), 0) for place, column in enumerate(columns)
    ]


def _table_width(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> int:
    return _line_width(_widths(columns, rows), 2)


def _line_width(widths: Sequence[int], gap: int) -> int:
    return len(_INDENT) + sum(widths) + gap * (len(widths) - 1)


def _line(row: Sequence[Cell], columns: Sequence[Column], widths: Sequence[int], gap: int, ink: Ink) -> str:
    padded = (
        f"{cell.text:<{width}}" if column.align == "left" else f"{cell.text:>{width}}"
        for cell, column, width in zip(row, columns, widths, strict=True)
    )
    painted = [_painted(text, cell, ink) for text, cell in zip(padded, row, strict=True)]
    return (_INDENT + (" " * gap).join(painted)).rstrip()


def _painted(text: str, cell: Cell, ink: Ink) -> str:
    return ink(text, cell.style) if cell.style else text
