"""Fixtures of the tests of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import Cli
from tests.support.world import World


@pytest.fixture
def cli(world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Return `defilev` on the local chain, 140 columns wide."""
    monkeypatch.setenv("COLUMNS", "140")
    return Cli.on(world, capsys)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in a working directory of the test's own, with a journal of its own."""
    monkeypatch.setenv("DEFILEV_JOURNAL", str(tmp_path / "journal.db"))
    inside = tmp_path / "work"
    inside.mkdir()
    monkeypatch.chdir(inside)
    return inside
