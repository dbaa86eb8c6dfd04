"""What the journal is told: each method is one transaction, durable when it returns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError, NoResultFound

from defilev.errors import AttemptOpen, JournalDamaged, JournalUnusable, Refused
from defilev.journal import engines, leasing, rows, tables
from defilev.journal.reading import JournalReader
from defilev.journal.sealing import Writer, now
from defilev.journal.values import (
    LIVE,
    TRANSITIONS,
    Held,
    Outcome,
    ReceiptFacts,
    Reservation,
    RunStart,
    SendResult,
    Settlement,
    SignedAttempt,
    Stage,
    State,
)
from defilev.model.account import LendingAccount
from defilev.model.plan import Plan
from defilev.model.simulation import SimulationReport

__all__ = ["Journal"]


class Journal(JournalReader):
    """The journal, open for writing. Raises `JournalUnusable` when a write is not durable: then nothing may be done."""

    def close(self) -> None:
        """Let go of the database, and remember how it was left."""
        head = None
        with suppress(JournalUnusable, JournalDamaged, NoResultFound):
            head = self.head()
        super().close()
        if head is not None:
            self._witness.close(*head)

    def begin(self, start: RunStart) -> int:
        """Write down that a run begins; return its number."""
        with self.writing() as writer:
            number = writer.next_id(tables.run)
            writer.put(tables.run, {**asdict(start), "id": number, "stage": "OBSERVED", "started_at": now()})
        return number

    def observe(self, run: int, account: LendingAccount, *, role: str) -> None:
        """Write down an account as it was read; `role` says when (`before`, `after`)."""
        with self.writing() as writer:
            row = {"id": writer.next_id(tables.observation), "run": run, "role": role, **rows.observation(account)}
            writer.put(tables.observation, row, run=run)

    def plan(self, run: int, plan: Plan) -> None:
        """Write down a plan and its steps."""
        with self.writing() as writer:
            number = writer.next_id(tables.plan)
            writer.put(tables.plan, {"id": number, "run": run, **rows.plan(plan)}, run=run)
            for step in plan.steps:
                writer.put(tables.step, {"plan": number, **rows.step(step)}, run=run)
            writer.change(tables.run, {"id": run}, {"stage": "PLANNED", "plan_hash": plan.hash})

    def simulated(self, run: int, report: SimulationReport) -> None:
        """Write down how a plan did on a fork."""
        with self.writing() as writer:
            row = {"id": writer.next_id(tables.simulation), "run": run, **rows.simulation(report)}
            writer.put(tables.simulation, row, run=run)
            writer.change(tables.run, {"id": run}, {"stage": "SIMULATED"})

    def reserve(self, wanted: Reservation) -> str:
        """Reserve a nonce, before anything is signed for it; return the intent's id.

        Raises:
            AttemptOpen: the account or the position has a live intent, or the nonce is another intent's.
            LeaseLost: the reservation is of a lease that another process has taken over.
        """
        row, at = rows.intent(wanted), now()
        with self.writing() as writer:
            if wanted.epoch:
                leasing.require_held(writer.connection, Held(wanted.chain, wanted.account, wanted.epoch))
            _require_free(writer, wanted)
            try:
                writer.put(tables.intent, {**row, "created_at": at, "updated_at": at}, run=wanted.run)
            except IntegrityError:
                raise AttemptOpen("another process reserved the account's nonce", nonce=wanted.nonce) from None
            if _stage(writer, wanted.run) != "ACTING":
                writer.change(tables.run, {"id": wanted.run}, {"stage": "ACTING"})
        return str(row["id"])

    def sign(self, intent: str, signed: SignedAttempt) -> None:
        """Write down a signed transaction, before it is handed to anybody.

        One that was signed before for a nonce that was given back, to the last byte, becomes this intent's.

        Raises:
            Refused: the intent is past signing, or the transaction is another one's.
        """
        with self.writing() as writer:
            row, earlier = _intent(writer, intent), _attempts(writer, intent)
            place = {"intent": intent, "number": len(earlier) + 1}
            known = select(tables.attempt.c.intent).where(tables.attempt.c.hash == signed.hash)
            owner = writer.connection.execute(known).scalar()
            if owner == intent:
                return
            if owner is None:
                new = {**place, "nonce": row["nonce"], **rows.attempt(signed)}
                writer.put(tables.attempt, new, run=row["run"])
            elif _intent(writer, owner)["state"] == "ABORTED":
                writer.change(tables.attempt, {"hash": signed.hash}, place, run=row["run"])
            else:
                raise Refused("the transaction is another intent's", transaction=signed.hash)
            _move(writer, row, "SIGNED", {"hash": signed.hash})

    def handed_over(self, transaction: str, result: SendResult, *, endpoint: str = "", said: str = "") -> None:
        """Write down that a transaction was handed to a node, and what came of the call."""
        with self.writing() as writer:
            attempt, intent = _attempt(writer, transaction)
            values = {
                "sent_count": attempt["sent_count"] + 1,
                "first_sent": attempt["first_sent"] or now(),
                "last_result": result,
            }
            detail = {"run": intent["run"], "endpoint": endpoint, "said": said}
            writer.change(tables.attempt, {"hash": transaction}, values, **detail)
            if intent["state"] in ("SIGNED", "BROADCAST", "UNKNOWN"):
                state: State = "BROADCAST" if result in ("OK", "KNOWN") else "UNKNOWN"
                _move(writer, intent, state, {"result": result})

    def included(self, transaction: str, receipt: ReceiptFacts) -> None:
        """Write down a canonical receipt: the intent is `MINED`, `REVERTED`, or `CANCELLED` by its own self-cancel."""
        with self.writing() as writer:
            attempt, intent = _attempt(writer, transaction)
            state: State = "MINED" if receipt.succeeded else "REVERTED"
            if attempt["purpose"] == "cancel":
                state = "CANCELLED"
            is_new = _put_receipt(writer, transaction, receipt, intent["run"])
            if not is_new and intent["state"] in (state, "VERIFIED", "REVERTED_FINAL"):
                return
            if intent["state"] not in (*LIVE, "ABORTED"):
                intent = _move(writer, intent, "REORGED", {"hash": transaction})
            _move(writer, intent, state, {"hash": transaction, "block": receipt.block_number})
            for other in _attempts(writer, intent["id"]):
                ended = ("included" if receipt.succeeded else "reverted") if other == transaction else "replaced"
                writer.change(tables.attempt, {"hash": other}, {"settled": ended}, run=intent["run"])

    def confirmed(self, intent: str, *, depth: int) -> None:
        """Write down that a receipt has so many blocks on top of its own."""
        with self.writing() as writer:
            row = _intent(writer, intent)
            final: dict[State, State] = {"MINED": "VERIFIED", "REVERTED": "REVERTED_FINAL"}
            if (state := final.get(row["state"])) is not None:
                _move(writer, row, state, {"depth": depth})

    def reorged(self, intent: str, *, why: str) -> None:
        """Write down that what was included is no longer: every attempt of the nonce may land again."""
        with self.writing() as writer:
            row = _move(writer, _intent(writer, intent), "REORGED", {"why": why})
            for transaction in _attempts(writer, intent):
                writer.change(tables.attempt, {"hash": transaction}, {"settled": None}, run=row["run"])

    def foreign(self, intent: str, *, by: str, why: str) -> None:
        """Write down that a transaction which is not ours used the nonce: the intent is halted, and so said once."""
        with self.writing() as writer:
            row = _intent(writer, intent)
            if row["state"] == "HALTED":
                return
            _move(writer, row, "HALTED", {"by": by, "why": why})
            for transaction in _attempts(writer, intent):
                writer.change(tables.attempt, {"hash": transaction}, {"settled": "foreign"}, run=row["run"])

    def settle(self, transaction: str, settlement: Settlement, *, why: str) -> None:
        """Write down that an attempt can no longer land, or needs no more watching."""
        with self.writing() as writer:
            _, intent = _attempt(writer, transaction)
            writer.change(tables.attempt, {"hash": transaction}, {"settled": settlement}, run=intent["run"], why=why)

    def release(self, intent: str, *, why: str) -> None:
        """Give a nonce back that nothing of ours was sent for; what was signed for it stays among the open attempts.

        Raises:
            Refused: a transaction was handed to a node.
        """
        with self.writing() as writer:
            row = _intent(writer, intent)
            where = (tables.attempt.c.intent == intent, tables.attempt.c.sent_count > 0)
            if writer.connection.execute(select(tables.attempt.c.hash).where(*where)).first() is not None:
                raise Refused("a nonce that a transaction was sent for is not given back", nonce=row["nonce"])
            _move(writer, row, "ABORTED", {"why": why, "nonce": row["nonce"]}, nonce=None)

    def move(self, intent: str, state: State, *, why: str) -> None:
        """Change an intent's state; raises `Refused` for a change that is not among `TRANSITIONS`."""
        with self.writing() as writer:
            _move(writer, _intent(writer, intent), state, {"why": why})

    def finish(self, run: int, outcome: Outcome) -> None:
        """Write down what a run came to."""
        with self.writing() as writer:
            row = {name: value for name, value in asdict(outcome).items() if name != "fills"}
            writer.put(tables.outcome, {"run": run, **row}, run=run)
            for fill in outcome.fills:
                writer.put(tables.fill, {"run": run, **asdict(fill)}, run=run)
            writer.change(tables.run, {"id": run}, {"stage": "DONE", "ended_at": now()})

    def stop(self, run: int, why: str, *, stage: Stage = "STOPPED") -> None:
        """Write down that a run ended before its end, and why."""
        with self.writing() as writer:
            writer.change(tables.run, {"id": run}, {"stage": stage, "ended_at": now(), "stopped_by": why})

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """One transaction: all of it is durable afterwards, or none of it is written."""
        with engines.translated(self.shown), self._engine.begin() as connection:
            writer = Writer(connection)
            yield writer
            writer.close()
        self._content = None
        self._witness.note(*writer.head)


def _require_free(writer: Writer, wanted: Reservation) -> None:
    intent = tables.intent.c
    same = (intent.chain == wanted.chain, intent.account == wanted.account)
    live = select(tables.intent).where(*same, intent.state.in_(LIVE))
    if row := writer.connection.execute(live).mappings().first():
        raise AttemptOpen(
            f"the account has a transaction of journal #{row['run']} that may still land",
            nonce=row["nonce"],
            state=row["state"],
        )
    used = select(tables.intent).where(*same, intent.nonce == wanted.nonce)
    if row := writer.connection.execute(used).mappings().first():
        raise AttemptOpen(f"journal #{row['run']} used this nonce already", nonce=wanted.nonce, state=row["state"])


def _stage(writer: Writer, run: int) -> Stage:
    stage: Stage = writer.connection.execute(select(tables.run.c.stage).where(tables.run.c.id == run)).scalar_one()
    return stage


def _intent(writer: Writer, number: str) -> Mapping[str, Any]:
    return dict(writer.connection.execute(select(tables.intent).where(tables.intent.c.id == number)).mappings().one())


def _attempt(writer: Writer, transaction: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    wanted = select(tables.attempt).where(tables.attempt.c.hash == transaction)
    found = dict(writer.connection.execute(wanted).mappings().one())
    return found, _intent(writer, found["intent"])


def _attempts(writer: Writer, intent: str) -> list[str]:
    wanted = select(tables.attempt.c.hash).where(tables.attempt.c.intent == intent)
    return list(writer.connection.execute(wanted.order_by(tables.attempt.c.number)).scalars())


def _put_receipt(writer: Writer, transaction: str, receipt: ReceiptFacts, run: int) -> bool:
    """Insert a receipt; tell whether it is new."""
    key = (tables.receipt.c.hash == transaction, tables.receipt.c.block_hash == receipt.block_hash)
    if writer.connection.execute(select(tables.receipt.c.hash).where(*key)).first() is not None:
        return False
    row = {**asdict(receipt), "hash": transaction, "succeeded": int(receipt.succeeded)}
    writer.put(tables.receipt, row, run=run)
    return True


def _move(
    writer: Writer, intent: Mapping[str, Any], state: State, detail: Mapping[str, Any], **values: Any
) -> dict[str, Any]:
    before: State = intent["state"]
    if state not in TRANSITIONS[before]:
        raise Refused(f"an intent that is {before} does not become {state}", run=intent["run"], step=intent["step"])
    changed = {"state": state, "updated_at": now(), **values}
    writer.change(tables.intent, {"id": intent["id"]}, changed, run=intent["run"], **detail)
    return {**intent, **changed}
