"""Plans that wait for signatures: sized so that they still hold when prices have moved meanwhile; pure.

A plan's calldata is fixed when it is made. Until enough owners have signed, the collateral may have fallen by `drift`:
a sale brings so much less, and the health factor, which is proportional to the collateral's price, ends so much lower.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from defilev.errors import Infeasible
from defilev.model.account import LendingAccount, Notice
from defilev.model.plan import Goal, Plan, PostCondition
from defilev.model.plan_hash import with_hash
from defilev.units import Wad

__all__ = ["MOST_SLIPPAGE", "drift_of", "drifted_goal", "drifted_slippage", "with_drift"]

MOST_SLIPPAGE = Decimal("0.10")
"""What slippage and drift may come to together; no policy lets a sale lose more."""

_HOURLY = Decimal("0.007")
"""One standard deviation of an hour for an asset that moves 65 % in a year, rounded up."""

_HOURLY_TOGETHER = Decimal("0.0005")
"""The same between assets that one price drives."""

_HOUR = 3600
_PLACES = Decimal("0.0001")


def drift_of(account: LendingAccount, *, window: int) -> Decimal:
    """Return how far collateral may fall against debt within `window` seconds, one standard deviation, rounded up."""
    drivers = {(leg.side, leg.price.driver) for leg in account.legs if leg.side == "borrow" or leg.used_as_collateral}
    together = len({driver for _, driver in drivers}) == 1
    hourly = _HOURLY_TOGETHER if together else _HOURLY
    return (hourly * (Decimal(window) / _HOUR).sqrt()).quantize(_PLACES, ROUND_CEILING)


def drifted_goal(goal: Goal, drift: Decimal) -> Goal:
    """Return the goal at today's prices that is still reached when collateral has fallen by `drift`, a fraction."""
    if goal.value is None or goal.rearranges or drift == 0:
        return goal
    if goal.kind == "health-factor":
        return Goal(goal.kind, (goal.value / (1 - drift)).quantize(_PLACES, ROUND_CEILING))
    ratio = goal.value / (goal.value - 1) / (1 - drift)
    return Goal(goal.kind, (ratio / (ratio - 1)).quantize(_PLACES, ROUND_FLOOR))


def drifted_slippage(slippage: Decimal, drift: Decimal) -> Decimal:
    """Return how far a sale's minimum lies below the oracle of today; raises `Infeasible` for more than may be lost."""
    if slippage + drift > MOST_SLIPPAGE:
        raise Infeasible(
            "slippage and drift together are more than a sale may lose",
            fix="shorten --expires, or give a smaller --drift or --max-slippage",
            max_slippage=slippage,
            drift=drift,
            most=MOST_SLIPPAGE,
        )
    return slippage + drift


def with_drift(plan: Plan, goal: Goal, drift: Decimal) -> Plan:
    """Return the plan with the goal that was asked for, and promises that hold after the drift too."""
    promise = replace(plan.promise, health_factor=_lower(plan.promise.health_factor, drift))
    conditions = tuple(_eased(condition, drift) for condition in plan.post_conditions)
    warnings = (*plan.warnings, Notice("sized-for-drift", _words(drift))) if drift else plan.warnings
    return with_hash(replace(plan, goal=goal, promise=promise, post_conditions=conditions, warnings=warnings))


def _words(drift: Decimal) -> str:
    return (
        f"until all have signed collateral may fall by {drift * 100:f} % against the debt: sales may bring so much "
        "less, and what is promised holds after it"
    )


def _eased(condition: PostCondition, drift: Decimal) -> PostCondition:
    if condition.kind != "health-factor-at-least" or condition.limit is None:
        return condition
    return replace(condition, limit=_lower(Wad(condition.limit), drift))


def _lower(health_factor: Wad | None, drift: Decimal) -> Wad | None:
    return None if health_factor is None else Wad(int(Decimal(health_factor) * (1 - drift)))
