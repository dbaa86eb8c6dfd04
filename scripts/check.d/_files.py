"""What the checks share: the files of the repository and how a finding is reported."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def files(*patterns: str) -> Iterator[Path]:
    """Yield the committed and the not yet committed files that match git's patterns (all of them if none)."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in sorted(set(names.split("\0")) - {""}):
        path = ROOT / name
        if path.is_file():
            yield path


def text(path: Path) -> str:
    """Return a file's text, nothing for a binary one."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def report(findings: Iterable[tuple[Path, int, str]]) -> int:
    """Print each finding as path:line: message; return the exit code."""
    count = 0
    for path, line, message in findings:
        print(f"{path.relative_to(ROOT)}:{line}: {message}")
        count += 1
    return 1 if count else 0
