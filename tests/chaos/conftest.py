"""The arena of a module's trials, on a local chain of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos.arena import Arena, arena_on
from tests.support.world import World, own_world


@pytest.fixture(scope="module")
def world_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Serve a chain for one module: anvil loses states after some thousand blocks, and a reorganisation needs them."""
    with own_world(tmp_path_factory.mktemp("world")) as served:
        yield served


@pytest.fixture(scope="module")
def arena(world_session: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    """Return the arena; the chain is put back after the module."""
    with arena_on(world_session, tmp_path_factory.mktemp("arena")) as served:
        yield served
