"""Sixty processes that are killed at every boundary, at any instant and in a fee bump; `scripts/chaos` counts 1,300."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.arena import Arena
from tests.chaos.rows import CRASHES, ROWS
from tests.chaos.running import run_one

pytestmark = pytest.mark.world

SEED = 5


@pytest.mark.parametrize(("name", "number"), [(name, number) for name in CRASHES for number in range(ROWS[name].quick)])
def test_what_was_killed_is_finished_once(arena: Arena, tmp_path: Path, name: str, number: int) -> None:
    """Nothing is done twice and nothing is missed, whenever a process ends and whatever the node answers meanwhile."""
    trial = run_one(arena, ROWS[name], number=number, seed=SEED, folder=tmp_path / "trial")

    assert () == trial.wrong, f"{ROWS[name].fault} (seed {SEED}):\n{trial.log}"


def test_sixty_are_killed() -> None:
    """Fewer trials than that would say little."""
    assert 60 == sum(ROWS[name].quick for name in CRASHES)
