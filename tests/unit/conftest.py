"""New journals, in SQLite and in a PostgreSQL that the tests start."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from defilev.journal import Journal, Place, open_journal, place_of
from tests.support import postgres
from tests.support.postgres import Postgres

needs_postgres = pytest.mark.skipif(postgres.binaries() is None, reason=postgres.MISSING)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """Run one PostgreSQL for all tests."""
    with postgres.started() as running:
        yield running


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=needs_postgres)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Return where there is no journal yet."""
    if request.param == "sqlite":
        return place_of(tmp_path / "journal.db")
    return place_of(request.getfixturevalue("server").database(uuid.uuid4().hex))


@pytest.fixture
def journal(place: Place) -> Iterator[Journal]:
    """Open a new journal."""
    with open_journal(place) as opened:
        yield opened
