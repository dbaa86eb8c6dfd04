"""The journal's file: private, whole, writable, or nothing is signed."""

from __future__ import annotations

import random
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from defilev.errors import DataError, JournalDamaged, JournalUnusable
from defilev.journal import Journal, open_for_reading, open_journal, place_of
from tests.support.journals import a_receipt, a_reservation, an_attempt, an_outcome, begun, sent

TICKER = """
import sys
from pathlib import Path
from defilev.journal import open_journal, place_of
from tests.support.journals import sent
journal = open_journal(place_of(Path(sys.argv[1])))
_, transaction = sent(journal)
print("ready", flush=True)
while True:
    journal.handed_over(transaction, "OK")
    print(journal.head()[0], flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where there is no journal yet, nor its folder."""
    return tmp_path / "data" / "journal.db"


def written(path: Path, runs: int = 3) -> tuple[int, str]:
    """Write a journal and return its head."""
    with open_journal(place_of(path)) as journal:
        for nonce in range(runs):
            _, transaction = sent(journal, nonce=nonce)
            journal.included(transaction, a_receipt(100 + nonce))
            journal.finish(nonce + 1, an_outcome())
        return journal.head()


def refused(path: Path) -> DataError:
    """Return why the journal is not opened for writing."""
    with pytest.raises(DataError) as error:
        open_journal(place_of(path)).close()
    return error.value


def test_the_journal_is_its_owners_alone(path: Path) -> None:
    """The folder, the file, its write-ahead log and its witness are closed to others."""
    with open_journal(place_of(path)) as journal:
        sent(journal)
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}

    assert {0o600} == set(modes.values())
    assert {"journal.db", "journal.db-wal", "journal.db-shm", "journal.db-head"} == set(modes)
    assert 0o700 == stat.S_IMODE(path.parent.stat().st_mode)


def test_every_commit_reaches_the_disk(path: Path) -> None:
    """The file is in WAL mode, and a commit is not over before the log is synchronised."""
    with open_journal(place_of(path)) as journal, journal.reading() as connection:
        assert "wal" == connection.exec_driver_sql("PRAGMA journal_mode").scalar()
        assert 2 == connection.exec_driver_sql("PRAGMA synchronous").scalar()
        assert 1 == connection.exec_driver_sql("PRAGMA foreign_keys").scalar()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_journal_that_others_can_read_is_refused(path: Path, mode: int) -> None:
    """It says who does what when; the mode is named, and so is the fix."""
    written(path)
    path.chmod(mode)

    assert f"{mode:04o}" in refused(path).fact


def test_a_read_only_journal_is_refused(path: Path) -> None:
    """Where nothing can be written down nothing is signed; root, who could write anyway, is refused too."""
    written(path)
    path.chmod(0o400)

    assert "read-only" in refused(path).fact


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("/dev/null")], ids=["folder", "link"])
def test_what_is_no_file_is_refused(path: Path, make: Callable[[Path], None]) -> None:
    """A folder or a link in the journal's place is not written through."""
    path.parent.mkdir()
    make(path)

    assert isinstance(refused(path), JournalUnusable)


def test_what_is_no_journal_is_refused(path: Path) -> None:
    """A file of something else is left as it is."""
    path.parent.mkdir()
    path.write_bytes(b"not a database, and long enough to be taken for one" * 40)
    path.chmod(0o600)

    assert isinstance(refused(path), JournalDamaged)
    assert path.read_bytes().startswith(b"not a database")


def test_an_unknown_kind_of_database_is_refused() -> None:
    """SQLite and PostgreSQL are what is tested."""
    with pytest.raises(JournalUnusable, match="neither a file nor PostgreSQL"):
        place_of("mysql://host/journal")


def test_flipped_bytes_are_found(path: Path) -> None:
    """Each of 200 damages to a journal that was closed is found, wherever in the file it is."""
    written(path)
    whole, chance = path.read_bytes(), random.Random(7)
    for width in (1, 4, 16, 64) * 50:
        place = chance.randrange(len(whole) - width)
        bytes_there = bytes(byte ^ chance.randrange(1, 256) for byte in whole[place : place + width])
        path.write_bytes(whole[:place] + bytes_there + whole[place + width :])
        assert 4 == refused(path).exit_code

    path.write_bytes(whole)
    open_journal(place_of(path)).close()


def test_flipped_bytes_of_a_crashed_journal_change_nothing_unseen(path: Path, tmp_path: Path) -> None:
    """Where no clean end was witnessed, what is damaged and still accepted reads as it was written."""
    written(path)
    expected, whole, chance = dump(path), path.read_bytes(), random.Random(7)
    for trial in range(200):
        damaged = tmp_path / f"{trial}.db"
        place = chance.randrange(len(whole) - 16)
        damaged.write_bytes(whole[:place] + chance.randbytes(16) + whole[place + 16 :])
        damaged.chmod(0o600)
        try:
            open_journal(place_of(damaged)).close()
        except DataError:
            continue
        assert expected == dump(damaged)


def dump(path: Path) -> list[str]:
    """Return what a journal says, in SQL."""
    connection = sqlite3.connect(path)
    lines = list(connection.iterdump())
    connection.close()
    return lines


def test_a_journal_put_back_from_a_copy_is_found(path: Path, tmp_path: Path) -> None:
    """An old copy is whole in itself, but it has forgotten what was signed since."""
    written(path)
    shutil.copy(path, tmp_path / "copy.db")
    with open_journal(place_of(path)) as journal:
        sent(journal, nonce=9)
    shutil.copy(tmp_path / "copy.db", path)

    error = refused(path)
    assert isinstance(error, JournalDamaged)
    assert "committed once" in error.fact


def test_a_lost_write_ahead_log_is_found(path: Path, tmp_path: Path) -> None:
    """Commits that were in the log only, and are gone with it, are missed."""
    written(path)
    crashed = tmp_path / "crashed"
    with open_journal(place_of(path)) as journal:
        sent(journal, nonce=9)
        shutil.copytree(path.parent, crashed)
    (crashed / "journal.db-wal").unlink()

    assert isinstance(refused(crashed / "journal.db"), JournalDamaged)


def test_every_state_after_a_commit_opens_whole(path: Path, tmp_path: Path) -> None:
    """Power may go at any commit: a copy of the files then, without a clean end, has all that was committed before."""

    def copied() -> None:
        copies.append(tmp_path / f"copy-{len(copies)}")
        shutil.copytree(path.parent, copies[-1])
        heads.append(journal.head())

    copies: list[Path] = []
    heads: list[tuple[int, str]] = []
    with open_journal(place_of(path)) as journal:
        run = begun(journal)
        copied()
        intent = journal.reserve(a_reservation(run))
        copied()
        journal.sign(intent, an_attempt())
        copied()
        journal.handed_over(an_attempt().hash, "UNKNOWN")
        copied()
        journal.included(an_attempt().hash, a_receipt())
        copied()

    for copy, head in zip(copies, heads, strict=True):
        with open_journal(place_of(copy / "journal.db")) as again:
            assert head == again.head()


@pytest.mark.parametrize("commits", [1, 5, 20])
def test_what_was_committed_survives_a_kill(path: Path, repository: Path, commits: int) -> None:
    """A process that is killed without warning has lost nothing that a method had returned from."""
    child = subprocess.Popen([sys.executable, "-c", TICKER, path], stdout=subprocess.PIPE, text=True, cwd=repository)
    assert child.stdout is not None
    heads = [child.stdout.readline() for _ in range(commits + 1)]
    child.kill()
    rest = child.stdout.read().split()
    child.wait()
    child.stdout.close()

    known = int((rest[:-1] or heads[-1:])[-1])
    with open_journal(place_of(path)) as journal:
        assert known <= journal.head()[0]
        assert () == journal.verify()


@pytest.mark.parametrize("pages", range(4))
def test_a_full_disk_stops_before_the_side_effect(path: Path, pages: int) -> None:
    """A write that does not fit raises and leaves the journal as it was: nothing is signed or sent on it."""
    written(path)
    with open_journal(place_of(path)) as journal:
        fill_the_disk(journal, spare=pages)
        runs = 3
        with pytest.raises(JournalUnusable, match="full"):  # noqa: PT012 - which of them no longer fits is not known
            while runs < 100:
                begun(journal, market="x" * 3000)
                runs += 1

        assert runs == len(journal.runs())
        assert () == journal.verify()


def fill_the_disk(journal: Journal, *, spare: int) -> None:
    """Let the file grow by so many pages and no more."""
    with journal.reading() as connection:
        used = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {used + spare}")


def test_reading_needs_no_leave_to_write(path: Path) -> None:
    """A journal of mode 0400 is read, and its folder is left as it is."""
    head = written(path)
    path.chmod(0o400)
    before = set(path.parent.iterdir())

    reading = open_for_reading(place_of(path))
    assert reading is not None
    assert head == reading.head()
    assert [3, 2, 1] == [run["id"] for run in reading.runs()]
    reading.close()
    assert before >= {file for file in path.parent.iterdir() if not file.name.endswith(("-shm", "-wal"))}
