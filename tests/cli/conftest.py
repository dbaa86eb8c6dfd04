"""Fixtures of the tests of the command line."""

from __future__ import annotations

import pytest

from tests.support.cli import Cli
from tests.support.world import World


@pytest.fixture
def cli(world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Return `defilev` on the local chain, 140 columns wide."""
    monkeypatch.setenv("COLUMNS", "140")
    return Cli.on(world, capsys)
