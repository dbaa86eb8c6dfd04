"""A small file beside a SQLite journal that remembers its end: lost commits and flipped bytes are found."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from defilev.journal.values import Finding

__all__ = ["Witness"]

_WIDTH = 20
_UNKNOWN = "-" * 64


@dataclass(frozen=True, slots=True)
class Witness:
    """Keeps the number and the hash of the newest event that was committed, and of the whole file once it was closed.

    It is written after the commit, so it may be behind the journal and never ahead of it: a journal that ends before
    its witness was cut short, restored from a copy, or lost its write-ahead log. PostgreSQL has none (`journal` is
    `None`).
    """

    journal: Path | None

    @property
    def path(self) -> Path | None:
        """The witness's own file."""
        return None if self.journal is None else self.journal.with_name(self.journal.name + "-head")

    def note(self, seq: int, digest: str) -> None:
        """Remember an event, and that the file is no longer the one that was closed."""
        self._write(seq, digest, _UNKNOWN)

    def close(self, seq: int, digest: str) -> None:
        """Remember the whole file, unless somebody else has it open."""
        if self.journal is None or self._has_log():
            return
        with suppress(OSError):
            before = self.journal.stat()
            content = _digest(self.journal)
            after = self.journal.stat()
            if (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size) and not self._has_log():
                self._write(seq, digest, content)

    def content(self) -> str | None:
        """Return the digest of the file now, `None` while commits are in the log beside it.

        It is taken before the journal is opened, which moves what a crash left in the log into the file.
        """
        if self.journal is None or self._has_log():
            return None
        with suppress(OSError):
            return _digest(self.journal)
        return None

    def findings(self, known: dict[str, int], content: str | None) -> Iterator[Finding]:
        """Yield what the journal has lost: `known` are its events, `content` the file's digest, where it is known."""
        remembered = self._read()
        if remembered is None:
            return
        seq, digest, closed = remembered
        if seq > 0 and known.get(digest) != seq:
            yield Finding("head", f"event {seq}, which was committed once, is not in the journal")
        elif content is not None and closed not in (_UNKNOWN, content):
            yield Finding("file", "its bytes are not those that were closed")

    def _has_log(self) -> bool:
        assert self.journal is not None  # noqa: S101 - asked for files only
        log = self.journal.with_name(self.journal.name + "-wal")
        return log.exists() and log.stat().st_size > 0

    def _write(self, seq: int, digest: str, content: str) -> None:
        """Write in place; a disk that refuses costs the witness, not the journal."""
        if self.path is None:
            return
        with suppress(OSError):
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            try:
                os.pwrite(descriptor, f"{seq:0{_WIDTH}d} {digest} {content}\n".encode(), 0)
            finally:
                os.close(descriptor)

    def _read(self) -> tuple[int, str, str] | None:
        """Return what was remembered, `None` when there is nothing readable."""
        if self.path is None:
            return None
        try:
            seq, digest, content = self.path.read_text(encoding="ascii").split()
            return int(seq), digest, content
        except (OSError, ValueError):
            return None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
