"""Fixtures of the tests on the local chain."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from defilev.pipeline.session import Session
from tests.support.sessions import connected
from tests.support.world import World


@pytest.fixture
def session(world: World) -> Iterator[Session]:
    """A connection to the world as production makes it."""
    with connected(world) as found:
        yield found
