"""The `defilev/alert@1` document, which a webhook is sent; docs/json.md describes every field."""

from __future__ import annotations

from typing import Any

from defilev.model.guard import Alert

__all__ = ["alert_document", "alert_sentence"]


def alert_document(alert: Alert, *, state: str, at: int, host: str, held_back: int = 0) -> dict[str, Any]:
    """Return the document.

    Args:
        at: Unix time of telling.
        host: the machine that tells.
        held_back: how often the same was not told since the last time.
    """
    return {
        "schema": "defilev/alert@1",
        "at": at,
        "host": host,
        "state": state,
        "severity": alert.severity,
        "kind": alert.kind,
        "account": alert.account,
        "text": alert_sentence(alert, state=state),
        "facts": [{"name": name, "value": value} for name, value in alert.facts],
        "held_back": held_back,
    }


def alert_sentence(alert: Alert, *, state: str) -> str:
    """Return an alert on one line: its severity, where it stands, whom it is about, what is so."""
    stands = "" if state == "raised" else f" ({state})"
    about = "" if alert.account is None else f" {alert.account}:"
    return f"{alert.severity.upper()}{stands}{about} {alert.text}"
