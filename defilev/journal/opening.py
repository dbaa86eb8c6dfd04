"""Opening the journal: where it is, that it is whole, private, writable and of a known schema; or a refusal."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from defilev.errors import JournalDamaged, JournalUnusable
from defilev.journal import engines, schema
from defilev.journal.reading import JournalReader
from defilev.journal.witness import Witness
from defilev.journal.writing import Journal

__all__ = ["Place", "open_for_reading", "open_journal", "place_of"]

_URL = re.compile(r"(postgres(?:ql)?)(?:\+\w+)?://", re.IGNORECASE)
_SQLITE = "sqlite:///"
_OTHERS = 0o077
_OWNER_WRITES = 0o200


@dataclass(frozen=True, slots=True)
class Place:
    """Where a journal is: a file, or the URL of a PostgreSQL database (a secret)."""

    file: Path | None = None
    url: str | None = None

    @property
    def shown(self) -> str:
        """The place without its secrets."""
        if self.url is None:
            return str(self.file)
        from sqlalchemy.engine import make_url

        return make_url(self.url).render_as_string(hide_password=True)


def place_of(setting: str | Path) -> Place:
    """Return the place that a setting names: a path, `sqlite:///PATH`, or `postgresql://…`.

    Raises:
        JournalUnusable: a URL of another kind.
    """
    text = str(setting)
    if found := _URL.match(text):
        return Place(url="postgresql+psycopg://" + text[found.end() :])
    text = text.removeprefix(_SQLITE)
    if "://" in text:
        raise JournalUnusable("the journal's URL is neither a file nor PostgreSQL",
                              fix="give a path, or postgresql://USER@HOST/DATABASE")  # fmt: skip
    return Place(file=Path(text).expanduser())


def open_journal(place: Place) -> Journal:
    """Open the journal for writing; make it where there is none, and bring an older schema up to date.

    Everything in it is verified first: a journal that was damaged decides nothing.

    Raises:
        JournalUnusable: it cannot be written, others can read it, or a newer defilev made it.
        JournalDamaged: it is not what was written.
        ExtraMissing: the place is a PostgreSQL, and its driver is not installed.
    """
    if place.file is not None:
        _prepare_file(place.file)
    witness = Witness(place.file)
    content = witness.content()
    engine = engines.writing(place.file, place.url)
    try:
        with engines.translated(place.shown):
            engines.require_durable(engine)
            schema.upgrade(engine)
    except BaseException:
        engine.dispose()
        raise
    journal = Journal(engine, place.shown, witness, content=content)
    _require_whole(journal)
    return journal


def open_for_reading(place: Place) -> JournalReader | None:
    """Open the journal without changing it; `None` when there is none yet.

    Raises:
        JournalUnusable: it cannot be read, or its schema is another version's.
    """
    if place.file is not None and not place.file.exists():
        return None
    witness = Witness(place.file)
    content = witness.content()
    engine = engines.reading(place.file, place.url)
    try:
        with engines.translated(place.shown):
            exists = schema.require_current(engine)
    except BaseException:
        engine.dispose()
        raise
    if not exists:
        engine.dispose()
        return None
    return JournalReader(engine, place.shown, witness, content=content)


def _require_whole(journal: Journal) -> None:
    try:
        findings = journal.verify()
    except BaseException:
        journal.close()
        raise
    if findings:
        JournalReader.close(journal)  # which does not take the file as it is for the one that was closed
        raise JournalDamaged(
            f"the journal is not what was written: {findings[0].where}: {findings[0].what}",
            journal=journal.shown,
            findings=len(findings),
        )


def _prepare_file(path: Path) -> None:
    """Make the file for its owner alone, or see that it is so."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        status = os.fstat(descriptor)
        os.close(descriptor)
    except OSError as error:
        raise JournalUnusable(f"the journal {path} cannot be written: {error.strerror}") from None
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
        raise JournalUnusable(f"the journal {path} is not a regular file of yours")
    if not status.st_mode & _OWNER_WRITES:
        raise JournalUnusable(f"the journal {path} is read-only", fix=f"chmod 600 {path}")
    if status.st_mode & _OTHERS:
        mode = stat.S_IMODE(status.st_mode)
        raise JournalUnusable(f"others can read the journal {path} (mode {mode:04o})", fix=f"chmod 600 {path}")
