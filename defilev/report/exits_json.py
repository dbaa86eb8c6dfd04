"""The exits of an account in the `defilev/health@1` document; docs/json.md describes every field."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from defilev.model.exits import Exit, ExitLadder, Impact, NoReturn
from defilev.report.decimals import at_least, fraction
from defilev.report.liquidation import decimal_figure

__all__ = ["exits_part"]


def exits_part(ladder: ExitLadder) -> dict[str, Any]:
    """Return the part: shocks are signed relative moves, `None` for what does not work now."""
    asked = ladder.question
    return {
        "axis": {"kind": ladder.axis.kind, "name": ladder.axis.name},
        "goal": _figure(asked.goal),
        "floor": _figure(asked.floor),
        "slippage": _figure(asked.slippage),
        "flash_fee": _figure(asked.flash_fee),
        "rounds": asked.rounds,
        "ladder": [_exit(ladder, each) for each in ladder.exits],
        "no_return": [_no_return(ladder, each) for each in ladder.no_return],
        "own_impact": None if ladder.impact is None else _impact(ladder.impact),
        "toxic_loan_to_value": _figure(ladder.toxic_loan_to_value),
        "toxic_shock": _shock(ladder, ladder.toxic_shock),
    }


def _exit(ladder: ExitLadder, at: Exit) -> dict[str, Any]:
    return {
        "way": at.way,
        "asset": at.asset or None,
        "shock": _shock(ladder, at.shock),
        "endless": at.is_endless,
        "health_factor": _figure(at.health_factor),
        "wallet_value": None if at.value is None else at_least(_cents(at.value), 2),
    }


def _no_return(ladder: ExitLadder, at: NoReturn) -> dict[str, Any]:
    return {
        "asset": at.asset,
        "health_factor": _figure(at.health_factor),
        "shock": _shock(ladder, at.shock),
        "endless": at.is_endless,
    }


def _impact(impact: Impact) -> dict[str, Any]:
    return {
        "venue": impact.venue,
        "asset": impact.asset,
        "sale": at_least(_cents(impact.sale), 2),
        "move": _figure(impact.move),
        "critical_move": _figure(impact.critical_move),
        "helps": impact.helps,
    }


def _shock(ladder: ExitLadder, shock: float | None) -> str | None:
    if shock is None:
        return None
    return _figure(shock if ladder.axis.kind == "rise" else -shock)


def _figure(value: float | None) -> str | None:
    return None if value is None else fraction(decimal_figure(value))


def _cents(value: float) -> Decimal:
    return decimal_figure(value).quantize(Decimal("0.01"))
