"""Checks of numbers that formulas take: what is wrong is named, and no NaN gets past."""

from __future__ import annotations

from math import isfinite

from defilev.errors import InvalidNumber

__all__ = ["above", "at_least", "finite", "open_unit"]


def finite(value: float, *, what: str) -> float:
    """Return `value`; raises `InvalidNumber` when it is infinite or not a number."""
    if not isfinite(value):
        raise InvalidNumber(f"{what} is {value}", fix=f"give a finite {what}")
    return float(value)


def above(value: float, limit: float, *, what: str) -> float:
    """Return `value`; raises `InvalidNumber` unless it is finite and above `limit`."""
    if not finite(value, what=what) > limit:
        raise InvalidNumber(f"{what} {value:g} is not above {limit:g}", fix=f"give a {what} above {limit:g}")
    return float(value)


def at_least(value: float, limit: float, *, what: str) -> float:
    """Return `value`; raises `InvalidNumber` unless it is finite and at least `limit`."""
    if not finite(value, what=what) >= limit:
        raise InvalidNumber(f"{what} {value:g} is below {limit:g}", fix=f"give a {what} of at least {limit:g}")
    return float(value)


def open_unit(value: float, *, what: str) -> float:
    """Return `value`; raises `InvalidNumber` unless it lies between 0 and 1, ends excluded."""
    if not 0 < finite(value, what=what) < 1:
        raise InvalidNumber(f"{what} {value:g} is not between 0 and 1", fix=f"give a {what} such as 0.01")
    return float(value)
