"""The documents of `defilev guard test-alert` and `defilev guard report`; docs/json.md describes every field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defilev.report.guard_story import Story

__all__ = ["alerts_tried_document", "report_document"]


def alerts_tried_document(deliveries: Mapping[str, str]) -> dict[str, Any]:
    """Return what came of a test by sink."""
    return {
        "schema": "defilev/guard-test-alert@1",
        "sinks": [{"name": name, "sent": said == "sent", "said": said} for name, said in deliveries.items()],
    }


def report_document(story: Story, *, file: str) -> dict[str, Any]:
    """Return what a report is about, and where it was written."""
    return {
        "schema": "defilev/guard-report@1",
        "file": file,
        "since": story.since,
        "until": story.until,
        "accounts": [account.name for account in story.accounts],
        "decisions": sum(len(account.decisions) for account in story.accounts),
        "actions": sum(len(account.actions) for account in story.accounts),
        "alerts": len(story.alerts),
    }
