"""What the journal tells; changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from sqlalchemy import LABEL_STYLE_TABLENAME_PLUS_COL, Connection, Engine, Table, func, or_, select

from defilev.errors import JournalDamaged, UnknownName
from defilev.journal import engines, tables
from defilev.journal.schema import VERSION
from defilev.journal.sealing import check_seals
from defilev.journal.values import LIVE, Finding, OpenAttempt, Reserved
from defilev.journal.witness import Witness

__all__ = ["JournalReader"]

RowData = dict[str, Any]


class JournalReader:
    """An open journal. Every method may raise `JournalUnusable` or `JournalDamaged`.

    Args:
        shown: where it is, without secrets.
        content: the digest of the file before it was opened, `None` when it says nothing.
    """

    def __init__(self, engine: Engine, shown: str, witness: Witness, *, content: str | None = None) -> None:
        self._engine = engine
        self._content = content
        self._witness = witness
        self.shown = shown

    @property
    def version(self) -> str:
        """The schema's version."""
        return VERSION

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def head(self) -> tuple[int, str]:
        """Return the number and the hash of the last event: an outside copy of it proves later that nothing is lost."""
        with self.reading() as connection:
            found = connection.execute(select(tables.head.c.seq, tables.head.c.hash)).one()
        return found.seq, found.hash

    def runs(self, *, last: int | None = None) -> list[RowData]:
        """Return the runs, the newest first, each with its outcome's columns and its number of transactions."""
        run, outcome, plan = tables.run.c, tables.outcome.c, tables.plan.c
        sent = select(func.count()).where(tables.intent.c.run == run.id, tables.intent.c.nonce.is_not(None))
        live = sent.where(tables.intent.c.state.in_(LIVE))
        promised = select(plan.promised_health_factor).where(plan.run == run.id).order_by(plan.id.desc()).limit(1)
        wanted = select(
            tables.run,
            outcome.got_health_factor,
            promised.scalar_subquery().label("promised_health_factor"),
            sent.scalar_subquery().label("transactions"),
            live.scalar_subquery().label("open"),
        ).join_from(tables.run, tables.outcome, isouter=True)
        with self.reading() as connection:
            return [dict(row) for row in connection.execute(wanted.order_by(run.id.desc()).limit(last)).mappings()]

    def run(self, number: int) -> dict[str, Any]:
        """Return everything about one run: its row, and the rows of every other table that belong to it.

        Raises:
            UnknownName: the journal has no such run.
        """
        with self.reading() as connection:
            found = connection.execute(select(tables.run).where(tables.run.c.id == number)).mappings().one_or_none()
            if found is None:
                raise UnknownName(f"the journal has no run {number}", fix="`defilev journal ls` lists the runs")
            return {"run": dict(found), **dict(_of_run(connection, number))}

    def outcomes(self) -> list[RowData]:
        """Return the outcome of every finished run with the run's columns, the oldest first.

        `fills` are its swaps, and `quote` is the currency of its values.
        """
        wanted = select(tables.run, tables.outcome).join_from(tables.run, tables.outcome).order_by(tables.run.c.id)
        with self.reading() as connection:
            outcomes = [dict(row) for row in connection.execute(wanted).mappings()]
            fills = [dict(row) for row in connection.execute(select(tables.fill)).mappings()]
            plans = connection.execute(select(tables.plan.c.run, tables.plan.c.document)).all()
        quotes = {run: json.loads(document).get("quote", "USD") for run, document in plans}
        return [
            {**row, "fills": [fill for fill in fills if fill["run"] == row["id"]], "quote": quotes.get(row["id"])}
            for row in outcomes
        ]

    def open_attempts(self, *, chain: str | None = None, account: str | None = None) -> tuple[OpenAttempt, ...]:
        """Return what may still land and what landed and is not yet final, in the order in which it was signed."""
        attempt, intent = tables.attempt.c, tables.intent.c
        watched = attempt.settled.in_(("included", "reverted"))
        wanted = (
            select(tables.attempt, tables.intent, tables.run.c.mode)
            .join_from(tables.attempt, tables.intent)
            .join(tables.run)
            .where(or_(attempt.settled.is_(None), watched), *_of(chain, account))
            .order_by(intent.run, attempt.nonce, attempt.number)
            .set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL)
        )
        with self.reading() as connection:
            return tuple(_open_attempt(connection, row) for row in connection.execute(wanted).mappings())

    def reserved(self, *, chain: str | None = None, account: str | None = None) -> tuple[Reserved, ...]:
        """Return the nonces that were reserved and not signed for."""
        wanted = select(tables.intent).where(tables.intent.c.state == "NONCE_RESERVED", *_of(chain, account))
        with self.reading() as connection:
            rows = connection.execute(wanted.order_by(tables.intent.c.run)).mappings().all()
        return tuple(
            Reserved(
                intent=row["id"],
                fields=json.loads(row["fields"]),
                **{
                    name: row[name]
                    for name in ("run", "step", "position", "chain", "chain_id", "account", "nonce", "epoch")
                },
            )
            for row in rows
        )

    def signed_since(self, since: str, *, chain_id: int, account: str) -> dict[int, set[int]]:
        """Return by run the steps that a transaction was signed for since a time, as `sealing.now` writes it."""
        intent, run = tables.intent.c, tables.run.c
        wanted = (
            select(intent.run, intent.step)
            .join_from(tables.intent, tables.run)
            .where(intent.chain_id == chain_id, intent.account == account, intent.created_at >= since)
            .where(run.mode == "broadcast", intent.nonce.is_not(None))
        )
        found: dict[int, set[int]] = {}
        with self.reading() as connection:
            for row in connection.execute(wanted):
                found.setdefault(row.run, set()).add(row.step)
        return found

    def documents(self, run: int) -> tuple[str, str]:
        """Return the account as it was before a run, and the run's newest plan, as JSON."""
        seen, plan = tables.observation.c, tables.plan.c
        before = select(seen.document).where(seen.run == run).order_by(seen.id).limit(1)
        newest = select(plan.document).where(plan.run == run).order_by(plan.id.desc()).limit(1)
        with self.reading() as connection:
            return str(connection.execute(before).scalar_one()), str(connection.execute(newest).scalar_one())

    def verify(self, *, head: str | None = None) -> tuple[Finding, ...]:
        """Return everything that shows that the journal is not what was written, nothing when it is whole.

        Args:
            head: the hash of an event that an earlier `head()` told, which must still be there.
        """
        try:
            with self.reading() as connection:
                return tuple(self._findings(connection, head))
        except JournalDamaged as damaged:
            return (Finding("file", damaged.fact),)
        except (KeyError, TypeError) as error:
            return (Finding("file", f"a value is not what its column holds: {type(error).__name__}"),)

    def export(self) -> dict[str, Any]:
        """Return every row of every table, as plain data."""
        seq, digest = self.head()
        with self.reading() as connection:
            content = {
                table.name: [dict(row) for row in connection.execute(_ordered(table)).mappings()]
                for table in (*tables.SEALED, tables.event)
            }
        return {"version": VERSION, "head": {"seq": seq, "hash": digest}, "tables": content}

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One transaction that sees the journal at one instant."""
        with engines.translated(self.shown), self._engine.begin() as connection:
            yield connection

    def _findings(self, connection: Connection, head: str | None) -> Iterator[Finding]:
        if connection.dialect.name == "sqlite":
            for (said,) in connection.exec_driver_sql("PRAGMA integrity_check"):
                if said != "ok":
                    yield Finding("file", said)
        yield from check_seals(connection)
        known = {row.hash: row.seq for row in connection.execute(select(tables.event.c.hash, tables.event.c.seq))}
        if head is not None and head not in known:
            yield Finding("head", f"no event has the hash {head}: the journal was cut short or rewritten")
        yield from self._witness.findings(known, self._content)


def _of_run(connection: Connection, number: int) -> Iterator[tuple[str, list[RowData]]]:
    """Yield the rows of one run, table by table."""
    of_run = select(tables.intent.c.id).where(tables.intent.c.run == number)
    attempts = select(tables.attempt.c.hash).where(tables.attempt.c.intent.in_(of_run))
    plans = select(tables.plan.c.id).where(tables.plan.c.run == number)
    conditions = {
        "step": tables.step.c.plan.in_(plans),
        "attempt": tables.attempt.c.intent.in_(of_run),
        "receipt": tables.receipt.c.hash.in_(attempts),
    }
    for table in tables.SEALED[1:]:
        if table.name not in conditions and "run" not in table.c:
            continue
        condition = conditions[table.name] if table.name in conditions else table.c.run == number  # noqa: SIM401 - some have no such column
        yield table.name, [dict(row) for row in connection.execute(_ordered(table).where(condition)).mappings()]
    yield "event", [dict(row) for row in connection.execute(_ordered(tables.event)).mappings() if _is_of(row, number)]


def _is_of(event: Any, number: int) -> bool:
    """Tell whether an event is of a run; its detail names the run of every row but the run's own."""
    if event["subject"] == "run":
        return bool(event["key"] == str(number))
    return bool(json.loads(event["detail"]).get("run") == number)


def _ordered(table: Table) -> Any:
    return select(table).order_by(*table.primary_key.columns)


def _of(chain: str | None, account: str | None) -> list[Any]:
    asked = ((tables.intent.c.chain, chain), (tables.intent.c.account, account))
    return [column == value for column, value in asked if value is not None]


def _open_attempt(connection: Connection, row: Any) -> OpenAttempt:
    receipt = tables.receipt.c
    newest = select(receipt.block_number, receipt.block_hash).where(receipt.hash == row["attempt_hash"])
    is_included = row["attempt_settled"] is not None
    known = connection.execute(newest.order_by(receipt.block_number.desc())).first() if is_included else None
    return OpenAttempt(
        run=row["intent_run"],
        intent=row["intent_id"],
        step=row["intent_step"],
        state=row["intent_state"],
        position=row["intent_position"],
        chain=row["intent_chain"],
        chain_id=row["intent_chain_id"],
        account=row["intent_account"],
        nonce=row["attempt_nonce"],
        number=row["attempt_number"],
        hash=row["attempt_hash"],
        raw=row["attempt_raw"],
        purpose=row["attempt_purpose"],
        mode=row["run_mode"],
        max_fee_per_gas=row["attempt_max_fee"],
        max_priority_fee_per_gas=row["attempt_tip"],
        sent_count=row["attempt_sent_count"],
        sent_first_at=row["attempt_first_sent"],
        last_result=row["attempt_last_result"],
        deadline_block=row["intent_deadline_block"],
        cap_wei=row["intent_cap_wei"],
        epoch=row["intent_epoch"],
        observed_block=row["intent_observed_block"],
        included_in=None if known is None else (known.block_number, known.block_hash),
    )
