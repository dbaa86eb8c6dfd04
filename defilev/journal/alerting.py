"""Alerts in the journal: what people were told, when, and whether it reached them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import select

from defilev.journal import tables
from defilev.journal.reading import JournalReader
from defilev.journal.sealing import now
from defilev.journal.writing import Journal
from defilev.model.codec import canonical_json
from defilev.model.guard import Alert

__all__ = ["AlertState", "Alerted", "alerted", "alerts_of"]

AlertState = Literal["raised", "repeated", "escalated", "resolved"]
"""Where an alert stands among those about the same thing: the first, again after a while, to more people, or over."""


@dataclass(frozen=True, slots=True)
class Alerted:
    """An alert that was handed to its sinks; `deliveries` says by sink what came of it: `sent`, or why not.

    `chain_id` is `None` when it is about no chain.
    """

    alert: Alert
    state: AlertState
    deliveries: Mapping[str, str]
    chain_id: int | None = None


def alerted(journal: Journal, told: Alerted) -> int:
    """Write down an alert and what came of sending it; return its number."""
    alert = told.alert
    with journal.writing() as writer:
        number = writer.next_id(tables.guard_alert)
        row = {
            "id": number,
            "at": now(),
            **{name: getattr(alert, name) for name in ("severity", "kind", "account", "text")},
            "state": told.state,
            "chain_id": told.chain_id,
            "facts": canonical_json([list(fact) for fact in alert.facts]),
            "deliveries": canonical_json(dict(told.deliveries)),
        }
        writer.put(tables.guard_alert, row)
    return number


def alerts_of(journal: JournalReader, *, since: str = "", kind: str | None = None) -> list[dict[str, Any]]:
    """Return the alerts since a time, as `sealing.now` writes it, the newest first.

    `facts`, pairs in their order, and `deliveries` are decoded.
    """
    alert = tables.guard_alert.c
    wanted = select(tables.guard_alert).where(alert.at >= since)
    if kind is not None:
        wanted = wanted.where(alert.kind == kind)
    with journal.reading() as connection:
        rows = connection.execute(wanted.order_by(alert.id.desc())).mappings().all()
    return [{**row, **{name: json.loads(row[name]) for name in ("facts", "deliveries")}} for row in rows]
