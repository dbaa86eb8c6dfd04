"""The goals that rearrange a position, as they are typed: `WETH=wstETH`, `WETH=wstETH:1.5`, `1`, `off`."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from defilev.errors import InvalidNumber, UsageError
from defilev.model.plan import Goal
from defilev.units import parse_decimal

__all__ = ["Rearranged", "parse_rearranged"]

Kind = Literal["swap-collateral", "swap-debt", "e-mode"]
MOST_CATEGORIES = 255


@dataclass(frozen=True, slots=True)
class Rearranged:
    """What was typed for each of these goals, `None` where it was not given."""

    swap_collateral: str | None = None
    swap_debt: str | None = None
    e_mode: str | None = None

    def given(self) -> dict[Kind, str]:
        """Return those that were given, by the kind of their goal."""
        typed: dict[Kind, str | None] = {
            "swap-collateral": self.swap_collateral,
            "swap-debt": self.swap_debt,
            "e-mode": self.e_mode,
        }
        return {kind: text for kind, text in typed.items() if text is not None}


def parse_rearranged(kind: Kind, text: str) -> Goal:
    """Return the goal that was typed.

    Raises:
        UsageError: a swap does not name two assets.
        InvalidNumber: an amount is no number above zero, or an e-mode neither `off` nor 0 to 255.
    """
    if kind == "e-mode":
        return Goal(kind, Decimal(_category(text)))
    replaced, _, rest = text.partition("=")
    replacement, has_amount, amount = rest.partition(":")
    if not (replaced.strip() and replacement.strip()):
        raise UsageError(
            f"--{kind} {text!r} does not say what for what", fix="give two assets, as in WETH=wstETH or WETH=wstETH:1.5"
        )
    value = _amount(kind, amount) if has_amount else None
    return Goal(kind, value, replaced.strip(), replacement.strip())


def _amount(kind: Kind, text: str) -> Decimal:
    value = parse_decimal(text, what=f"--{kind}")
    if value <= 0:
        raise InvalidNumber(f"--{kind} {text!r} is not above zero", fix="give how many tokens, or leave it out for all")
    return value


def _category(text: str) -> int:
    if text == "off":
        return 0
    if text.isascii() and text.isdecimal() and int(text) <= MOST_CATEGORIES:
        return int(text)
    raise InvalidNumber(f"--e-mode {text!r} is no e-mode", fix=f"give its number, 1 to {MOST_CATEGORIES}, or off")
