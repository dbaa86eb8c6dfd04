"""The arena of a module's trials, on the local chain that the test process shares."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos.arena import Arena, arena_on
from tests.support.world import World


@pytest.fixture(scope="module")
def arena(world_session: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    """Return the arena; the chain is put back after the module."""
    with arena_on(world_session, tmp_path_factory.mktemp("arena")) as served:
        yield served
