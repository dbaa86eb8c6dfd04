"""Fixed-point units and exact conversions between base units and decimals; pure integers, never a float."""

from __future__ import annotations

from decimal import Context, Decimal, InvalidOperation, localcontext
from typing import NewType

from defilev.errors import InvalidNumber

__all__ = [
    "BPS",
    "EXACT",
    "RAY",
    "SECONDS_PER_YEAR",
    "UINT256_MAX",
    "WAD",
    "Bps",
    "Ray",
    "Wad",
    "mul_div_down",
    "mul_div_half_up",
    "mul_div_up",
    "parse_amount",
    "parse_decimal",
    "parse_percentage",
    "to_decimal",
    "to_raw",
]

Wad = NewType("Wad", int)
"""A ratio scaled by 1e18, as in health factors."""
Ray = NewType("Ray", int)
"""A ratio scaled by 1e27, as in indices and yearly rates."""
Bps = NewType("Bps", int)
"""A ratio scaled by 1e4, as in thresholds."""

WAD = 10**18
RAY = 10**27
BPS = 10**4
SECONDS_PER_YEAR = 365 * 24 * 3600
UINT256_MAX = 2**256 - 1

EXACT = Context(prec=160)
"""A decimal context that holds the product of two 256-bit integers without rounding."""

_LARGEST_EXPONENT = 80


def mul_div_down(left: int, right: int, divisor: int) -> int:
    """Return `left * right / divisor` of non-negative integers, rounded down."""
    return left * right // divisor


def mul_div_up(left: int, right: int, divisor: int) -> int:
    """Return `left * right / divisor` of non-negative integers, rounded up."""
    return -(-left * right // divisor)


def mul_div_half_up(left: int, right: int, divisor: int) -> int:
    """Return `left * right / divisor` of non-negative integers, rounded to nearest, halves up."""
    return (left * right + divisor // 2) // divisor


def to_decimal(raw: int, decimals: int) -> Decimal:
    """Return `raw` base units as an exact decimal with `decimals` places."""
    return Decimal(raw).scaleb(-decimals, EXACT)


def to_raw(value: Decimal, decimals: int) -> int:
    """Return `value` in base units; exact.

    Raises:
        InvalidNumber: `value` has more than `decimals` places.
    """
    scaled = value.scaleb(decimals, EXACT)
    if scaled != scaled.to_integral_value(context=EXACT):
        raise InvalidNumber(
            f"{value} has more than {decimals} decimal places", fix=f"give at most {decimals} decimal places"
        )
    return int(scaled)


def parse_decimal(text: str, *, what: str) -> Decimal:
    """Return the finite decimal that `text` says.

    Raises:
        InvalidNumber: `text` is not a number, is not finite, or is too large or too small to be meant.
    """
    try:
        with localcontext(EXACT):
            value = Decimal(text.strip().replace("_", ""))
    except InvalidOperation:
        raise InvalidNumber(f"{what} {text!r} is not a number", fix="write it as 1.5") from None
    if not value.is_finite() or abs(value.adjusted()) > _LARGEST_EXPONENT:
        raise InvalidNumber(f"{what} {text!r} is not a number of a sensible size", fix="write it as 1.5")
    return value


def parse_amount(text: str, decimals: int, *, what: str = "amount") -> int:
    """Return a positive amount in base units of a token with `decimals` places.

    Raises:
        InvalidNumber: not a number, not positive, or more places than the token has.
    """
    value = parse_decimal(text, what=what)
    if value <= 0:
        raise InvalidNumber(f"{what} {text!r} is not above zero", fix="give an amount above zero")
    return to_raw(value, decimals)


def parse_percentage(text: str, *, what: str) -> Decimal:
    """Return the fraction that `text` says: "0.5%" is 0.005, "-20%" is -0.2.

    Raises:
        InvalidNumber: the percent sign is missing, or what stands before it is not a number.
    """
    stripped = text.strip().replace("−", "-")
    if not stripped.endswith("%"):
        raise InvalidNumber(f"{what} {text!r} has no percent sign", fix=f"write {text.strip()}%")
    return parse_decimal(stripped[:-1], what=what).scaleb(-2, EXACT)
