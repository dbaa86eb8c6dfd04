"""Every relative link of a Markdown page leads to a file, and every #anchor to a heading."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from _files import ROOT, files, report, text

FENCE = re.compile(r"^ {0,3}(```|~~~)")
LINK = re.compile(r"\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)|^\[[^\]]+\]:\s+(\S+)")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$")
OUTSIDE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def prose(page: str) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines of a page that are not inside a code block."""
    fence = None
    for number, line in enumerate(page.splitlines(), 1):
        mark = FENCE.match(line)
        if mark and fence in (None, mark[1]):
            fence = None if fence else mark[1]
        elif fence is None:
            yield number, line


def anchors(page: str) -> set[str]:
    """Return the anchors that a page's headings get, as the usual renderers make them."""
    found: set[str] = set()
    for _, line in prose(page):
        if heading := HEADING.match(line):
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1])
            slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
            repeats = sum(1 for other in found if re.fullmatch(rf"{re.escape(slug)}(-\d+)?", other))
            found.add(f"{slug}-{repeats}" if repeats else slug)
    return found


def problem(page: Path, target: str) -> str | None:
    """Return what is wrong with a link, None if nothing is."""
    if OUTSIDE.match(target):
        return None
    name, _, anchor = target.partition("#")
    path = (ROOT / name.lstrip("/") if name.startswith("/") else page.parent / name) if name else page
    if not path.exists():
        return f"no such file: {target}"
    if anchor and path.suffix == ".md" and anchor not in anchors(text(path)):
        return f"no such heading: {target}"
    return None


def broken() -> Iterator[tuple[Path, int, str]]:
    """Yield every link that leads nowhere."""
    for page in files("*.md"):
        for number, line in prose(text(page)):
            for link in LINK.finditer(re.sub(r"`[^`]*`", "", line)):
                if wrong := problem(page, link[1] or link[2]):
                    yield page, number, wrong


if __name__ == "__main__":
    sys.exit(report(broken()))
