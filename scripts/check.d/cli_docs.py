"""docs/cli.md is what `--help` says of every command; --write makes it so."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import Any

from _files import ROOT

WIDTH = "100"
PAGE = ROOT / "docs" / "cli.md"
HEAD = """\
# The command line

Written by `python scripts/check.d/cli_docs.py --write` from the commands themselves; `scripts/check` fails when it is
not. What the words mean: `defilev help glossary`. What can go wrong: [errors.md](errors.md). What `--json`
prints: [json.md](json.md).

Results go to stdout, everything else to stderr. The options of `defilev` itself may stand before or after the command.
Nothing is signed or sent unless it is asked for by name.
"""


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of a command and of all below it, in the order of --help."""
    yield path
    for name in group.list_commands(None) if hasattr(group, "commands") else ():
        yield from commands(group.commands[name], (*path, name))


def spoken(path: tuple[str, ...]) -> str:
    """Return what `--help` prints."""
    from defilev.cli.app import main

    heard = io.StringIO()
    with redirect_stdout(heard):
        code = main([*path, "--help"])
    if code:
        sys.exit(f"defilev {' '.join(path)} --help ended with {code}")
    return "\n".join(line.rstrip() for line in heard.getvalue().strip("\n").splitlines()).strip("\n")


def page() -> str:
    """Return the whole page."""
    from defilev.cli.app import root_command

    parts = [HEAD]
    for path in commands(root_command()):
        title = " ".join(("defilev", *path))
        parts.append(f"{'#' * (len(path) + 2)} `{title}`\n\n```text\n{spoken(path)}\n```\n")
    return "\n".join(parts)


def main() -> int:
    """Compare, or write; return the exit code."""
    os.environ |= {"COLUMNS": WIDTH, "TERMINAL_WIDTH": WIDTH, "NO_COLOR": "1", "TERM": "dumb"}
    wanted = page()
    if "--write" in sys.argv[1:]:
        PAGE.write_text(wanted, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != wanted:
        print("docs/cli.md: is not what --help says: run python scripts/check.d/cli_docs.py --write")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
