"""Connections to SQLite and PostgreSQL that commit durably, and their failures in our words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, SQLAlchemyError

from defilev.errors import ExtraMissing, JournalDamaged, JournalUnusable

__all__ = ["reading", "require_durable", "translated", "writing"]

BUSY_SECONDS = 10
"""How long a SQLite connection waits for another writer."""

CONNECT_SECONDS = 5


def writing(file: Path | None, url: str | None) -> Engine:
    """Return an engine whose transactions take the write lock when they begin and are on disk when they end."""
    if file is None:
        return _postgres(url or "")
    engine = create_engine("sqlite+pysqlite://", creator=lambda: _sqlite(file, "rw"), poolclass=_pool())
    event.listen(engine, "connect", _durable)
    event.listen(engine, "begin", _immediate)
    return engine


def reading(file: Path | None, url: str | None) -> Engine:
    """Return an engine that cannot change anything."""
    if file is None:
        return _postgres(url or "").execution_options(postgresql_readonly=True)
    engine = create_engine("sqlite+pysqlite://", creator=lambda: _sqlite(file, "ro"), poolclass=_pool())
    event.listen(engine, "connect", _own_transactions)
    event.listen(engine, "begin", _deferred)
    return engine


def require_durable(engine: Engine) -> None:
    """Raise `JournalUnusable` when a PostgreSQL acknowledges commits before they are on disk."""
    if engine.dialect.name != "postgresql":
        return
    with engine.begin() as connection:
        for name in ("fsync", "full_page_writes"):
            if connection.exec_driver_sql(f"SHOW {name}").scalar() != "on":
                raise JournalUnusable(f"the PostgreSQL of the journal runs with {name} off", fix=f"set {name} = on")


@contextmanager
def translated(shown: str) -> Iterator[None]:
    """Turn what a database raises into `JournalUnusable` or `JournalDamaged`, without statements or values."""
    try:
        yield
    except SQLAlchemyError as error:
        raise _ours(error, shown) from None
    except sqlite3.Error as error:
        raise _told(error, shown) from None
    except ValueError as error:  # text that is no UTF-8, a number that is none
        what = f"a value is not what its column holds: {type(error).__name__}"
        raise JournalDamaged(f"the journal is not what was written: {what}", journal=shown) from None


def _ours(error: SQLAlchemyError, shown: str) -> JournalUnusable | JournalDamaged:
    if isinstance(error, DatabaseError) and error.orig is not None:
        return _told(error.orig, shown)
    return JournalUnusable(f"the journal cannot be used: {type(error).__name__}", journal=shown)


def _told(error: BaseException, shown: str) -> JournalUnusable | JournalDamaged:
    said = (str(error).strip().splitlines() or [type(error).__name__])[0]
    code = getattr(error, "sqlite_errorcode", None)
    is_corrupt = code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
    if is_corrupt or "decode to UTF-8" in said:
        return JournalDamaged(f"the journal is not what was written: {said}", journal=shown)
    return JournalUnusable(f"the journal cannot be used: {said}", journal=shown)


def _postgres(url: str) -> Engine:
    try:
        engine = create_engine(
            url, pool_pre_ping=True, hide_parameters=True, connect_args={"connect_timeout": CONNECT_SECONDS}
        )
    except ModuleNotFoundError as error:
        raise ExtraMissing(
            f"a journal in PostgreSQL needs {error.name}", fix="pip install 'defilev[postgres]'"
        ) from None
    event.listen(engine, "connect", _synchronous)
    return engine


def _pool() -> Any:
    from sqlalchemy.pool import QueuePool

    return QueuePool


def _sqlite(file: Path, mode: str) -> sqlite3.Connection:
    uri = f"{file.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def _own_transactions(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")


def _durable(connection: Any, _record: Any) -> None:
    _own_transactions(connection, _record)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _deferred(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _synchronous(connection: Any, _record: Any) -> None:
    """Wait for the disk, and for synchronous standbys where the server names some; leave stricter settings alone."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        if cursor.fetchone()[0] in ("off", "local", "remote_write"):
            cursor.execute("SET synchronous_commit = on")
    connection.commit()
