"""A row notices when its defence is gone; `scripts/chaos --mutants` takes all of them away."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.mutating import notices
from tests.chaos.rows import ROWS
from tests.support.world import World

pytestmark = pytest.mark.world

FAST = {"F5": 0, "F48": 1}
"""Rows, and which of their mutants is tried."""


@pytest.mark.parametrize("name", FAST)
def test_without_its_defence_a_row_fails(world_session: World, tmp_path: Path, name: str) -> None:
    """The trial of a row that cannot fail would be no evidence."""
    folder = Path(world_session.description["address_book"]).parent
    mutant = ROWS[name].mutants[FAST[name]]

    assert notices(ROWS[name], mutant, world=folder, folder=tmp_path, each=10, seed=1).is_noticed
