"""What every function of risk asks of its numbers: finite, in range, never NaN; arrays in, arrays out."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from defilev.errors import InvalidNumber

__all__ = ["Array", "broadcast", "finite", "fraction", "non_negative", "not_nan", "positive", "scalar_or_array"]

Array: TypeAlias = npt.NDArray[np.float64]

_LARGEST = 1e15
_SMALLEST = 1e-15
"""Beyond these no market figure lies, and the formulas' own terms would overflow."""


def not_nan(name: str, value: npt.ArrayLike) -> Array:
    """Return `value` as floats; infinities pass.

    Raises:
        InvalidNumber: `value` holds NaN, or something that is not a number.
    """
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidNumber(f"{name} is not a number", fix=f"give {name} as numbers", value=repr(value)[:80]) from None
    if np.isnan(array).any():
        raise InvalidNumber(f"{name} holds a value that is not a number (NaN)", fix=f"leave out what has no {name}")
    return array


def finite(name: str, value: npt.ArrayLike) -> Array:
    """Return `value` as floats, all of them finite and at most 1e15 in size; raises `InvalidNumber`."""
    array = not_nan(name, value)
    array = _require(name, array, np.isfinite(array), "is not finite", f"give a finite {name}")
    return _require(name, array, np.abs(array) <= _LARGEST, "is too large", f"give a {name} of a sensible size")


def positive(name: str, value: npt.ArrayLike) -> Array:
    """Return `value` as finite floats above zero, at least 1e-15; raises `InvalidNumber`."""
    array = finite(name, value)
    array = _require(name, array, array > 0, "is not above zero", f"give a {name} above zero")
    return _require(name, array, array >= _SMALLEST, "is too small", f"give a {name} of a sensible size")


def non_negative(name: str, value: npt.ArrayLike) -> Array:
    """Return `value` as finite floats of zero or more; raises `InvalidNumber`."""
    array = finite(name, value)
    return _require(name, array, array >= 0, "is below zero", f"give a {name} of zero or more")


def fraction(name: str, value: npt.ArrayLike) -> Array:
    """Return `value` as floats strictly between 0 and 1; raises `InvalidNumber`."""
    array = finite(name, value)
    inside = (array > 0) & (array < 1)
    return _require(name, array, inside, "is not between 0 and 1", f"give a {name} as a fraction: 0.01 is 1%")


def broadcast(*arrays: Array) -> tuple[Array, ...]:
    """Return `arrays` in one common shape; raises `InvalidNumber` when they have none."""
    try:
        return tuple(np.broadcast_arrays(*arrays))
    except ValueError:
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise InvalidNumber(
            "the arguments' shapes do not fit together", fix="give arrays of one length", shapes=shapes
        ) from None


def scalar_or_array(result: Array) -> float | Array:
    """Return a float for a result without dimensions, else the array."""
    return float(result) if result.ndim == 0 else result


def _require(name: str, array: Array, holds: npt.NDArray[np.bool_], fault: str, fix: str) -> Array:
    if not holds.all():
        worst = float(np.atleast_1d(array)[~np.atleast_1d(holds)][0])
        raise InvalidNumber(f"{name} {worst:g} {fault}", fix=fix, argument=name, value=worst)
    return array
