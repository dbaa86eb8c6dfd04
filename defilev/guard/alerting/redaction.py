"""Alerts without secrets: URLs lose their keys, and what looks like a private key is not told. Pure."""

from __future__ import annotations

import re
from dataclasses import replace

from defilev.chain.redaction import redact_urls
from defilev.model.guard import Alert

__all__ = ["redacted"]

_KEY = re.compile(r"(?<![0-9a-fA-F])(?:0x)?[0-9a-fA-F]{64}(?![0-9a-fA-F])")
_HASHES = frozenset({"block_hash", "plan", "plan_hash", "transaction", "transactions"})
"""Facts that may name hashes, which look like keys."""


def redacted(alert: Alert) -> Alert:
    """Return the alert as it may be shown to anybody, on one line each."""
    facts = tuple((name, _clean(value, may_have_hashes=name in _HASHES)) for name, value in alert.facts)
    return replace(alert, text=_clean(alert.text, may_have_hashes=False), facts=facts)


def _clean(text: str, *, may_have_hashes: bool) -> str:
    shown = redact_urls("".join(letter if letter.isprintable() else " " for letter in text))
    return shown if may_have_hashes else _KEY.sub("••••", shown)
