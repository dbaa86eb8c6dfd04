"""A guard that runs for minutes behind a node that fails: it neither grows, nor falls over, nor leaves a gap untold."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.soaking import soak
from tests.support.world import own_world

pytestmark = [pytest.mark.world, pytest.mark.full]

SECONDS = 180
MEGABYTES = 8.0
"""What a process of a hundred megabytes may drift by in three minutes."""


def test_three_minutes_of_faults_leave_the_guard_as_it_was(tmp_path: Path) -> None:
    """It acts, reads again after every failure, tells of each tick that failed or was missed, and does not grow."""
    with own_world(tmp_path / "world") as world:
        found = soak(world, tmp_path, seconds=SECONDS, seed=1)

    assert 0 == found.unhandled, found.log[-2000:]
    assert [] == found.unaccounted
    assert found.faults > 50
    assert found.actions > 0
    assert MEGABYTES > found.growth
