"""The largest or smallest integer for which something monotone holds."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["largest", "smallest"]

SIGNIFICANT_DIGITS = 7


def largest(holds: Callable[[int], bool], high: int) -> int:
    """Return an amount up to `high` for which `holds`, to seven significant digits of the largest; 0 when none does.

    `holds` must be true up to some amount and false above it.
    """
    if high <= 0:
        return 0
    if holds(high):
        return high
    low = 0
    unit = _unit(high)
    while high - low > unit:
        middle = _rounded((low + high) // 2, unit, low)
        low, high = (middle, high) if holds(middle) else (low, middle)
        unit = _unit(high)
    return low


def smallest(holds: Callable[[int], bool], high: int, *, unit: int | None = None) -> int:
    """Return the smallest amount up to `high` for which `holds`, a multiple of `unit` unless it is `high` itself.

    `holds` must be false below some amount, true from there on, and true at `high`. Without `unit` the amount has seven
    significant digits.
    """
    low = 0
    step = unit or _unit(high)
    while high - low > step:
        middle = _rounded((low + high) // 2, step, low)
        low, high = (low, middle) if holds(middle) else (middle, high)
        step = unit or _unit(high)
    return high


def _unit(high: int) -> int:
    return int(10 ** max(0, len(str(high)) - SIGNIFICANT_DIGITS))


def _rounded(middle: int, unit: int, low: int) -> int:
    """Return `middle` rounded down to `unit`, but above `low`."""
    rounded = middle - middle % unit
    return rounded if rounded > low else middle
