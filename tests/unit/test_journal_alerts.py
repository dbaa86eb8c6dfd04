"""Alerts in the journal, on SQLite and PostgreSQL, and a journal from before there were guards."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from defilev.errors import JournalDamaged
from defilev.journal import Journal, Place, alerted, alerts_of, engines, open_journal, place_of, schema
from defilev.journal.sealing import Writer
from defilev.journal.witness import Witness
from tests.support.journals import an_alert, sent


def of_first_schema(place: Place) -> Journal:
    """Return a journal with the tables of the first schema only."""
    if place.file is not None:
        place.file.touch(mode=0o600)
    engine = engines.writing(place.file, place.url)
    with engine.begin() as connection:
        schema._migrate(connection, "0001")
        writer = Writer(connection)
        writer.vouch_for_schema("0001")
        writer.close()
    return Journal(engine, place.shown, Witness(place.file))


def test_alerts_are_found_by_kind_and_time(journal: Journal) -> None:
    """What people were told, the newest first, and what came of each delivery."""
    alerted(journal, an_alert())
    alerted(journal, an_alert("repeated", deliveries={"ops": "failed: HTTP 503"}))
    alerted(journal, an_alert(kind="tick-missed", account=None))
    newest, oldest = alerts_of(journal, kind="trigger-fired")

    assert ("repeated", {"ops": "failed: HTTP 503"}) == (newest["state"], newest["deliveries"])
    assert ("raised", {"ops": "sent"}) == (oldest["state"], oldest["deliveries"])
    assert [["health factor", "1.210"]] == oldest["facts"]
    assert 2 == len(alerts_of(journal, since=newest["at"]))
    assert [] == alerts_of(journal, since="9999")


@pytest.mark.parametrize(
    "statement",
    ["UPDATE guard_alert SET severity = 'info'", "UPDATE guard_alert SET deliveries = '{}'", "DELETE FROM guard_alert"],
)
def test_alerts_are_sealed(place: Place, statement: str) -> None:
    """What people were told, and whether it reached them, cannot be changed behind the journal's back."""
    with open_journal(place) as journal:
        alerted(journal, an_alert())
    tamper(place, statement)

    with pytest.raises(JournalDamaged):
        open_journal(place)


def test_an_older_journal_is_brought_up_to_date(place: Place) -> None:
    """It keeps what it has, takes alerts from then on, and is whole after."""
    with of_first_schema(place) as old:
        sent(old)
        head = old.head()[1]
    with open_journal(place) as journal:
        alerted(journal, an_alert())

        assert 1 == len(journal.runs())
        assert 1 == len(alerts_of(journal))
        assert () == journal.verify(head=head)


def test_an_older_journal_that_was_altered_is_not_brought_up_to_date(tmp_path: Path) -> None:
    """Making it new would vouch for tables that somebody changed; SQLite keeps the text that tells."""
    place = place_of(tmp_path / "journal.db")
    with of_first_schema(place) as old:
        sent(old)
    tamper(place, "CREATE TRIGGER quiet AFTER INSERT ON attempt BEGIN DELETE FROM attempt; END")

    with pytest.raises(JournalDamaged, match="not as they were made"):
        open_journal(place)


def tamper(place: Place, statement: str) -> None:
    """Change a journal behind its back."""
    engine = create_engine(place.url or f"sqlite:///{place.file}")
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()
