"""Failures as text and as parts of documents. Shows no secret and no control character."""

from __future__ import annotations

import re
from typing import Any

from defilev.chain.redaction import redact_urls
from defilev.errors import DefilevError

__all__ = ["anchor", "failure_fields", "printable", "text_of"]


def anchor(name: str) -> str:
    """Return where docs/errors.md describes a class: `RpcTimeout` is `rpc-timeout`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


def failure_fields(error: DefilevError) -> dict[str, Any]:
    """Return what a document says of a failure: its class, its code, the fact with its numbers as strings, one fix."""
    name = type(error).__name__
    return {
        "error": name,
        "exit_code": error.exit_code,
        "fact": text_of(error.fact),
        "facts": {key: text_of(value) for key, value in error.facts.items()},
        "fix": printable(error.fix),
        "docs": f"docs/errors.md#{anchor(name)}",
    }


def text_of(value: object) -> str:
    """Return a value on one line, with the secret parts of URLs masked."""
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(text_of(item) for item in value)
    return redact_urls(printable(str(value)))


def printable(text: str) -> str:
    """Return `text` on one line, without what a terminal would act on."""
    spaced = " ".join(text.split())
    return "".join(character for character in spaced if character.isprintable())
