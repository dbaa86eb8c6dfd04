"""Goals: what the user asked for, and when a predicted account has reached it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil

from defilev.errors import InvalidNumber
from defilev.model.account import Leg, LendingAccount
from defilev.model.plan import Goal
from defilev.plan.rearranged import Rearranged, parse_rearranged
from defilev.units import WAD, Wad, parse_decimal

__all__ = [
    "MARGIN",
    "PROMISE_BAND",
    "RESULT_BAND",
    "Aim",
    "assured_health",
    "leverage_of",
    "parse_goal",
    "shown_leverage",
]

PROMISE_BAND = WAD // 1000
"""How far above the target a promise may lie."""

RESULT_BAND = WAD // 100
"""How far above the target what is got may lie."""

MARGIN = WAD // 10_000
"""How far above the target a plan is sized, so that a change of the interest rates cannot break the promise."""

LEVERAGE_PLACES = 6


def parse_goal(
    *,
    to_health_factor: str | None,
    to_leverage: str | None,
    close: bool,
    to_margin_ratio: str | None = None,
    rearranged: Rearranged | None = None,
) -> Goal:
    """Return the one goal that was given.

    Raises:
        InvalidNumber: none or several were given, or a number cannot be meant.
        UsageError: a swap does not name two assets.
    """
    switches = {} if rearranged is None else rearranged.given()
    given = [each for each in (to_health_factor, to_leverage, to_margin_ratio, *switches.values()) if each is not None]
    if len(given) + close != 1:
        raise InvalidNumber(
            "a plan needs one goal",
            fix="give one of --to-health-factor, --to-leverage, --to-margin-ratio, --close, --swap-collateral, "
            "--swap-debt and --e-mode",
        )
    for kind, text in switches.items():
        return parse_rearranged(kind, text)
    if to_margin_ratio is not None:
        return Goal("margin-ratio", _above_one(to_margin_ratio, what="--to-margin-ratio"))
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


def assured_health(account: LendingAccount) -> Wad | None:
    """Return the health factor less what rounding may take at another second; `None` when nothing is owed.

    Each leg is rounded to a base unit of its token, and its value to a quote unit. Between two times the health factor
    of an account with little of a token of few decimals may therefore be lower than at both. Pools round the average of
    the liquidation thresholds down to a basis point besides, which such a rounding may cost.
    """
    if account.health_factor is None:
        return None
    room = Fraction(_rounding(account, "supply"), max(account.collateral_value, 1))
    room += Fraction(_rounding(account, "borrow"), max(account.debt_value, 1)) + _lost_threshold(account)
    return Wad(max(account.health_factor - ceil(account.health_factor * room), 0))


def _lost_threshold(account: LendingAccount) -> Fraction:
    """Return the part of the average liquidation threshold that is lost when the values are rounded otherwise.

    It is `GenericLogic.calculateUserAccountData` that divides the weighted sum by the collateral, and drops the rest.
    """
    counted = [leg for leg in account.legs if leg.side == "supply" and leg.used_as_collateral and leg.value]
    total = sum(leg.value for leg in counted)
    weighted = sum(leg.value * (leg.liquidation_threshold or 0) for leg in counted)
    if weighted < total:
        return Fraction(0)
    average = weighted // total
    unsure = sum(_unit(leg) * -(-abs((leg.liquidation_threshold or 0) * total - weighted) // total) for leg in counted)
    return Fraction(average - (weighted - unsure) // total, average)


def _rounding(account: LendingAccount, side: str) -> int:
    """Return what rounding may change in the value of one side, in quote units."""
    return sum(_unit(leg) for leg in account.legs if leg.side == side)


def _unit(leg: Leg) -> int:
    """Return what rounding may change in the value of a leg, in quote units."""
    return 1 + -(-leg.value // max(leg.amount, 1))


@dataclass(frozen=True, slots=True)
class Aim:
    """A goal as two tests of an account: what is sized for, and how far it may be overshot."""

    goal: Goal

    def reached(self, account: LendingAccount) -> bool:
        """Return whether the account has reached the goal with its margin, however values are rounded."""
        return self._reached(account, MARGIN)

    def _reached(self, account: LendingAccount, margin: int) -> bool:
        equity = account.equity_value - _rounding(account, "supply") - _rounding(account, "borrow")
        return self._holds(account, margin, health=assured_health(account), equity=equity)

    def nearly_reached(self, account: LendingAccount) -> bool:
        """Return whether half of the margin is left, as when interest has accrued since a plan was sized."""
        return self._reached(account, MARGIN // 2)

    def met(self, account: LendingAccount) -> bool:
        """Return whether the account has reached the goal itself."""
        return self._holds(account, 0, health=account.health_factor, equity=account.equity_value)

    def overshot(self, *, earliest: LendingAccount, latest: LendingAccount) -> bool:
        """Return whether a promise for the latest time, or what is got at the earliest, would lie too far above."""
        return self._beyond(latest, PROMISE_BAND) or self._beyond(earliest, RESULT_BAND)

    def exceeded(self, account: LendingAccount) -> bool:
        """Return whether the account is better than the goal by more than what is got may be; with no debt it is."""
        return self._beyond(account, RESULT_BAND)

    def _beyond(self, account: LendingAccount, band: int) -> bool:
        return self._holds(account, band + 1, health=account.health_factor, equity=account.equity_value)

    def _holds(self, account: LendingAccount, margin: int, *, health: int | None, equity: int) -> bool:
        if health is None:
            return True
        if self.goal.kind == "close" or self.goal.value is None:
            return False
        target = Fraction(self.goal.value)
        if self.goal.kind == "health-factor":
            return health >= target * WAD + margin
        within = target - min(Fraction(margin, WAD), (target - 1) / 2)
        return equity > 0 and Fraction(account.collateral_value, equity) <= within
