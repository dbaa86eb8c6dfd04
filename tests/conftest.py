"""Fixtures that every test may use: the local chain, one per test process, put back after each test that changes it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.world import World, own_world

settings.register_profile(
    "usual", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.register_profile("full", parent=settings.get_profile("usual"), max_examples=1000)
settings.load_profile("full" if os.environ.get("DEFILEV_FULL") else "usual")


@pytest.fixture(scope="session")
def world_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Serve a local chain of our own for the whole session."""
    with own_world(tmp_path_factory.mktemp("world")) as served:
        yield served


@pytest.fixture
def world(world_session: World) -> Iterator[World]:
    """Lend the local chain to one test, and put its state back afterwards."""
    snapshot = world_session.rpc("evm_snapshot")
    yield world_session
    world_session.rpc("evm_revert", snapshot)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Hide the settings and keystores of whoever runs the tests, but not the node they name for the mainnet tests."""
    for name in list(os.environ):
        if name.startswith("DEFILEV_") and name not in ("DEFILEV_FULL", "DEFILEV_RPC_URL", "DEFILEV_ANVIL"):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    for name, folder in (("CONFIG", "config"), ("CACHE", "cache"), ("DATA", "data")):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / folder))


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the root of the repository."""
    return Path(__file__).resolve().parent.parent
