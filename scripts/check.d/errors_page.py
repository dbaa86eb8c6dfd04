"""docs/errors.md has one section for each class of error that begins with what the class says; --write sees to it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from _files import ROOT

from defilev import errors
from defilev.errors import DefilevError
from defilev.report.failure import anchor

PAGE = ROOT / "docs" / "errors.md"
SECTION = re.compile(r"(?m)^## ")


def heading(kind: type[DefilevError]) -> str:
    """Return the heading whose anchor the error message names: `RpcTimeout` is `Rpc timeout`."""
    return anchor(kind.__name__).replace("-", " ").capitalize()


def opening(kind: type[DefilevError]) -> str:
    """Return the line that a section begins with."""
    sentence = (kind.__doc__ or "").strip().splitlines()[0]
    return f"`{kind.__name__}` · exit code {kind.exit_code} · {sentence}"


def tree(kind: type[DefilevError]) -> Iterator[type[DefilevError]]:
    """Yield a class of the package and those below it, in the order in which they are written."""
    yield kind
    for below in kind.__subclasses__():
        if below.__module__.startswith(errors.__name__):
            yield from tree(below)


def corrected(page: str) -> str:
    """Return the page with every section there, in the order of the tree, its first line true, its own words kept."""
    head, *sections = SECTION.split(page)
    kept = {section.partition("\n")[0].strip(): section.partition("\n")[2] for section in sections}
    parts = [head]
    for kind in tree(DefilevError):
        own_words = kept.get(heading(kind), "").strip().partition("\n")[2].strip()
        parts.append(f"## {heading(kind)}\n\n{opening(kind)}\n" + (f"\n{own_words}\n" if own_words else "") + "\n")
    return "".join(parts).rstrip() + "\n"


def main(path: Path = PAGE) -> int:
    """Compare, or write; return the exit code."""
    page = path.read_text(encoding="utf-8") if path.exists() else "# Errors\n\n"
    wanted = corrected(page)
    if "--write" in sys.argv[1:]:
        path.write_text(wanted, encoding="utf-8")
    elif page != wanted:
        print(f"{path.relative_to(ROOT)}: is not what errors say: run python scripts/check.d/errors_page.py --write")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
