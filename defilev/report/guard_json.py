"""What the guard says to programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from defilev.model.codec import to_document
from defilev.model.guard import Look, TickReport
from defilev.model.guard_rules import AccountRule, GuardRules

__all__ = ["check_document", "explain_document", "status_document", "switch_document", "tick_document"]


def tick_document(report: TickReport) -> dict[str, Any]:
    """Return one line of `guard run --json`."""
    return {"schema": "defilev/guard-tick@1", **to_document(report)}


def check_document(rules: GuardRules, *, is_checked_on_chain: bool) -> dict[str, Any]:
    """Return what a rules file says."""
    return {
        "schema": "defilev/guard-check@1",
        "source": rules.source,
        "sha256": rules.digest,
        "checked_on_chain": is_checked_on_chain,
        "accounts": [_rule(rule) for rule in rules.accounts],
    }


def status_document(
    rules: GuardRules,
    *,
    decisions: Mapping[str, Mapping[str, Any]],
    looks: Mapping[str, Look],
    leases: Sequence[Mapping[str, Any]],
    switches: Sequence[tuple[str, str, str, str]],
) -> dict[str, Any]:
    """Return what the guard watches, its last decisions, who leads, and what holds it."""
    return {
        "schema": "defilev/guard-status@1",
        "accounts": [
            {**_rule(rule), "last_decision": decisions.get(rule.name), "last_look": _look(looks.get(rule.name))}
            for rule in rules.accounts
        ],
        "leases": [{**lease, "epoch": str(lease["epoch"])} for lease in leases],
        "switches": [{"name": name, "state": state, "why": why, "at": at} for name, state, why, at in switches],
    }


def explain_document(decision: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, Any]:
    """Return a decision, and the run that it led to."""
    return {"schema": "defilev/guard-explain@1", "decision": decision, "run": to_document(run)}


def switch_document(name: str, state: str) -> dict[str, Any]:
    """Return what a switch is now: `paused`, `halted` or `running`."""
    return {"schema": "defilev/guard-switch@1", "name": name, "state": state}


def _look(look: Look | None) -> dict[str, Any] | None:
    if look is None:
        return None
    return {name: value for name, value in to_document(look).items() if name != "account"}


def _rule(rule: AccountRule) -> dict[str, Any]:
    document = to_document(rule)
    return {name: value for name, value in document.items() if name not in ("key", "payer_key")}
