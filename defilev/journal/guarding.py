"""What the guard keeps in the journal: leases, decisions, what it remembers of each account, and what holds it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import delete, insert, select, update

from defilev.journal import leasing, tables
from defilev.journal.reading import JournalReader
from defilev.journal.sealing import now
from defilev.journal.values import Held, Switch
from defilev.journal.writing import Journal
from defilev.model.codec import canonical_json, to_document
from defilev.model.guard import Decision
from defilev.model.request import Address

__all__ = ["GuardJournal", "decisions_of", "leases_of", "memory_of", "switches_of"]


class GuardJournal:
    """The guard's part of an open journal. Each method is one transaction, durable when it returns."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def hold(self, *, chain: str, accounts: Iterable[Address], holder: str, seconds: float) -> tuple[Held, ...]:
        """Take or renew leases, see `leasing.hold`."""
        with self.journal.writing() as writer:
            return leasing.hold(writer.connection, chain=chain, accounts=accounts, holder=holder, seconds=seconds)

    def let_go(self, *, holder: str) -> None:
        """End every lease of `holder`."""
        with self.journal.writing() as writer:
            leasing.let_go(writer.connection, holder=holder)

    def remember(self, held: Held, name: str, document: str) -> None:
        """Keep what is to be known about an account at the next tick; raises `LeaseLost`."""
        memory = tables.guard_memory
        where = (memory.c.chain == held.chain, memory.c.name == name)
        values = {"epoch": held.epoch, "updated_at": now(), "document": document}
        with self.journal.writing() as writer:
            leasing.require_held(writer.connection, held)
            changed = writer.connection.execute(update(memory).where(*where).values(values))
            if changed.rowcount == 0:
                writer.connection.execute(insert(memory).values(chain=held.chain, name=name, **values))

    def decided(self, held: Held, decision: Decision) -> int:
        """Write down a decision; return its number. Raises `LeaseLost`."""
        with self.journal.writing() as writer:
            leasing.require_held(writer.connection, held)
            number = writer.next_id(tables.guard_decision)
            row = {
                "id": number,
                "run": decision.run,
                "chain": held.chain,
                "name": decision.account,
                "verdict": decision.verdict,
                "block_number": decision.block.number,
                "block_time": decision.block.timestamp,
                "document": canonical_json(to_document(decision)),
            }
            writer.put(tables.guard_decision, row, run=decision.run)
        return number

    def led_to(self, number: int, run: int) -> None:
        """Write down which run a decision led to."""
        with self.journal.writing() as writer:
            writer.change(tables.guard_decision, {"id": number}, {"run": run}, run=run)

    def switch(self, switch: Switch) -> None:
        """Hold an account, or everything."""
        with self.journal.writing() as writer:
            writer.connection.execute(delete(tables.guard_switch).where(tables.guard_switch.c.name == switch.name))
            row = {"name": switch.name, "state": switch.state, "why": switch.why, "at": switch.at}
            writer.connection.execute(insert(tables.guard_switch).values(row))

    def release(self, name: str) -> bool:
        """No longer hold what has that name; tell whether it was held."""
        with self.journal.writing() as writer:
            gone = writer.connection.execute(delete(tables.guard_switch).where(tables.guard_switch.c.name == name))
        return bool(gone.rowcount)


def memory_of(journal: JournalReader, *, chain: str) -> dict[str, str]:
    """Return by account what was remembered of it, as it was written."""
    memory = tables.guard_memory.c
    with journal.reading() as connection:
        wanted = select(memory.name, memory.document).where(memory.chain == chain)
        return {row.name: row.document for row in connection.execute(wanted)}


def switches_of(journal: JournalReader) -> tuple[Switch, ...]:
    """Return everything that is held."""
    with journal.reading() as connection:
        found = connection.execute(select(tables.guard_switch).order_by(tables.guard_switch.c.name)).mappings()
        return tuple(Switch(**row) for row in found)


def leases_of(journal: JournalReader) -> list[dict[str, Any]]:
    """Return the leases: who holds which account, since which epoch and until when."""
    with journal.reading() as connection:
        wanted = select(tables.lease).order_by(tables.lease.c.chain, tables.lease.c.account)
        return [dict(row) for row in connection.execute(wanted).mappings()]


def decisions_of(
    journal: JournalReader, *, run: int | None = None, name: str | None = None, last: int | None = None
) -> list[dict[str, Any]]:
    """Return decisions, the newest first: those that led to `run`, those about the account `name`, or all."""
    decision = tables.guard_decision.c
    asked = ((decision.run, run), (decision.name, name))
    where = [column == value for column, value in asked if value is not None]
    with journal.reading() as connection:
        wanted = select(tables.guard_decision).where(*where).order_by(decision.id.desc()).limit(last)
        return [dict(row) for row in connection.execute(wanted).mappings()]
