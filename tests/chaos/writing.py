"""A process that writes journal entries as fast as it can, says which are durable, and is killed at it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, event

from defilev.journal import Journal, open_journal, place_of
from tests.chaos.job import Job
from tests.support.journals import a_receipt, a_reservation, an_attempt, begun

__all__ = ["STEPS_PER_TICK", "protect"]

STEPS_PER_TICK = 25
"""Steps of SQLite's machine between two of its progress calls."""

ENTRIES = 200


def protect(job: Job, at: Callable[[str], None]) -> None:
    """Write entry after entry; with `kill_at` "commit", end at the `kill_pass`-th progress call of the database."""
    if job.kill_at == "commit":
        event.listen(Engine, "connect", _killing(job.kill_pass))
    with open_journal(place_of(job.journal)) as journal:
        at("opened")
        for number in range(ENTRIES):
            _entry(journal, number)


def _entry(journal: Journal, number: int) -> None:
    """Write one transaction's life; after each step, say up to where the journal is durable."""
    attempt = an_attempt(1000 + number)
    run = begun(journal)
    _say(journal)
    intent = journal.reserve(a_reservation(run, nonce=1000 + number))
    _say(journal)
    journal.sign(intent, attempt)
    _say(journal)
    sys.stderr.write(f"handing over {attempt.hash}\n")
    journal.handed_over(attempt.hash, "OK")
    _say(journal)
    journal.included(attempt.hash, a_receipt(101 + number))
    _say(journal)


def _say(journal: Journal) -> None:
    sys.stderr.write(f"durable {journal.head()[0]}\n")


def _killing(ticks: int) -> Callable[[Any, Any], None]:
    passed = 0

    def tick() -> int:
        nonlocal passed
        passed += 1
        if passed >= ticks:
            os.kill(os.getpid(), signal.SIGKILL)
        return 0

    def connected(connection: Any, _record: Any) -> None:
        connection.set_progress_handler(tick, STEPS_PER_TICK)

    return connected
