"""Rows F4 to F7: what a crash, a power cut, a full disk and a damaged file make of the journal."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from defilev.errors import DataError, DefilevError
from defilev.journal import Journal, Place, open_for_reading, open_journal
from tests.chaos.rows.registry import Mutant, Row, Seen, Stage, check
from tests.chaos.trial import Spec, supervise
from tests.support.journals import a_receipt, a_reservation, an_attempt, begun

__all__ = ["ROWS", "written_attempts"]

ENGINES, WRITING, OPENING = (f"defilev/journal/{name}.py" for name in ("engines", "writing", "opening"))


def written_attempts(place: Path) -> set[str]:
    """Return the transactions that a journal knows, whatever became of them."""
    found = open_for_reading(Place(place))
    if found is None:
        return set()
    with found:
        return {attempt["hash"] for run in found.runs() for attempt in found.run(run["id"])["attempt"]}


def killed_in_commit(stage: Stage, random: Random) -> Seen:
    """F4: a writer is killed inside SQLite, or at any instant; what it called durable is there, and whole."""
    place, log = stage.folder / "journal.db", stage.folder / "log"
    if random.random() < 0.75:
        _copy(stage.arena.folder / "blank", place.parent)
    inside = random.random() < 0.5
    kill: dict[str, Any] = {"kill_at": "commit", "kill_pass": random.randrange(1, 400)} if inside else {}
    process = stage.arena.zygote.start(stage.arena.job(role="writer", journal=str(place), log=str(log), **kill))
    if not inside:
        process.wait(random.uniform(0.005, 0.2))
        process.kill()
    process.wait(20)
    said = log.read_text().splitlines() if log.exists() else []
    durable = max((int(line.split()[1]) for line in said if line.startswith("durable ")), default=0)
    handed = {line.split()[2] for line in said if line.startswith("handing over ")}
    try:
        with open_journal(Place(place)) as journal:
            head = journal.head()[0]
        whole = sqlite3.connect(place).execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    except DefilevError as error:
        return Seen((f"it does not open: {error.fact}",))
    wrong = check(
        what_was_durable_is_there=head >= durable,
        the_file_is_whole=whole,
        every_transaction_handed_over_is_known=handed <= written_attempts(place),
    )
    return Seen(wrong, {"durable entries": durable, "killed": float(process.code == -9)})


def power_cut(stage: Stage, random: Random) -> Seen:
    """F5: the power goes before any of the side effects; what the disk surely has knows everything handed over."""
    place = stage.folder / "journal.db"
    _copy(stage.arena.folder / "blank", place.parent)
    copies: list[tuple[Path, set[str]]] = []
    handed: set[str] = set()
    with open_journal(Place(place)) as journal:
        for number in range(random.randrange(1, 4)):
            attempts = [an_attempt(10 * number + extra) for extra in range(random.randrange(1, 4))]
            intent = journal.reserve(a_reservation(begun(journal), nonce=number))
            for attempt in attempts:
                journal.sign(intent, attempt)
                handed.add(attempt.hash)  # from here on a node may have it
                copies.append((_disk(journal, stage.folder / f"cut-{len(copies)}"), set(handed)))
                journal.handed_over(attempt.hash, random.choice(["OK", "UNKNOWN"]))
                copies.append((_disk(journal, stage.folder / f"cut-{len(copies)}"), set(handed)))
            journal.included(random.choice(attempts).hash, a_receipt(101 + number))
    lost = [copy.name for copy, known in copies if not known <= _after_power(copy)]
    return Seen(tuple(f"a transaction is forgotten in {name}" for name in lost), {"cuts": len(copies)})


def _disk(journal: Journal, folder: Path) -> Path:
    """Copy what the disk surely has: the log only when every commit waits until it is there."""
    with journal.reading() as connection:
        is_synced = connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    source = Path(journal.shown)
    folder.mkdir(mode=0o700)
    for name in (source.name, f"{source.name}-head", *([f"{source.name}-wal"] if is_synced else [])):
        if (source.parent / name).exists():
            shutil.copy2(source.parent / name, folder / name)
    return folder


def _after_power(folder: Path) -> set[str]:
    """Return what the journal knows after the restart; nothing when it does not open."""
    with suppress(DefilevError):
        open_journal(Place(folder / "journal.db")).close()
        return written_attempts(folder / "journal.db")
    return set()


def full_disk(stage: Stage, random: Random) -> Seen:
    """F6: the disk is full at some write; nothing is sent that is not written, and with room again the run goes on."""
    arena = stage.arena
    arena.begin()
    with arena.mining():
        process = arena.zygote.start(arena.job(largest_file=random.randrange(20_000, 520_000)))
        code = process.wait(20)
        was_sent = bool(arena.pool.sent)
        unwritten = set(arena.pool.sent) - written_attempts(arena.journal)
        codes = supervise(arena, Spec())
    truth = arena.truth()
    wrong = check(
        what_is_sent_is_written=not unwritten,
        **{f"exit code {code}": code in (0, 9 if was_sent else 4)},
        it_goes_on_when_there_is_room=codes[-1] == 0 and not truth.is_missed,
        nothing_is_done_twice=not truth.is_duplicate,
    )
    return Seen(wrong, {"full": float(code != 0)})


def damaged(stage: Stage, random: Random) -> Seen:
    """F7: the file is read-only, open to others, cut short or has other bytes; nothing is signed, exit code 4."""
    arena = stage.arena
    arena.begin()
    how = _damage(arena.journal, random)
    with arena.mining():
        code = arena.zygote.start(arena.job()).wait(20)
    explained = how in ("read-only", "open to others") or _explains(arena.journal)
    truth = arena.truth()
    wrong = check(
        **{f"{how}, it refuses with exit code 4, not {code}": code == 4},
        nothing_is_signed=not arena.pool.sent and not truth.nonces_used,
        it_says_what_is_wrong=explained,
    )
    return Seen(wrong)


def _damage(place: Path, random: Random) -> str:
    """Damage a closed journal with something in it; return how."""
    with open_journal(Place(place)) as journal:
        for number in range(3):
            intent = journal.reserve(a_reservation(begun(journal), nonce=number, account="0x" + "11" * 20))
            journal.sign(intent, an_attempt(number))
            journal.handed_over(an_attempt(number).hash, "OK")
            journal.included(an_attempt(number).hash, a_receipt(101 + number))
    whole = place.read_bytes()
    how = random.choice(["read-only", "open to others", "cut short", "other bytes", "other bytes", "other bytes"])
    if how in ("read-only", "open to others"):
        place.chmod(0o400 if how == "read-only" else 0o644)
    elif how == "cut short":
        place.write_bytes(whole[: random.randrange(len(whole))])
    else:
        width = random.choice([1, 4, 16, 64])
        start = random.randrange(len(whole) - width)
        other = bytes(byte ^ random.randrange(1, 256) for byte in whole[start : start + width])
        place.write_bytes(whole[:start] + other + whole[start + width :])
    return how


def _explains(place: Path) -> bool:
    """Tell whether reading the journal refuses it, or verifying it finds something."""
    try:
        found = open_for_reading(Place(place))
        if found is None:
            return False
        with found:
            return found.verify() != ()
    except DataError as error:
        return bool(error.fact and error.fix)


def _copy(source: Path, folder: Path) -> None:
    for file in source.iterdir():
        shutil.copy2(file, folder / file.name)
    folder.chmod(0o700)


ROWS = (
    Row(
        "F4",
        "kill −9 during a commit of the journal",
        "the writer ends itself in SQLite's progress callback, or is killed after 5 to 200 ms; a quarter while the "
        "journal is being made",
        "the journal opens, is whole, and has everything that was called durable",
        killed_in_commit,
        (Mutant(ENGINES, 'connection.exec_driver_sql("BEGIN IMMEDIATE")', "connection.info"),),
        quick=6,
    ),
    Row(
        "F5",
        "power cut around a send",
        "the files are copied after each commit, without the log unless commits wait for it; the copy is opened",
        "every transaction that was handed over is in the journal",
        power_cut,
        (
            Mutant(ENGINES, '"PRAGMA synchronous = FULL"', '"PRAGMA synchronous = OFF"'),
            Mutant(ENGINES, '"PRAGMA synchronous = FULL"', '"PRAGMA synchronous = NORMAL"'),
        ),
    ),
    Row(
        "F6",
        "the disk is full",
        "the system lets no file grow beyond 20 to 520 kB, which meets any write of the run",
        "exit code 4, nothing is sent that is not written, and with room again the run is finished once",
        full_disk,
        (
            Mutant(
                "defilev/execute/attempting.py",
                "    desk.ledger.signed(signed, purpose=purpose)\n",
                "    with suppress(JournalUnusable):\n        desk.ledger.signed(signed, purpose=purpose)\n",
                (
                    Mutant(
                        "defilev/execute/attempting.py",
                        "from defilev.errors import PolicyViolation, SignerUnreachable\n",
                        "from contextlib import suppress\n\n"
                        "from defilev.errors import JournalUnusable, PolicyViolation, SignerUnreachable\n",
                    ),
                ),
            ),
        ),
    ),
    Row(
        "F7",
        "the journal is read-only, open to others, cut short, or has other bytes",
        "mode 0400 or 0644, cut at a random byte, or 1 to 64 bytes changed",
        "exit code 4 before anything is signed, and a verification that says what is wrong",
        damaged,
        (Mutant(OPENING, "    if findings:\n", "    if False:\n"),),
    ),
)
