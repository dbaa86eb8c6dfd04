"""Relative changes of prices, as a program has them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TypeAlias

from defilev.errors import InvalidNumber, UsageError

__all__ = ["Number", "change_of", "changes_of"]

Number: TypeAlias = Decimal | float | int | str
"""A number as a program has it; a float is taken by its shortest decimal spelling."""

_LARGEST_RISE = 100


def changes_of(named: Mapping[str, Number]) -> tuple[tuple[str, Decimal], ...]:
    """Return the changes by name; raises `UsageError` without any, and `InvalidNumber` for one that is none to try."""
    if not named:
        raise UsageError("a shock needs an asset and a change", fix="write shock(WETH=-0.20)")
    return tuple((name, change_of(name, value)) for name, value in named.items())


def change_of(name: str, value: Number) -> Decimal:
    """Return a change, −0.2 for a fall of a fifth; raises `InvalidNumber`."""
    try:
        change = Decimal(str(value))
    except ArithmeticError:
        raise InvalidNumber(f"the change of {name} {value!r} is not a number", fix="write -0.20 for -20%") from None
    if not change.is_finite() or not -1 < change <= _LARGEST_RISE or not change:
        raise InvalidNumber(
            f"the change of {name} is {value}, which is none to try", fix="write a fall of a fifth as -0.20"
        )
    return change
