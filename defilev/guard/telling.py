"""What people are told of a decision: changes, not states; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from defilev.guard.memory import Memory
from defilev.guard.triggers import key_of
from defilev.model.account import Notice
from defilev.model.guard import Alert, Decision, Fired, Severity, Tier

__all__ = ["TOLD_NOTICES", "alerts_of", "notice_alerts"]

_WAITING: dict[str, tuple[Severity, str]] = {
    "wait": ("critical", "action-waits"),
    "held": ("critical", "action-held"),
    "act": ("warning", "acting"),
}

TOLD_NOTICES: dict[str, Severity] = {
    "sequencer-down": "critical",
    "sequencer-unknown": "critical",
    "sequencer-restarted": "warning",
    "borrow-disabled": "info",
    "liquidation-grace": "info",
    "stale-price": "critical",
}
"""What an account says of itself that people are told of when it begins, and when it is over."""


def notice_alerts(decision: Decision, notices: Sequence[Notice], before: Memory) -> Iterator[Alert]:
    """Yield what the account says now and did not say at the tick before, and what it no longer says."""
    for notice in notices:
        if notice.name in TOLD_NOTICES and notice.name not in before.notices:
            yield _alert(decision, TOLD_NOTICES[notice.name], notice.name, notice.text)
    for name in before.notices:
        if name not in {notice.name for notice in notices}:
            yield _alert(decision, "info", "notice-cleared", f"{name} is over")


def alerts_of(decision: Decision, before: Memory, *, tier: Tier) -> Iterator[Alert]:
    """Yield what changed since the tick before: triggers that fire now, those that no longer do, and the verdict."""
    for fired in decision.fired:
        if fired.kind == "parameter-change":
            yield _parameter(decision, fired)
        elif key_of(fired) not in before.fired:
            yield _fired(decision, fired, tier)
    firing = {key_of(fired) for fired in decision.fired}
    for key in before.fired:
        if key not in firing:
            yield _alert(decision, "info", "trigger-cleared", f"{key} no longer fires")
    if decision.verdict in _WAITING and decision.verdict != before.verdict:
        severity, kind = _WAITING[decision.verdict]
        yield _alert(decision, severity, kind, decision.reason)
    if before.owed and decision.health_factor is None:
        yield _alert(decision, "info", "nothing-owed", "nothing is owed any more")


def _fired(decision: Decision, fired: Fired, tier: Tier) -> Alert:
    about = f" of {fired.subject}" if fired.subject else ""
    facts = (("figure", fired.figure), ("limit", fired.limit), ("verdict", decision.verdict))
    severity: Severity = "warning" if tier == "normal" else "critical"
    return _alert(
        decision, severity, "trigger-fired", f"{fired.kind}{about} is {fired.figure}, past {fired.limit}", *facts
    )


def _parameter(decision: Decision, fired: Fired) -> Alert:
    text = f"{fired.subject} changed from {fired.limit} to {fired.figure}"
    return _alert(decision, "warning", "parameter-changed", text, ("was", fired.limit), ("is", fired.figure))


def _alert(decision: Decision, severity: Severity, kind: str, text: str, *facts: tuple[str, str]) -> Alert:
    health = decision.health_factor
    stated = "no debt" if health is None else f"{health / 10**18:.4f}"
    block = ("block", str(decision.block.number))
    return Alert(severity, kind, decision.account, text, (("health", stated), block, *facts))
