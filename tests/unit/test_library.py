"""What `import defilev` gives: a small list, nothing heavy, and nothing that signs."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import defilev

HEAVY = ("web3", "eth_account", "eth_keyfile", "numpy", "scipy", "pydantic", "httpx", "sqlalchemy", "typer", "rich")
NAMES = [
    "Account",
    "Book",
    "Connection",
    "DefilevError",
    "Perp",
    "Preferences",
    "Proposal",
    "__version__",
    "connect",
    "from_json",
]


def test_the_list_of_names_is_small_sorted_and_whole() -> None:
    """Every name of `__all__` is there, `dir` shows no other, and each says in a docstring what it is for."""
    assert NAMES == sorted(NAMES) == defilev.__all__ == dir(defilev)
    for name in NAMES:
        found = getattr(defilev, name)
        assert name == "__version__" or found.__doc__


def test_the_version_is_that_of_the_distribution() -> None:
    """One version, wherever it is asked for."""
    assert version("defilev") == defilev.__version__


def test_another_name_is_an_attribute_error() -> None:
    """A misspelt name fails as on any module."""
    with pytest.raises(AttributeError, match="conect"):
        _ = defilev.conect


@pytest.mark.parametrize("module", ["defilev", "defilev.errors"])
def test_importing_is_quick_and_imports_nothing_heavy(module: str) -> None:
    """The bare import takes less than 0.10 s of processor time, and none of the big libraries."""
    script = (
        f"import sys, time; before = time.process_time(); import {module};"
        f"heavy = sorted(set(sys.modules) & {set(HEAVY)!r});"
        "print(time.process_time() - before, *heavy)"
    )
    seconds = []
    for _ in range(3):
        said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
        seconds.append(float(said[0]))
        assert [] == said[1:]

    assert min(seconds) < 0.10


def test_the_package_says_that_it_is_typed(repository: Path) -> None:
    """Type checkers of others take the annotations."""
    assert (repository / "defilev" / "py.typed").is_file()
