"""A small file beside a SQLite journal that remembers its last event: a journal that has lost commits is found."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Witness"]

_WIDTH = 20


@dataclass(frozen=True, slots=True)
class Witness:
    """Keeps the number and the hash of the newest event that some process committed.

    It is written after the commit, so it may be behind the journal and never ahead of it: a journal that ends before
    its witness was cut short, restored from a copy, or lost its write-ahead log. PostgreSQL has
    none (`path` is `None`).
    """

    path: Path | None

    @classmethod
    def beside(cls, journal: Path | None) -> Witness:
        """Return the witness of a journal's file."""
        return cls(None if journal is None else journal.with_name(journal.name + "-head"))

    def note(self, seq: int, digest: str) -> None:
        """Remember an event. A disk that refuses costs the witness, not the journal."""
        if self.path is None:
            return
        with suppress(OSError):
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            try:
                os.pwrite(descriptor, f"{seq:0{_WIDTH}d} {digest}\n".encode(), 0)
            finally:
                os.close(descriptor)

    def read(self) -> tuple[int, str] | None:
        """Return what was remembered, `None` when there is nothing readable."""
        if self.path is None:
            return None
        try:
            seq, digest = self.path.read_text(encoding="ascii").split()
            return int(seq), digest
        except (OSError, ValueError):
            return None
