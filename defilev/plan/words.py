"""Amounts and ratios in the words of facts and fixes."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from fractions import Fraction

from defilev.model.account import LendingAccount
from defilev.model.plan import Goal
from defilev.model.token import Token
from defilev.plan.goals import leverage_of
from defilev.units import WAD, to_decimal

__all__ = ["amount_text", "goal_text", "health_text", "leverage_text", "percent_text", "ratio_text"]

PLACES = 6


def amount_text(amount: int, token: Token) -> str:
    """Return base units as "1234.5 USDC", with at most six places, rounded up."""
    value = to_decimal(amount, token.decimals)
    if -value.as_tuple().exponent > PLACES:  # type: ignore[operator]
        value = value.quantize(Decimal(1).scaleb(-PLACES), ROUND_CEILING)
    return f"{_trimmed(value)} {token.symbol}"


def goal_text(goal: Goal) -> str:
    """Return a goal as "a health factor of 1.6", "a leverage of 2" or "owing nothing"."""
    if goal.rearranges:
        return _rearranged_text(goal)
    if goal.value is None:
        return "owing nothing"
    return f"a {goal.kind.replace('-', ' ')} of {goal.value}"


def _rearranged_text(goal: Goal) -> str:
    if goal.kind == "e-mode":
        return f"e-mode {goal.value}" if goal.value else "no e-mode"
    amount = "all" if goal.value is None else f"{goal.value}"
    return f"{goal.replacement} for {amount} {goal.replaced}"


def health_text(health_factor: int | None) -> str:
    """Return a health factor in wad to four places, rounded down; "none" when nothing is owed."""
    if health_factor is None:
        return "none"
    return str((Decimal(health_factor) / WAD).quantize(Decimal("0.0001"), ROUND_FLOOR))


def leverage_text(account: LendingAccount) -> str:
    """Return collateral over equity to four places, rounded up; "none" when no equity is left."""
    leverage = leverage_of(account)
    return "none" if leverage is None else ratio_text(leverage)


def ratio_text(ratio: Fraction, *, places: int = 4) -> str:
    """Return a ratio rounded up to `places`."""
    scale = 10**places
    return str(Decimal(-(-ratio.numerator * scale // ratio.denominator)).scaleb(-places))


def percent_text(share: Fraction) -> str:
    """Return a share as a percentage with two places, rounded up: 0.005 is "0.50%"."""
    return f"{ratio_text(share * 100, places=2)}%"


def _trimmed(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
