"""The guard's part of the journal: leases that one process holds, a fence for the others, memory and switches."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from defilev.errors import LeaseLost
from defilev.guard.deciding import decide
from defilev.guard.holders import is_gone, new_holder
from defilev.guard.leases import Leases
from defilev.guard.memory import Memory
from defilev.guard.reading import Spending
from defilev.journal import (
    EVERYTHING,
    GuardJournal,
    Held,
    Journal,
    Switch,
    decisions_of,
    leases_of,
    memory_of,
    open_journal,
    place_of,
    switches_of,
)
from tests.support.guards import a_reading, a_rule
from tests.support.journals import ACCOUNT, CHAIN, a_reservation, begun


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Return a new journal."""
    with open_journal(place_of(tmp_path / "journal.db")) as opened:
        yield opened


def hold(journal: Journal, holder: str, *, seconds: float = 60) -> tuple[Held, ...]:
    return GuardJournal(journal).hold(chain=CHAIN, accounts=[ACCOUNT], holder=holder, seconds=seconds)


def test_one_of_two_guards_holds_an_account(journal: Journal) -> None:
    """The first takes it and renews it under the same epoch; the second gets nothing while it lasts."""
    assert (Held(CHAIN, ACCOUNT, 1),) == hold(journal, "first")
    assert () == hold(journal, "second")
    assert (Held(CHAIN, ACCOUNT, 1),) == hold(journal, "first")


def test_a_lease_that_expired_is_taken_over_with_a_higher_epoch(journal: Journal) -> None:
    """A guard that no longer renews is followed by the next one; one that ends says so and is followed at once."""
    hold(journal, "first", seconds=0.01)
    time.sleep(0.05)
    assert (Held(CHAIN, ACCOUNT, 2),) == hold(journal, "second")
    GuardJournal(journal).let_go(holder="second")
    time.sleep(0.01)
    assert (Held(CHAIN, ACCOUNT, 3),) == hold(journal, "third")


def test_a_woken_guard_writes_nothing(journal: Journal) -> None:
    """What an older epoch remembers, decides or reserves is refused, and leaves no row."""
    (old,) = hold(journal, "first", seconds=0.01)
    run = begun(journal)
    time.sleep(0.05)
    hold(journal, "second")
    guarding = GuardJournal(journal)
    decision = decide(a_rule(), a_reading(), Memory(), spent=Spending()).decision

    with pytest.raises(LeaseLost):
        guarding.remember(old, "main", "{}")
    with pytest.raises(LeaseLost):
        guarding.decided(old, decision, rules="0")
    with pytest.raises(LeaseLost):
        journal.reserve(a_reservation(run, epoch=old.epoch))
    assert ({}, [], ()) == (memory_of(journal, chain=CHAIN), decisions_of(journal), journal.reserved())


def test_the_holder_reserves_under_its_epoch(journal: Journal) -> None:
    """A reservation carries the epoch of the lease it was made under; a person's carries none and needs none."""
    (held,) = hold(journal, "first")
    journal.reserve(a_reservation(begun(journal), epoch=held.epoch))

    assert [1] == [reserved.epoch for reserved in journal.reserved()]


def test_the_lease_is_renewed_while_a_tick_is_at_work(journal: Journal) -> None:
    """An action that takes longer than a lease lasts keeps it; when the guard ends, a standby need not wait."""
    leases = Leases(GuardJournal(journal), chain=CHAIN, seconds=0.3)
    leases.take([ACCOUNT])
    time.sleep(0.8)
    assert () == hold(journal, "second")
    leases.release(lambda _: None)
    time.sleep(0.01)
    assert 2 == hold(journal, "second")[0].epoch
    assert ["second"] == [lease["holder"] for lease in leases_of(journal)]


def test_a_decision_is_sealed_and_leads_to_its_run(journal: Journal) -> None:
    """Decisions are part of the chain of events, with the digest of the rules behind them."""
    (held,) = hold(journal, "first")
    guarding = GuardJournal(journal)
    decision = decide(a_rule(), a_reading("100000"), Memory(), spent=Spending()).decision
    number = guarding.decided(held, decision, rules="ab" * 32)
    run = begun(journal)
    guarding.led_to(number, run)

    (found,) = decisions_of(journal, run=run)
    assert ("main", "act", run) == (found["name"], found["verdict"], found["run"])
    assert "ab" * 32 in found["document"]
    assert () == journal.verify()


def test_switches_are_thrown_and_taken_back(journal: Journal) -> None:
    """A switch holds until it is released, and one that is not thrown cannot be."""
    guarding = GuardJournal(journal)
    guarding.switch(Switch(EVERYTHING, "paused", "by hand", "2026-01-01T00:00:00"))
    guarding.switch(Switch(EVERYTHING, "halted", "a foreign nonce", "2026-01-01T00:00:01"))

    assert [("*", "halted")] == [(each.name, each.state) for each in switches_of(journal)]
    assert guarding.release(EVERYTHING)
    assert not guarding.release(EVERYTHING)
    assert () == switches_of(journal)


def test_a_dead_process_of_this_host_holds_nothing(journal: Journal) -> None:
    """What was killed is followed at once by the next start; a process that lives, or is elsewhere, keeps its lease."""
    dead = subprocess.Popen([sys.executable, "-c", "pass"])
    dead.wait()
    numbered = new_holder().split(":")
    gone = ":".join((*numbered[:2], str(dead.pid), "0"))
    elsewhere = ":".join(("another-host", *numbered[1:2], str(dead.pid), "0"))
    alive = ":".join((*numbered[:2], str(os.getppid()), "0"))

    assert [True, False, False, False] == [is_gone(gone), is_gone(elsewhere), is_gone(alive), is_gone("first")]
    assert hold(journal, alive)
    waiting = Leases(GuardJournal(journal), chain=CHAIN, seconds=60)
    assert {} == waiting.take([ACCOUNT])
    GuardJournal(journal).let_go(holder=alive)
    assert hold(journal, gone)
    assert [ACCOUNT] == list(waiting.take([ACCOUNT]))
    waiting.release(lambda said: None)
