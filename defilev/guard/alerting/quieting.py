"""Whether an alert is told, and as what: the first, again, or not at all. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from defilev.journal.alerting import AlertState
from defilev.model.alerting import AlertRules, rank
from defilev.model.guard import Alert, Severity

__all__ = ["Told", "about", "stands"]

_FIGURE = re.compile(r"\S*\d\S*")
_EXACT = ("acting", "action-", "parameter-changed", "sink-failed", "trigger-cleared")
"""Kinds, or beginnings of them, of which two with different figures are two things: they happen, and do not last."""


@dataclass(frozen=True, slots=True)
class Told:
    """When the same thing was told the last time, how severe it was then, and how often it was held back since."""

    at: int
    severity: Severity
    held_back: int = 0


def about(alert: Alert) -> str:
    """Return what an alert is about: the same text for two that differ only in their figures."""
    text = alert.text if alert.kind.startswith(_EXACT) else _FIGURE.sub("#", alert.text)
    return "/".join((alert.kind, alert.account or "", text))


def stands(alert: Alert, last: Told | None, rules: AlertRules, *, now: int) -> AlertState | None:
    """Return as what an alert is told, `None` when it is not.

    Args:
        last: when the same was told, `None` when it never was.
        now: Unix time.
    """
    minute = now // 60 % (24 * 60)
    if any(rule.covers(alert, minute=minute) for rule in rules.quiet):
        return None
    if last is None or rank(alert.severity) > rank(last.severity):
        return "raised"
    return "repeated" if now - last.at >= rules.cool_down[alert.severity] else None
