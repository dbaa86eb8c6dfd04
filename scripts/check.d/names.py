"""No file names a package registry's host, a path of one machine or a page that is not in the repository."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from _files import files, report, text

# Written in pieces, so that this file does not name them either.
HOSTS = (
    "pypi|org",
    "pythonhosted|org",
    "registry|npmjs|org",
    "npmjs|com",
    "yarnpkg|com",
    "deb|debian|org",
    "crates|io",
)
FORBIDDEN = {
    "a package registry's host": re.compile("|".join(re.escape(host.replace("|", ".")) for host in HOSTS)),
    "a path of one machine": re.compile(r"(?<![\w.~$}])/(?:work|root)/(?=\w|\.)"),
    "a page outside the repository": re.compile(r"\.\./" + r"shared\b|\breference/[a-z]+\." + r"md\b"),
}


def named() -> Iterator[tuple[Path, int, str]]:
    """Yield every line that names what it must not."""
    for path in files():
        for number, line in enumerate(text(path).splitlines(), 1):
            for what, pattern in FORBIDDEN.items():
                if found := pattern.search(line):
                    yield path, number, f"names {what}: {found[0]}"


if __name__ == "__main__":
    sys.exit(report(named()))
