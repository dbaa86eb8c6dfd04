"""Failures as people and programs read them: a fact, its numbers, one fix. Shows no secret and no control character."""

from __future__ import annotations

import re
import sys
import traceback
from typing import Any

from defilev.chain.redaction import redact_urls
from defilev.errors import ConditionBreached, Declined, DefilevError

__all__ = ["anchor", "describe", "failure_document", "text_of", "unexpected"]

_PREFIXES: dict[type[DefilevError], str] = {ConditionBreached: "condition breached", Declined: "declined"}


def anchor(name: str) -> str:
    """Return where docs/errors.md describes a class: `RpcTimeout` is `rpc-timeout`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


def describe(error: DefilevError) -> tuple[str, list[str]]:
    """Return the prefix of the first line, and all lines without it."""
    prefix = next((word for kind, word in _PREFIXES.items() if isinstance(error, kind)), "error")
    facts = {name.replace("_", " "): text_of(value) for name, value in error.facts.items()}
    if prefix == "error":
        facts["docs"] = f"docs/errors.md#{anchor(type(error).__name__)}"
    width = max((len(name) for name in facts), default=0)
    lines = [f"  {name:{width}}  {value}" for name, value in facts.items()]
    return prefix, [text_of(error.fact), *lines, f"fix: {_printable(error.fix)}"]


def failure_document(error: DefilevError) -> dict[str, Any]:
    """Return the JSON document of a failure; numbers are strings."""
    name = type(error).__name__
    return {
        "schema": "defilev/error@1",
        "error": name,
        "exit_code": error.exit_code,
        "fact": text_of(error.fact),
        "facts": {key: text_of(value) for key, value in error.facts.items()},
        "fix": _printable(error.fix),
        "docs": f"docs/errors.md#{anchor(name)}",
    }


def unexpected(error: BaseException, *, is_verbose: bool) -> DefilevError:
    """Return a defect of ours as an error; with -v its traceback, without the values of variables, goes to stderr."""
    if is_verbose:
        sys.stderr.write(redact_urls("".join(traceback.format_exception(error))))
    said = text_of(error)
    fact = f"unexpected {type(error).__name__}" + (f": {said}" if said else "")
    fix = "report this with the command and the lines above" if is_verbose else "run it again with -v and report it"
    return DefilevError(fact, fix=fix)


def text_of(value: object) -> str:
    """Return a value on one line, with the secret parts of URLs masked."""
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(text_of(item) for item in value)
    return redact_urls(_printable(str(value)))


def _printable(text: str) -> str:
    spaced = " ".join(text.split())
    return "".join(character for character in spaced if character.isprintable())
