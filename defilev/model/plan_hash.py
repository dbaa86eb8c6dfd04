"""Plans as JSON documents and back; the hash says that a document is the one that was made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from defilev.errors import PlanTampered, PlanUnreadable, UsageError
from defilev.model.codec import canonical_hash, from_document
from defilev.model.plan import Plan, Step

__all__ = ["hash_of", "plan_document", "plan_from", "rest_of", "with_hash"]

_CALLDATA = re.compile(r"0x(?:[0-9a-f]{2})*")


def plan_document(plan: Plan) -> dict[str, Any]:
    """Return the plan as plain JSON data with its schema; integers and decimals are strings."""
    return plan.to_document()


def hash_of(document: Mapping[str, Any]) -> str:
    """Return the sha256 of the canonical JSON of everything in a plan's document but the hash itself."""
    return canonical_hash({name: value for name, value in document.items() if name != "hash"})


def with_hash(plan: Plan) -> Plan:
    """Return the plan with its hash filled in."""
    return replace(plan, hash=hash_of(plan_document(plan)))


def plan_from(document: Any) -> Plan:
    """Return the plan that `document` describes, once its hash matches.

    Raises:
        PlanUnreadable: not a plan, or of another schema.
        PlanTampered: the hash does not match the rest.
    """
    if not isinstance(document, dict) or document.get("schema") != Plan.SCHEMA:
        found = document.get("schema") if isinstance(document, dict) else type(document).__name__
        raise PlanUnreadable("the file is not a plan that this version reads", schema=found, expected=Plan.SCHEMA)
    try:
        expected = hash_of(document)
    except ValueError as error:
        raise PlanUnreadable(f"the file is not a plan: {error}") from None
    if document.get("hash") != expected:
        raise PlanTampered(
            "the plan was changed after it was made: its content does not match its hash",
            hash=document.get("hash"),
            content=expected,
        )
    try:
        plan = from_document(Plan, {name: value for name, value in document.items() if name != "schema"})
    except UsageError as error:
        raise PlanUnreadable(error.fact) from None
    _require_transactions(plan)
    return plan


def _require_transactions(plan: Plan) -> None:
    if not plan.steps:
        raise PlanUnreadable("the file is a plan without steps")
    for step in plan.steps:
        if not _CALLDATA.fullmatch(step.data):
            raise PlanUnreadable(f"the calldata of step {step.index} is not 0x and hex digits")


def rest_of(plan: Plan, step: Step) -> Plan:
    """Return what is left of `plan` from `step` on, with the same promises; it has a hash of its own."""
    position = plan.steps.index(step)
    return with_hash(replace(plan, steps=plan.steps[position:], nonce=plan.nonce + position))
