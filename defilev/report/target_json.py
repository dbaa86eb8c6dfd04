"""The `defilev/target@1` document; docs/target.md and docs/json.md describe it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from defilev.model.account import LendingAccount
from defilev.model.target import SCHEMA, Target

__all__ = ["no_target_document"]


def no_target_document(account: LendingAccount) -> dict[str, Any]:
    """Return the document of an account without a position: every field `None` but a notice that says so."""
    said = f"{account.owner} has no position in {account.protocol} {account.market_name}"
    nothing = {field.name: None for field in fields(Target)}
    return {"schema": SCHEMA, **nothing, "notices": [{"name": "no-position", "text": said}]}
