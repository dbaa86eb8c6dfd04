"""Failures as people and programs read them: a fact, its numbers, one fix. Shows no secret and no control character."""

from __future__ import annotations

import sys
import traceback
from typing import Any

from defilev.chain.redaction import redact_urls
from defilev.errors import ConditionBreached, Declined, DefilevError
from defilev.report.failure import anchor, failure_fields, printable, text_of

__all__ = ["describe", "failure_document", "unexpected"]

_WIDEST = 24
"""Facts with a longer name than this are not what the others are aligned with."""
_PREFIXES: dict[type[DefilevError], str] = {ConditionBreached: "condition breached", Declined: "declined"}


def describe(error: DefilevError) -> tuple[str, list[str]]:
    """Return the prefix of the first line, and all lines without it."""
    prefix = next((word for kind, word in _PREFIXES.items() if isinstance(error, kind)), "error")
    facts = {name.replace("_", " "): text_of(value) for name, value in error.facts.items()}
    if prefix == "error":
        facts["docs"] = f"docs/errors.md#{anchor(type(error).__name__)}"
    width = max((len(name) for name in facts if len(name) <= _WIDEST), default=0)
    lines = [f"  {name:{width}}  {value}" for name, value in facts.items()]
    return prefix, [text_of(error.fact), *lines, f"fix: {printable(error.fix)}"]


def failure_document(error: DefilevError) -> dict[str, Any]:
    """Return the JSON document of a failure; numbers are strings."""
    return {"schema": "defilev/error@1", **failure_fields(error)}


def unexpected(error: BaseException, *, is_verbose: bool) -> DefilevError:
    """Return a defect of ours as an error; with -v its traceback, without the values of variables, goes to stderr."""
    if is_verbose:
        sys.stderr.write(redact_urls("".join(traceback.format_exception(error))))
    said = text_of(error)
    fact = f"unexpected {type(error).__name__}" + (f": {said}" if said else "")
    fix = "report this with the command and the lines above" if is_verbose else "run it again with -v and report it"
    return DefilevError(fact, fix=fix)
