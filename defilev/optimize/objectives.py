"""What is wanted before any ceiling: one leverage for each objective."""

from __future__ import annotations

from math import inf

from defilev.errors import UsageError
from defilev.optimize.carry import best_carry_leverage
from defilev.optimize.ceilings import floor_leverage, kelly_leverage
from defilev.optimize.conversions import health_factor_to_leverage
from defilev.optimize.outlook import Case

__all__ = ["OBJECTIVES", "wanted_leverage"]

OBJECTIVES = {
    "keep": "the present leverage",
    "fixed": "your target",
    "ceiling": "the ceilings themselves",
    "cppi": "your floor",
    "carry": "the highest net carry",
    "kelly": "growth",
}
"""What each objective is called where it, and no ceiling, decided."""


def wanted_leverage(case: Case, *, ceiling: float) -> float:
    """Return the leverage that the objective asks for; `inf` for as much as the ceilings allow.

    Below 1 means to hold no debt. `ceiling` is the lowest hard ceiling.

    Raises:
        UsageError: the objective needs a number that was not given.
        InvalidNumber: a given one is out of range.
    """
    match case.preferences.objective:
        case "keep":
            return case.position.leverage if case.position.debt_value > 0 else 1.0
        case "fixed":
            return _fixed(case)
        case "cppi":
            return _cppi(case)
        case "carry":
            return _carry(case, ceiling)
        case "kelly":
            return _kelly(case)
        case _:
            return inf


def _fixed(case: Case) -> float:
    wants = case.preferences
    if (wants.health_factor is None) == (wants.leverage is None):
        raise UsageError("a fixed target needs one number", fix="give --health-factor 1.6, or --leverage 2")
    if wants.leverage is not None:
        return wants.leverage
    return health_factor_to_leverage(wants.health_factor, case.position.liquidation_threshold)


def _cppi(case: Case) -> float:
    if case.preferences.floor is None:
        raise UsageError("cppi protects a floor, and none was given", fix="give --floor 60%: the equity to keep")
    _require_prices(case)
    return floor_leverage(case, case.preferences.floor)


def _kelly(case: Case) -> float:
    _require_prices(case)
    return kelly_leverage(case)


def _require_prices(case: Case) -> None:
    if not case.has_price_risk:
        raise UsageError(
            f"{case.preferences.objective} is about price risk, and this collateral and debt move together",
            fix="choose --objective carry, fixed or ceiling",
        )


def _carry(case: Case, ceiling: float) -> float:
    debt = float(case.position.debt_value)

    def rate(owed: float) -> float:
        return case.borrow_rate(1 + owed / case.equity) if owed > 0 or debt else case.position.borrow_rate

    return best_carry_leverage(
        equity=case.equity, supply_rate=case.position.supply_rate, curve=rate, ceiling=max(ceiling, 1.0)
    )
