"""The lines of `defilev watch --json`, each a `defilev/watch@1` document; docs/json.md describes every field."""

from __future__ import annotations

from typing import Any

from defilev.report.health_json import health_document
from defilev.report.watch import Watched, age_of

__all__ = ["watch_document"]


def watch_document(watched: Watched, *, now: int) -> dict[str, Any]:
    """Return one line. Figures are told once, when they are new: one that is not fresh has no accounts."""
    block, failure = watched.chain.block, watched.failure
    health = health_document(watched.report)
    return {
        "schema": "defilev/watch@1",
        "at": watched.looked_at,
        "fresh": failure is None,
        "block": {"number": block.number, "hash": block.hash, "timestamp": block.timestamp},
        "age": age_of(watched, now=now),
        "failure": None
        if failure is None
        else {"error": type(failure).__name__, "fact": failure.fact, "failures": watched.failures},
        "accounts": health["accounts"] if failure is None else [],
        "without_position": health["without_position"] if failure is None else [],
    }
