"""Triggers as they are written in a rules file, each kind with the figures that it takes."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NoReturn, Protocol

from defilev.config.guard_tables import TriggerTable
from defilev.errors import InvalidNumber
from defilev.model.guard_rules import ACTING, LOWEST_HEALTH, Trigger
from defilev.units import parse_decimal, parse_percentage

__all__ = ["LARGEST_HEALTH", "Refuse", "highest_health", "trigger_from"]

LARGEST_HEALTH = Decimal(20)
"""A health factor beyond it is a typing error."""

_LEVELS = frozenset({"health", "margin-ratio"})
_NUMBERS = frozenset({*_LEVELS, "leverage", "price", "stop-loss"})
_SHARES = frozenset({"liquidation-probability", "trailing-stop", "borrow-rate", "withdrawable", "utilisation"})
_BELOW = frozenset({*_LEVELS, "stop-loss", "trailing-stop", "withdrawable"})
_OF_AN_ASSET = frozenset({"price", "trailing-stop"})


class Refuse(Protocol):
    """Raises with what is wrong, and what to do about it."""

    def __call__(self, what: str, fix: str | None = None) -> NoReturn: ...


def trigger_from(entry: TriggerTable, *, refuse: Refuse) -> Trigger:
    """Return the trigger that a table says."""
    kind = entry.kind
    acts = kind in ACTING if entry.then is None else entry.then == "act"
    if acts and kind not in ACTING:
        refuse(f'a trigger {kind} only tells: then = "alert"')
    if (entry.asset is None) == (kind in _OF_AN_ASSET):
        refuse(f"a trigger {kind} {'needs' if kind in _OF_AN_ASSET else 'has no'} asset")
    if (entry.within is None) == (kind == "liquidation-probability"):
        refuse(f"a trigger {kind} {'needs' if kind == 'liquidation-probability' else 'has no'} within")
    return Trigger(kind, acts, _limit(entry, refuse), entry.asset, entry.within, entry.above is not None)


def highest_health(triggers: Iterable[Trigger]) -> Decimal | None:
    """Return the highest health factor or margin ratio that sets off an action, `None` when neither sets off one."""
    levels = [trigger.limit for trigger in triggers if trigger.kind in _LEVELS and trigger.acts and trigger.limit]
    return max(levels, default=None)


def _limit(entry: TriggerTable, refuse: Refuse) -> Decimal | None:
    kind = entry.kind
    sides = [side for side in ("below", "above") if getattr(entry, side) is not None]
    if kind not in _NUMBERS | _SHARES:
        if sides:
            refuse(f"a trigger {kind} has no {sides[0]}")
        return None
    wanted = ["below", "above"] if kind == "price" else ["below"] if kind in _BELOW else ["above"]
    if len(sides) != 1 or sides[0] not in wanted:
        refuse(f"a trigger {kind} needs {' or '.join(wanted)}, and nothing else")
    written = f"{kind} {sides[0]} {getattr(entry, sides[0])}"
    found = _parsed(kind, str(getattr(entry, sides[0])), written, refuse)
    _require_meant(kind, found, written, refuse)
    return found


def _parsed(kind: str, text: str, written: str, refuse: Refuse) -> Decimal:
    if kind in _SHARES and not text.strip().endswith("%"):
        refuse(f"{written}: write it as a percentage, such as 1%")
    parse = parse_decimal if kind in _NUMBERS else parse_percentage
    try:
        return parse(text, what=kind)
    except InvalidNumber as error:
        refuse(error.fact, error.fix)


def _require_meant(kind: str, found: Decimal, written: str, refuse: Refuse) -> None:
    is_whole = kind in _SHARES and kind != "borrow-rate" and found >= 1
    if found <= 0 or is_whole:
        refuse(f"{written} can never be meant")
    if kind in _LEVELS and not LOWEST_HEALTH <= found <= LARGEST_HEALTH:
        refuse(f"{written} is not between {LOWEST_HEALTH} and {LARGEST_HEALTH}")
    if kind == "leverage" and found <= 1:
        refuse(f"{written}: an account without debt has leverage 1")
