"""Goals: what the user asked for, and when a predicted account has reached it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from defilev.errors import InvalidNumber
from defilev.model.account import LendingAccount
from defilev.model.plan import Goal
from defilev.units import WAD, parse_decimal

__all__ = ["MARGIN", "PROMISE_BAND", "RESULT_BAND", "Aim", "leverage_of", "parse_goal", "shown_leverage"]

PROMISE_BAND = WAD // 1000
"""How far above the target a promise may lie."""

RESULT_BAND = WAD // 100
"""How far above the target what is got may lie."""

MARGIN = WAD // 10_000
"""How far above the target a plan is sized, so that a change of the interest rates cannot break the promise."""

LEVERAGE_PLACES = 6


def parse_goal(*, to_health_factor: str | None, to_leverage: str | None, close: bool) -> Goal:
    """Return the one goal that was given.

    Raises:
        InvalidNumber: none or several were given, or a number cannot be meant.
    """
    if (to_health_factor is not None) + (to_leverage is not None) + close != 1:
        raise InvalidNumber("a plan needs one goal", fix="give one of --to-health-factor, --to-leverage and --close")
    if to_health_factor is not None:
        return Goal("health-factor", _above_one(to_health_factor, what="--to-health-factor"))
    if to_leverage is not None:
        return Goal("leverage", _above_one(to_leverage, what="--to-leverage"))
    return Goal("close", None)


def _above_one(text: str, *, what: str) -> Decimal:
    value = parse_decimal(text, what=what)
    if value <= 1:
        raise InvalidNumber(f"{what} {text!r} is not above 1", fix="give a number above 1, or --close to owe nothing")
    return value


def leverage_of(account: LendingAccount) -> Fraction | None:
    """Return collateral divided by equity, exact; `None` when no equity is left."""
    if account.equity_value <= 0:
        return None
    return Fraction(account.collateral_value, account.equity_value)


def shown_leverage(account: LendingAccount) -> Decimal | None:
    """Return the leverage to six places, rounded up; `None` when nothing is owed or no equity is left."""
    leverage = leverage_of(account)
    if leverage is None or account.debt_value == 0:
        return None
    scale = 10**LEVERAGE_PLACES
    return Decimal(-(-leverage.numerator * scale // leverage.denominator)).scaleb(-LEVERAGE_PLACES)


@dataclass(frozen=True, slots=True)
class Aim:
    """A goal as two tests of an account: what is sized for, and how far it may be overshot."""

    goal: Goal

    def reached(self, account: LendingAccount) -> bool:
        """Return whether the account has reached the goal with its margin."""
        return self._holds(account, MARGIN)

    def met(self, account: LendingAccount) -> bool:
        """Return whether the account has reached the goal itself."""
        return self._holds(account, 0)

    def overshot(self, *, earliest: LendingAccount, latest: LendingAccount) -> bool:
        """Return whether a promise for the latest time, or what is got at the earliest, would lie too far above."""
        return self._holds(latest, PROMISE_BAND + 1) or self._holds(earliest, RESULT_BAND + 1)

    def _holds(self, account: LendingAccount, margin: int) -> bool:
        if account.health_factor is None:
            return True
        if self.goal.kind == "close" or self.goal.value is None:
            return False
        target = Fraction(self.goal.value)
        if self.goal.kind == "health-factor":
            return account.health_factor >= target * WAD + margin
        leverage = leverage_of(account)
        return leverage is not None and leverage <= target - min(Fraction(margin, WAD), (target - 1) / 2)
