"""The chain of events: every row that is written is vouched for by an event, and every event by the one after it.

A row that was edited, added or removed by anything else than the journal no longer matches its last event, and an event
that was edited no longer matches its successor. It is no signature: whoever rewrites the whole chain, the head and
the witness beside the file is not found. An outside copy of the head (`journal verify --head`) finds that too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, func, insert, select, update

from defilev.abi import keccak
from defilev.journal import tables
from defilev.journal.values import Finding
from defilev.model.codec import canonical_hash, canonical_json

__all__ = ["GENESIS", "Writer", "check_seals", "is_as_made", "key_of", "now", "row_hash", "schema_hash"]

_SCHEMA = "schema"

GENESIS = hashlib.sha256(b"defilev journal").hexdigest()
"""What the first event follows."""


def now() -> str:
    """Return the time as text that sorts."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def key_of(table: Table, row: Mapping[str, Any]) -> str:
    """Return the primary key of a row as text."""
    return "/".join(str(row[column.name]) for column in table.primary_key)


def row_hash(row: Mapping[str, Any]) -> str:
    """Return the digest of a whole row."""
    return canonical_hash(dict(row))


def schema_hash(connection: Connection) -> str:
    """Return the digest of SQLite's own text of every table and index; PostgreSQL rewrites its text, so of no text."""
    if connection.dialect.name != "sqlite":
        return canonical_hash(None)
    made = connection.exec_driver_sql("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name")
    return canonical_hash([list(row) for row in made])


class Writer:
    """Writes of one transaction. Takes the head's row first, so that writers follow one another on any database."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._began_at, self._hash = _locked_head(connection)
        self._seq = self._began_at

    @property
    def head(self) -> tuple[int, str]:
        """The number and the hash of the last event."""
        return self._seq, self._hash

    def next_id(self, table: Table) -> int:
        """Return the number after the largest one."""
        largest = self.connection.execute(select(func.max(table.c.id))).scalar()
        return int(largest or 0) + 1

    def put(self, table: Table, row: Mapping[str, Any], **detail: Any) -> None:
        """Insert a row and vouch for it."""
        self.connection.execute(insert(table).values(row))
        self._vouch(table, {column.name: row.get(column.name) for column in table.columns}, None, detail)

    def change(self, table: Table, key: Mapping[str, Any], values: Mapping[str, Any], **detail: Any) -> None:
        """Change the row of that primary key and vouch for what it has become."""
        where = [table.c[name] == value for name, value in key.items()]
        before = dict(self.connection.execute(select(table).where(*where)).mappings().one())
        self.connection.execute(update(table).where(*where).values(values))
        self._vouch(table, {**before, **values}, before, detail)

    def close(self) -> None:
        """Write the new head."""
        if self._seq != self._began_at:
            self.connection.execute(update(tables.head).values(seq=self._seq, hash=self._hash))

    def _vouch(
        self, table: Table, row: Mapping[str, Any], before: Mapping[str, Any] | None, detail: Mapping[str, Any]
    ) -> None:
        states = {"from_state": _state(before), "to_state": _state(row)}
        said = {"subject": table.name, "key": key_of(table, row), "detail": canonical_json(detail)}
        self._append({**said, **states, "row_hash": row_hash(row)})

    def vouch_for_schema(self, version: str) -> None:
        """Vouch for the tables themselves, just after they were made."""
        said = {"subject": _SCHEMA, "key": version, "detail": "{}", "row_hash": schema_hash(self.connection)}
        self._append({**said, "from_state": None, "to_state": None})

    def _append(self, said: Mapping[str, Any]) -> None:
        event: dict[str, Any] = {"seq": self._seq + 1, "at": now(), **said, "prev_hash": self._hash}
        event["hash"] = canonical_hash(event)
        self.connection.execute(insert(tables.event).values(event))
        self._seq, self._hash = self._seq + 1, event["hash"]


def is_as_made(connection: Connection) -> bool:
    """Tell whether the tables are those that the newest event about them vouched for."""
    about = select(tables.event.c.row_hash).where(tables.event.c.subject == _SCHEMA)
    made = connection.execute(about.order_by(tables.event.c.seq.desc()).limit(1)).scalar()
    return made == schema_hash(connection)


def check_seals(connection: Connection) -> Iterator[Finding]:
    """Yield everything that does not follow from the chain of events."""
    seen: dict[tuple[str, str], str] = {}
    yield from _broken_links(connection, seen)
    made = [seen.pop(vouched) for vouched in list(seen) if vouched[0] == _SCHEMA]
    if not made or made[-1] != schema_hash(connection):
        yield Finding(_SCHEMA, "the tables are not as they were made")
    for table in tables.SEALED:
        yield from _unsealed(connection, table, seen)
    for subject, key in seen:
        yield Finding(f"{subject} {key}", "the row is missing")


def _broken_links(connection: Connection, seen: dict[tuple[str, str], str]) -> Iterator[Finding]:
    last, seq = GENESIS, 0
    for event in connection.execute(select(tables.event).order_by(tables.event.c.seq)).mappings():
        content = dict(event)
        recorded = content.pop("hash")
        if event["seq"] != seq + 1:
            yield Finding(f"event {seq + 1}", "the event is missing")
        elif event["prev_hash"] != last:
            yield Finding(f"event {event['seq']}", "it does not follow the event before it")
        if canonical_hash(content) != recorded:
            yield Finding(f"event {event['seq']}", "it was changed")
        seen[event["subject"], event["key"]] = event["row_hash"]
        last, seq = recorded, event["seq"]
    found = _head(connection)
    if found is None or (found.seq, found.hash) != (seq, last):
        yield Finding("head", f"it is not the last event, {seq}")


def _unsealed(connection: Connection, table: Table, seen: dict[tuple[str, str], str]) -> Iterator[Finding]:
    for row in map(dict, connection.execute(select(table)).mappings()):
        where = (table.name, key_of(table, row))
        vouched = seen.pop(where, None)
        if vouched is None:
            yield Finding(" ".join(where), "no event wrote this row")
        elif vouched != row_hash(row):
            yield Finding(" ".join(where), "the row was changed")
        elif table is tables.attempt and "0x" + keccak(bytes.fromhex(row["raw"][2:])).hex() != row["hash"]:
            yield Finding(" ".join(where), "the hash is not that of the signed bytes")


def _locked_head(connection: Connection) -> tuple[int, str]:
    found = connection.execute(select(tables.head.c.seq, tables.head.c.hash).with_for_update()).one()
    return found.seq, found.hash


def _head(connection: Connection) -> Row[Any] | None:
    return connection.execute(select(tables.head)).one_or_none()


def _state(row: Mapping[str, Any] | None) -> str | None:
    if row is None:
        return None
    state: str | None = row.get("state") or row.get("stage") or row.get("settled")
    return state
