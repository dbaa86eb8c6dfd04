"""Values as people write them in flags and files: durations, slippage, blocks, paths."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Literal, TypeAlias, cast

from pydantic import BeforeValidator

from defilev.errors import InvalidNumber
from defilev.units import parse_decimal, parse_percentage

__all__ = [
    "LARGEST_SLIPPAGE",
    "LONGEST_DURATION",
    "At",
    "parse_block",
    "parse_duration",
    "parse_floor",
    "parse_gas_price",
    "parse_slippage",
    "written",
]

At: TypeAlias = int | Literal["latest", "finalized", "safe"]
"""A block as settings name it: a number, or a name that the node resolves."""

LARGEST_SLIPPAGE = Decimal("0.5")
"""Beyond one half, a swap is no longer a trade at a price."""

GWEI = 10**9
LARGEST_GAS_PRICE = 10**6 * GWEI
"""A thousand times the highest that Ethereum has seen for an hour: beyond it, a typing error."""

LONGEST_DURATION = 10 * 366 * 86_400
"""Ten years, in seconds."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d|w)?")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_TAGS = ("latest", "finalized", "safe")


def written(parse: Callable[[str], Any]) -> BeforeValidator:
    """Return a validator that parses what a person wrote, and says why it cannot."""

    def parsed(value: Any) -> Any:
        if isinstance(value, bool | list | dict):
            raise ValueError("it is not a single value")  # noqa: TRY004 - pydantic takes a ValueError
        try:
            return parse(str(value))
        except InvalidNumber as error:
            raise ValueError(f"{error.fact}; {error.fix}") from None

    return BeforeValidator(parsed)


def parse_duration(value: str | int | Decimal, *, what: str) -> int:
    """Return the whole seconds that `value` says: `"10m"` is 600, a bare number is seconds.

    Raises:
        InvalidNumber: not a duration, not whole seconds, zero, or longer than `LONGEST_DURATION`.
    """
    found = _DURATION.fullmatch(str(value).strip())
    seconds = Decimal(found[1]) * _SECONDS[found[2] or "s"] if found else Decimal(0)
    if seconds <= 0 or seconds > LONGEST_DURATION or seconds != int(seconds):
        raise InvalidNumber(f"{what} {str(value)!r} is not a duration", fix="write it as 90s, 10m, 24h or 7d")
    return int(seconds)


def parse_slippage(text: str, *, what: str = "--max-slippage") -> Decimal:
    """Return the fraction that `text` says, above 0 and at most `LARGEST_SLIPPAGE`; raises `InvalidNumber`."""
    slippage = parse_percentage(text, what=what)
    if not 0 < slippage <= LARGEST_SLIPPAGE:
        raise InvalidNumber(f"{what} {text.strip()} is not above 0% and at most 50%", fix="0.5% suits deep markets")
    return slippage


def parse_floor(text: str, *, what: str = "--floor") -> Decimal:
    """Return the health factor that no step of a plan may go below, between 1 and 2; raises `InvalidNumber`."""
    floor = parse_decimal(text, what=what)
    if not 1 < floor < 2:
        raise InvalidNumber(f"{what} {text} is not between 1 and 2", fix="1.02 is the usual floor")
    return floor


def parse_gas_price(text: str, *, what: str) -> int:
    """Return wei per gas that `text` says: `"300gwei"`.

    Raises:
        InvalidNumber: the unit is missing, or what stands before it is not a number above zero.
    """
    said = text.strip().lower()
    if not said.endswith("gwei"):
        raise InvalidNumber(f"{what} {text!r} has no unit", fix="write it with its unit, such as 100gwei")
    wei = int(parse_decimal(said.removesuffix("gwei").strip(), what=what) * GWEI)
    if not 0 < wei <= LARGEST_GAS_PRICE:
        raise InvalidNumber(f"{what} {text!r} is no price of gas", fix="write one such as 100gwei")
    return wei


def parse_block(value: str | int) -> At:
    """Return the block that `value` names; raises `InvalidNumber`."""
    text = str(value).strip().replace("_", "")
    if text in _TAGS:
        return cast("Literal['latest', 'finalized', 'safe']", text)
    if not text.isascii() or not text.isdigit():
        raise InvalidNumber(
            f"--block {str(value)!r} is not a block", fix="give a number, or one of latest, finalized, safe"
        )
    return int(text)
