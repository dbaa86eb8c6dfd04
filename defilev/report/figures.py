"""Numbers as people read them: grouped by narrow no-break spaces, each with its unit, never rounded to look safer."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal

from defilev.units import EXACT, to_decimal

__all__ = [
    "DOLLAR",
    "MINUS",
    "NARROW_SPACE",
    "NOTHING",
    "amount",
    "block_number",
    "change",
    "clean",
    "dollars",
    "duration",
    "grouped",
    "health",
    "leverage",
    "percent",
    "price",
    "shock",
    "short_address",
    "shortened",
    "utc",
    "worth",
]

NARROW_SPACE = "\u202f"
MINUS = "−"
NOTHING = "—"
DOLLAR = "USD"
_BEYOND = Decimal(1000)
_TINY = Decimal("0.000000001")
_FOUR_DIGITS_DOWN = Context(prec=4, rounding=ROUND_DOWN)
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))


def grouped(value: Decimal, places: int) -> str:
    """Return `value` with `places` decimals, thousands apart and a real minus sign."""
    rounded = value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN, context=EXACT)
    return f"{rounded or abs(rounded):,f}".replace(",", NARROW_SPACE).replace("-", MINUS)


def amount(raw: int, decimals: int) -> str:
    """Return a token amount: two places from a thousand on, more below, an exponent when tiny; rounded down."""
    value = to_decimal(raw, decimals)
    if 0 < value < _TINY:
        return f"{_FOUR_DIGITS_DOWN.plus(value).normalize():e}"
    places = min(decimals, _places(value, (1000, 2), (10, 3), (1, 4), significant=4))
    down = value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_DOWN, context=EXACT)
    return grouped(down, places)


def dollars(value: Decimal) -> str:
    """Return a value: cents, no cents from ten million on, and two significant digits below a cent."""
    places = 0 if abs(value) >= 10_000_000 else _places(value, (Decimal("0.01"), 2), significant=2)
    text = grouped(abs(value), places)
    return f"{MINUS if value < 0 else ''}${text}"


def worth(value: Decimal, quote: str) -> str:
    """Return a value in its currency: dollars, or so many of a token, with as many places as an amount of it has."""
    if quote == DOLLAR:
        return dollars(value)
    places = _places(value, (1000, 2), (10, 3), (1, 4), significant=4)
    return f"{MINUS if value < 0 else ''}{grouped(abs(value), places)} {clean(quote)}"


def price(value: Decimal, quote: str = DOLLAR) -> str:
    """Return a price in its currency: cents from ten on, four places down to a cent, four significant digits below."""
    figure = grouped(value, _places(value, (10, 2), (Decimal("0.01"), 4), significant=4))
    return f"${figure}" if quote == DOLLAR else f"{figure} {clean(quote)}"


def percent(fraction: Decimal | None, *, places: int = 2, signed: bool = False) -> str:
    """Return a fraction in percent; a dash for `None`, and only a bound beyond a thousandfold."""
    if fraction is None:
        return NOTHING
    if abs(fraction) > _BEYOND:
        return _bound(fraction)
    text = grouped(fraction * 100, places)
    plus = "+" if signed and not text.startswith(MINUS) else ""
    return f"{plus}{text}{NARROW_SPACE}%"


def change(fraction: Decimal) -> str:
    """Return a relative move with its sign, rounded toward zero: a distance is never shown longer than it is."""
    if abs(fraction) > _BEYOND:
        return _bound(fraction)
    places = 1 if abs(fraction) >= Decimal("0.01") else 2
    toward_zero = (fraction * 100).quantize(Decimal(1).scaleb(-places), rounding=ROUND_DOWN, context=EXACT)
    return f"{MINUS if fraction < 0 else '+'}{grouped(abs(toward_zero), places)}{NARROW_SPACE}%"


def shock(fraction: Decimal) -> str:
    """Return a change that was asked for, with its sign and all its digits."""
    percentage = format(abs(fraction * 100), "f")
    digits = percentage.rstrip("0").rstrip(".") if "." in percentage else percentage
    return f"{MINUS if fraction < 0 else '+'}{digits}{NARROW_SPACE}%"


def health(value: Decimal | None, *, against: Decimal = Decimal(1)) -> str:
    """Return a health factor with three places, and more when three would put it on the other side of `against`.

    A dash for `None`, nothing owed.
    """
    if value is None:
        return NOTHING
    if not value.is_finite():
        return "∞"
    for places in (0,) if value >= 10_000 else range(3, 19):
        rounded = value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN, context=EXACT)
        if (rounded < against) == (value < against):
            return grouped(rounded, places)
    return grouped(value, 18)


def leverage(value: Decimal | None) -> str:
    """Return a leverage with two places; a dash for `None`, no equity, and only a bound beyond a thousand."""
    if value is None:
        return NOTHING
    return f">{grouped(_BEYOND, 0)}×" if value > _BEYOND else f"{grouped(value, 2)}×"


def duration(seconds: int) -> str:
    """Return a time span in its largest whole unit, rounded down."""
    for unit, length in _UNITS:
        if seconds >= length:
            return f"{grouped(Decimal(seconds // length), 0)} {unit}"
    return f"{seconds} s"


def utc(timestamp: int) -> str:
    """Return a Unix time as date and time in UTC."""
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def block_number(number: int) -> str:
    """Return a block number, thousands apart."""
    return grouped(Decimal(number), 0)


def short_address(address: str) -> str:
    """Return the first and last four digits of an address; only where the whole one stands nearby."""
    return f"{address[:6]}…{address[-4:]}"


def shortened(text: str, most: int) -> str:
    """Return `text` in at most `most` characters: what is too long loses its middle."""
    if len(text) <= most:
        return text
    tail = most // 2
    return f"{text[: most - 1 - tail]}…{text[len(text) - tail :]}"


def clean(text: str) -> str:
    """Return text that came from a chain without anything that a terminal would act on."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _bound(fraction: Decimal) -> str:
    text = f"{grouped(_BEYOND * 100, 0)}{NARROW_SPACE}%"
    return f">{text}" if fraction > 0 else f"<{MINUS}{text}"


def _places(value: Decimal, *steps: tuple[Decimal | int, int], significant: int) -> int:
    """Return the places of the first step that `abs(value)` reaches; below all, those of `significant` digits."""
    for least, places in steps:
        if abs(value) >= least or not value:
            return places
    digits = value.quantize(Decimal(1).scaleb(value.adjusted() - significant + 1), rounding=ROUND_FLOOR, context=EXACT)
    exponent = digits.normalize(EXACT).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
