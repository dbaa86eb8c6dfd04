"""What-if options as they are typed: changes, named shocks, limits of the health factor. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from defilev.errors import InvalidNumber, UsageError
from defilev.model.exposure import plain_symbol
from defilev.units import parse_decimal, parse_percentage

__all__ = ["parse_betas", "parse_changes", "parse_health_limit", "parse_shocks"]

_LARGEST_BETA = 20

LARGEST_RISE = Decimal(100)
"""A hundredfold price: beyond it, a typing error."""


def parse_changes(text: str, *, what: str = "--stress") -> tuple[Decimal, ...]:
    """Return the relative changes in `text`, a list such as `-10%,-20%`.

    Raises:
        InvalidNumber: not a percentage, zero, a fall of everything or more, or a senseless rise.
    """
    return tuple(_change(part, what=what) for part in text.split(","))


def parse_shocks(texts: Sequence[str], *, what: str = "--shock") -> tuple[tuple[str, Decimal], ...]:
    """Return the named changes in `texts`, each such as `WETH=-5%`; a repetition counts once.

    Raises:
        InvalidNumber: see `parse_changes`.
        UsageError: no name, no change, or two different ones for a name.
    """
    shocks: dict[str, tuple[str, Decimal]] = {}
    for text in texts:
        name, _, change = (part.strip() for part in text.partition("="))
        if not name or not change:
            raise UsageError(f"{what} {text!r} does not say what moves by how much", fix=f"write {what} WETH=-5%")
        shock = (name, _change(change, what=f"{what} {name}"))
        if shocks.setdefault(name.casefold(), shock)[1] != shock[1]:
            raise UsageError(f"{what} moves {name} in two ways", fix=f"give one {what} for {name}")
    return tuple(shocks.values())


def parse_health_limit(text: str, *, what: str = "--fail-below") -> Decimal:
    """Return a health factor above zero; raises `InvalidNumber`."""
    limit = parse_decimal(text, what=what)
    if limit <= 0:
        raise InvalidNumber(f"{what} {text} is not above zero", fix=f"give a health factor, such as {what} 1.4")
    return limit


def parse_betas(texts: Sequence[str]) -> dict[str, float]:
    """Return the betas in `texts`, each such as `BTC=1.1`, by plain name.

    Raises:
        InvalidNumber: no number, or one that no asset has.
        UsageError: no name or no number, or two for a name.
    """
    betas: dict[str, float] = {}
    for text in texts:
        name, _, number = (part.strip() for part in text.partition("="))
        if not name or not number:
            raise UsageError(f"--beta {text!r} does not say whose beta is what", fix="write --beta BTC=1.1")
        value = parse_decimal(number, what=f"--beta {name}")
        if abs(value) > _LARGEST_BETA:
            raise InvalidNumber(f"--beta {name} is {value}, which no asset has", fix="write --beta BTC=1.1")
        if betas.setdefault(plain_symbol(name), float(value)) != float(value):
            raise UsageError(f"--beta says two things of {name}", fix=f"give one --beta for {name}")
    return betas


def _change(text: str, *, what: str) -> Decimal:
    try:
        change = parse_percentage(text, what=what)
    except InvalidNumber as error:
        raise InvalidNumber(error.fact, fix="write it as -10%") from None
    if change <= -1:
        raise InvalidNumber(f"{what} {text.strip()} leaves nothing of the price", fix="give a fall of less than 100%")
    if change == 0 or change > LARGEST_RISE:
        raise InvalidNumber(f"{what} {text.strip()} is not a change to try", fix="write it as -10%")
    return change
