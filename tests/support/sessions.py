"""Connections to the local chain as production makes them, and a chain that is put back afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from defilev.config.settings import Settings
from defilev.pipeline.session import Session, connect
from tests.support.world import World

__all__ = ["connected", "put_back"]


@contextmanager
def connected(world: World, *urls: str) -> Iterator[Session]:
    """Connect at the newest block, through the given nodes of the local chain, or its own."""
    session = connect(Settings(rpc_url=urls or (world.rpc_url,), address_book=(world.address_book,)))
    try:
        yield session
    finally:
        session.close()


@contextmanager
def put_back(world: World) -> Iterator[None]:
    """Put the chain back as it was."""
    snapshot = world.rpc("evm_snapshot")
    try:
        yield
    finally:
        world.rpc("evm_revert", snapshot)
