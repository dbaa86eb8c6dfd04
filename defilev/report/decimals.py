"""Numbers as documents write them: decimal strings in plain notation, `None` where there is no figure."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal

from defilev.units import EXACT, Bps, to_decimal

__all__ = ["at_least", "bps", "computed_price", "fraction", "money", "rounded"]

_PRICE = Context(prec=8, rounding=ROUND_HALF_EVEN)


def bps(value: Bps | None) -> str | None:
    """Return basis points as a fraction with four places."""
    return None if value is None else format(to_decimal(value, 4), "f")


def fraction(value: Decimal | None) -> str | None:
    """Return a computed ratio with four to six places."""
    return None if value is None else at_least(rounded(value, 6), 4)


def money(value: Decimal | None) -> str | None:
    """Return a computed value with two places."""
    return None if value is None else at_least(rounded(value, 2), 2)


def computed_price(value: Decimal) -> str:
    """Return a computed price with eight significant digits."""
    return at_least(value.normalize(_PRICE), 2)


def rounded(value: Decimal, places: int) -> Decimal:
    """Return `value` with that many places, half to even; a zero has no sign."""
    near = value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN, context=EXACT)
    return near or abs(near)


def at_least(value: Decimal, places: int) -> str:
    """Return all the digits of `value` in plain notation, with no zeros at the end beyond `places` of them."""
    whole, _, digits = format(value, "f").partition(".")
    digits = digits.rstrip("0").ljust(places, "0")
    return f"{whole}.{digits}" if digits else whole
