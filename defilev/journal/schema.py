"""The journal's schema version, and bringing a database to it; alembic is loaded only when there is something to do."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, select, table, text
from sqlalchemy.sql import column

from defilev.errors import JournalDamaged, JournalUnusable
from defilev.journal import tables
from defilev.journal.sealing import Writer, is_as_made

__all__ = ["VERSION", "require_current", "upgrade"]

VERSION = "0002"
"""The newest migration's; `docs/journal.md` lists them."""

KNOWN = ("0001", VERSION)
"""All that can be read or brought up to date."""

_LOCK = 0x6465_6669_6C65_76
"""The advisory lock that one of several starting processes takes."""

_GUARDS = ("one_live_per_account", "one_live_per_position")


def version_of(connection: Connection) -> str | None:
    """Return the schema version of a database, `None` for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    stored = table("alembic_version", column("version_num"))
    return str(connection.execute(select(stored.c.version_num)).scalar())


def upgrade(engine: Engine) -> None:
    """Create the tables, or bring them up to date; raises `JournalUnusable` for a schema of a newer defilev."""
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        found = version_of(connection)
        if found != VERSION:
            _require_older(found)
            if found is not None:
                _require_as_made(connection)
            _migrate(connection)
            writer = Writer(connection)
            writer.vouch_for_schema(VERSION)
            writer.close()
        _require_guards(connection)


def require_current(engine: Engine) -> bool:
    """Tell whether there is a journal; raises `JournalUnusable` for one of another version."""
    with engine.begin() as connection:
        found = version_of(connection)
    if found is None:
        return False
    _require_older(found)
    if found != VERSION:
        raise JournalUnusable(
            "an older defilev made the journal", fix="it is brought up to date by the next run", found=found
        )
    return True


def _require_older(found: str | None) -> None:
    if found is not None and found not in KNOWN:
        raise JournalUnusable(
            "a newer defilev made the journal", fix="use that version of defilev", found=found, known=VERSION
        )


def _require_as_made(connection: Connection) -> None:
    """Raise `JournalDamaged` when an older journal's tables were altered: bringing it up to date would hide that."""
    if not is_as_made(connection):
        raise JournalDamaged("the journal is not what was written: the tables are not as they were made")


def _require_guards(connection: Connection) -> None:
    """Raise `JournalDamaged` when an index that keeps nonces apart is gone."""
    found = {index["name"] for index in inspect(connection).get_indexes(tables.intent.name) if index["unique"]}
    if missing := [name for name in _GUARDS if name not in found]:
        raise JournalDamaged(f"the journal's index {missing[0]} is missing")


def _migrate(connection: Connection, to: str = "head") -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)
