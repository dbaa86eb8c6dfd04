"""What the guard keeps in the journal: leases, decisions, what it remembers of each account, and what holds it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from defilev.errors import LeaseLost
from defilev.journal import leasing, tables
from defilev.journal.reading import JournalReader
from defilev.journal.sealing import now
from defilev.journal.values import Held, Switch
from defilev.journal.writing import Journal
from defilev.model.codec import canonical_json, to_document
from defilev.model.guard import Decision
from defilev.model.request import Address

__all__ = [
    "GuardJournal",
    "GuardSpending",
    "decisions_of",
    "guard_reverts",
    "guard_spending",
    "leases_of",
    "memories_of",
    "memory_of",
    "switches_of",
]


PIECES = 4
"""Runs that stopped halfway and were gone on from, of which one counts as an action of its own."""


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
        with self.journal.writing() as writer:
            leasing.require_held(writer.connection, held)
            _keep(writer.connection, [(held, name, document)])

    def remember_all(self, memories: Iterable[tuple[Held, str, str]]) -> list[tuple[str, LeaseLost]]:
        """Keep what `remember` keeps for many accounts, in one transaction; return those whose lease is lost.

        Args:
            memories: for each account its lease, its name and the document.
        """
        given = list(memories)
        with self.journal.writing() as writer:
            lost = leasing.require_all_held(writer.connection, (held for held, _, _ in given))
            _keep(writer.connection, [each for each in given if each[0] not in lost])
        return [(name, lost[held]) for held, name, _ in given if held in lost]

    def decided(self, held: Held, decision: Decision, *, rules: str) -> int:
        """Write down a decision and the digest of the rules behind it; return its number. Raises `LeaseLost`."""
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
                "document": canonical_json({"rules": rules, **to_document(decision)}),
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


def _keep(connection: Connection, memories: Sequence[tuple[Held, str, str]]) -> None:
    memory, at = tables.guard_memory, now()
    known = {tuple(row) for row in connection.execute(select(memory.c.chain, memory.c.name))}
    rows = [
        {"of_chain": held.chain, "of_name": name, "epoch": held.epoch, "updated_at": at, "document": document}
        for held, name, document in memories
    ]
    if old := [row for row in rows if (row["of_chain"], row["of_name"]) in known]:
        where = (memory.c.chain == bindparam("of_chain"), memory.c.name == bindparam("of_name"))
        values = (memory.c.epoch, memory.c.updated_at, memory.c.document)
        connection.execute(update(memory).where(*where).values({c: bindparam(c.name) for c in values}), old)
    if new := [row for row in rows if (row["of_chain"], row["of_name"]) not in known]:
        names = {"of_chain": "chain", "of_name": "name"}
        connection.execute(insert(memory), [{names.get(key, key): row[key] for key in row} for row in new])


def memory_of(journal: JournalReader, *, chain: str) -> dict[str, str]:
    """Return by account what was remembered of it, as it was written."""
    memory = tables.guard_memory.c
    with journal.reading() as connection:
        wanted = select(memory.name, memory.document).where(memory.chain == chain)
        return {row.name: row.document for row in connection.execute(wanted)}


def memories_of(journal: JournalReader) -> list[dict[str, Any]]:
    """Return what guards of all chains remembered, as it was written, the newest last."""
    with journal.reading() as connection:
        wanted = select(tables.guard_memory).order_by(tables.guard_memory.c.updated_at)
        return [dict(row) for row in connection.execute(wanted).mappings()]


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


@dataclass(frozen=True, slots=True)
class GuardSpending:
    """What the guard did for a position: actions, debt repaid in quote base units, gas in wei, and when it last did.

    `last_at` is the chain's time of the last action's decision, `None` without one.
    """

    runs: int = 0
    repaid: int = 0
    gas: int = 0
    last_at: int | None = None


def guard_spending(
    journal: JournalReader, *, chain: str, position: tuple[Address, str, str], since: int, but: int | None = None
) -> GuardSpending:
    """Return what the guard sent for a position (owner, protocol, market) since a time of the chain's clock.

    A run that stopped halfway and the one that went on from it are one action, so that a fall that makes one plan after
    another stale does not use the budget of a day up; of those that stopped one in `PIECES` counts all the same. `but`
    is a run that does not count: one that is about to be finished.
    """
    owner, protocol, market = position
    run, seen = tables.run.c, tables.observation.c
    where = (run.kind == "guard", run.chain == chain, run.account == owner, run.protocol == protocol)
    before = select(run.id, run.stage, seen.debt_value, seen.block_time).join_from(tables.run, tables.observation)
    wanted = before.where(*where, run.market == market, seen.role == "before", seen.block_time >= since)
    with journal.reading() as connection:
        rows = connection.execute(wanted.order_by(run.id)).all()
        sent = [row for row in rows if _sent_anything(connection, row.id)]
        counted = [row for row in sent if row.id != but]
        following = {row.id: after.debt_value for row, after in pairwise(sent) if row.stage == "STOPPED"}
        repaid = sum(_repaid(connection, row.id, row.debt_value, after=following.get(row.id)) for row in counted)
        gas = sum(_gas(connection, row.id) for row in counted)
    gone_on = sum(row.id in following for row in counted)
    runs = len(counted) - gone_on + gone_on // PIECES
    return GuardSpending(runs, repaid, gas, max((int(row.block_time) for row in counted), default=None))


def guard_reverts(journal: JournalReader, *, chain: str, position: tuple[Address, str, str], since: int) -> int:
    """Return how many of the guard's transactions for a position were included and reverted.

    Counted are those of runs that were decided on since a time of the chain's clock.
    """
    owner, protocol, market = position
    run, seen, intent = tables.run.c, tables.observation.c, tables.intent.c
    where = (run.kind == "guard", run.chain == chain, run.account == owner, run.protocol == protocol)
    late = select(run.id).join_from(tables.run, tables.observation).where(*where, run.market == market)
    decided = late.where(seen.role == "before", seen.block_time >= since)
    wanted = select(func.count()).select_from(tables.intent)
    with journal.reading() as connection:
        found = wanted.where(intent.run.in_(decided), intent.state.in_(("REVERTED", "REVERTED_FINAL")))
        return int(connection.execute(found).scalar_one())


def _sent_anything(connection: Connection, run: int) -> bool:
    attempt, intent = tables.attempt.c, tables.intent.c
    wanted = select(attempt.hash).join_from(tables.attempt, tables.intent)
    return connection.execute(wanted.where(intent.run == run, attempt.sent_count > 0).limit(1)).first() is not None


def _repaid(connection: Connection, run: int, before: int, *, after: int | None) -> int:
    """Return by how much a run lowered the debt; what it promised where its end was not seen.

    `after` is the debt from which another run went on, `None` when none did.
    """
    if after is not None:
        return max(before - after, 0)
    outcome, plan = tables.outcome.c, tables.plan.c
    got = connection.execute(select(outcome.got_debt).where(outcome.run == run)).scalar()
    if got is None:
        newest = select(plan.document).where(plan.run == run).order_by(plan.id.desc()).limit(1)
        got = int(json.loads(connection.execute(newest).scalar_one())["promise"]["debt_value"])
    return max(before - int(got), 0)


def _gas(connection: Connection, run: int) -> int:
    receipt, attempt, intent = tables.receipt, tables.attempt, tables.intent
    paid = select(receipt.c.fee_paid).join_from(receipt, attempt).join(intent).where(intent.c.run == run)
    return sum(int(fee) for fee in connection.execute(paid).scalars())
