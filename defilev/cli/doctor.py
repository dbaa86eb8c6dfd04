"""`defilev doctor`: whether everything that defilev needs is there and is what it says. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

import typer

from defilev.cli.context import load, output
from defilev.errors import DataError

if TYPE_CHECKING:
    from defilev.cli.checks import Check
    from defilev.cli.node_checks import NodeFindings
    from defilev.cli.output import Output

__all__ = ["doctor"]

_INDENT = " " * 6
"""As wide as a sign and the gaps on both sides of a name."""

_SIGNS = {"ok": ("✓", "OK"), "warning": ("!", "LOW"), "problem": ("✗", "DANGER")}


def doctor(ctx: typer.Context) -> None:
    """Check Python, anvil, keystores, each node, their agreement, the chain, and the contracts of the address book.

    Exits with 4 when something is wrong; what is merely missing is a warning.
    """
    from defilev.cli.checks import machine_checks
    from defilev.cli.node_checks import node_checks

    loaded = load(ctx)
    out = output(ctx)
    with out.stage("check"):
        found = node_checks(loaded.values)
        checks = [*machine_checks(loaded), *found.checks]
    problems = [check for check in checks if check.result == "problem"]
    if out.json:
        out.document(_document(checks, found))
    else:
        _print(checks, out)
    if problems:
        out.fix(problems[0].fix)
        raise typer.Exit(DataError.exit_code)
    out.next("defilev health 0xADDRESS")


def _print(checks: Sequence[Check], out: Output) -> None:
    width = max(len(check.name) for check in checks)
    for check in checks:
        sign, style = _SIGNS[check.result]
        advice = f" ({check.fix})" if check.result == "warning" and check.fix else ""
        first, *more = _wrapped(check.text + advice, out.width - width - len(_INDENT))
        out.result(f"  {out.ink(sign, style)} {check.name:{width}}  {first}")
        for line in more:
            out.result(f"{_INDENT}{'':{width}}{line}")
    out.result(_count(checks))


def _wrapped(text: str, width: int) -> list[str]:
    return wrap(text, max(width, 20), break_long_words=False, break_on_hyphens=False) or [""]


def _document(checks: Sequence[Check], found: NodeFindings) -> dict[str, object]:
    from defilev.cli.endpoint_checks import node_document

    return {
        "schema": "defilev/doctor@1",
        "problems": sum(check.result == "problem" for check in checks),
        "warnings": sum(check.result == "warning" for check in checks),
        "checks": [
            {"name": check.name, "result": check.result, "text": check.text, "fix": check.fix or None}
            for check in checks
        ],
        "nodes": [node_document(one) for one in found.nodes],
    }


def _count(checks: Sequence[Check]) -> str:
    problems = sum(check.result == "problem" for check in checks)
    warnings = sum(check.result == "warning" for check in checks)
    return f"{_plural(problems, 'problem')}, {_plural(warnings, 'warning')}"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
