"""The `defilev/alternatives@1` document; docs/json.md describes every field."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from defilev.model.account import LendingAccount
from defilev.model.codec import to_document
from defilev.model.plan import Goal
from defilev.plan import plan_document
from defilev.plan.alternatives import Alternative, gain_per_cost, health_gain, total_cost
from defilev.report.alternatives_text import way_text

__all__ = ["SCHEMA", "alternatives_document"]

SCHEMA = "defilev/alternatives@1"


def alternatives_document(
    account: LendingAccount, goal: Goal, found: Sequence[Alternative], *, command: Callable[[Alternative], str]
) -> dict[str, Any]:
    """Return the document; `command` gives what plans a way alone."""
    return {
        "schema": SCHEMA,
        "chain_id": account.chain_id,
        "block": to_document(account.block),
        "protocol": account.protocol,
        "market": account.market,
        "address": account.owner,
        "quote": account.quote,
        "goal": to_document(goal),
        "health_factor": None if account.health_factor is None else str(account.health_factor),
        "alternatives": [_way(way, command(way)) for way in found],
    }


def _way(way: Alternative, command: str) -> dict[str, Any]:
    plan, wanted = way.plan, way.constraints
    return {
        "via": wanted.via,
        "words": way_text(way),
        "sell": list(wanted.sell),
        "repay": list(wanted.repay),
        "keep": [to_document(keep) for keep in wanted.keep],
        "payer": way.payer,
        "command": command,
        "reaches_goal": plan is not None and not plan.label,
        "health_gain": None if plan is None else _decimal(health_gain(plan)),
        "cost": None if plan is None else _decimal(total_cost(plan)),
        "health_per_cost": None if plan is None else _decimal(gain_per_cost(plan)),
        "plan": None if plan is None else plan_document(plan),
        "refusal": way.refusal or None,
        "fix": way.fix or None,
    }


def _decimal(value: Decimal | None) -> str | None:
    return None if value is None else format(value, "f")
