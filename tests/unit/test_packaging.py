"""The wheel: what a person gets who installs defilev without the repository."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

import defilev

ROOT = Path(__file__).resolve().parents[2]

INVENTORY = """
import importlib.resources, json, defilev
from defilev.abi import interface
root = importlib.resources.files("defilev")
names = lambda *parts: sorted(item.name for item in root.joinpath(*parts).iterdir())
tables = lambda folder: [name for name in names("config", folder) if name.endswith(".toml")]
interface("erc20")
print(json.dumps([defilev.__file__, names("_abis"), tables("addresses"), tables("policies")]))
"""

LIBRARY = """
import importlib.resources, json, defilev
from defilev import Book, Connection, connect
from defilev.errors import ConfigurationError
found = [getattr(defilev, name) for name in defilev.__all__]
try:
    connect()
except ConfigurationError as error:
    said = error.fact
typed = importlib.resources.files("defilev").joinpath("py.typed").is_file()
print(json.dumps([said, typed, len(found)]))
"""


def run(*command: str | Path, cwd: Path) -> str:
    """Return what a command prints; a failure shows what it said."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel once."""
    folder = tmp_path_factory.mktemp("wheel")
    run(
        *(sys.executable, "-m", "pip", "wheel", "-qq", "--disable-pip-version-check", "--no-build-isolation"),
        *("--no-deps", "--wheel-dir", folder, ROOT),
        cwd=folder,
    )
    return next(folder.glob("defilev-*.whl"))


def empty_venv(folder: Path, *packages: str | Path) -> Path:
    """Make a virtual environment that holds just these packages; return its bin folder."""
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    binaries = folder / "venv" / "bin"
    run(
        *(sys.executable, "-m", "pip", "--python", binaries / "python", "install", "-qq"),
        *("--disable-pip-version-check", *packages),
        cwd=folder,
    )
    return binaries


def check_installed(binaries: Path, folder: Path) -> None:
    """Run the command, use the library and read the shipped data from outside the repository."""
    banner = run(binaries / "defilev", "--version", cwd=folder)
    assert "serve" in run(binaries / "defilev-signer", "--help", cwd=folder)
    said, is_typed, names = json.loads(run(binaries / "python", "-c", LIBRARY, cwd=folder))
    assert ("no node to ask: rpc_url is set nowhere", True) == (said, is_typed)
    assert names == len(defilev.__all__)
    place, abis, books, lists = json.loads(run(binaries / "python", "-c", INVENTORY, cwd=folder))

    assert version("defilev") in banner
    assert Path(place).is_relative_to(folder)
    assert sorted(path.name for path in (ROOT / "abis").iterdir()) == abis
    chains = ("arbitrum", "base", "ethereum", "optimism")
    assert sorted(f"{chain}.toml" for chain in (*chains, "avalanche")) == books
    assert (
        sorted(
            [
                "optimism-perp.toml",
                *(f"{chain}{of}.toml" for chain in chains for of in ("", "-compound", "-executor", "-rearranging")),
            ]
        )
        == lists
    )


def test_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    """Tests, scripts and caches stay in the repository."""
    names = zipfile.ZipFile(wheel).namelist()

    assert {"defilev", "defilev_signer", f"defilev-{version('defilev')}.dist-info"} == {
        name.split("/")[0] for name in names
    }
    assert [] == [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_wheel_works_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    """Without the repository the command runs and finds its ABIs and address books.

    The dependencies come from this environment, by a path file: `.pth` files found there are not read, so the
    editable defilev stays invisible.
    """
    binaries = empty_venv(tmp_path, "--no-deps", wheel)
    site = next((tmp_path / "venv" / "lib").glob("python*/site-packages"))
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")

    check_installed(binaries, tmp_path)


@pytest.mark.full
def test_declared_dependencies_are_enough(wheel: Path, tmp_path: Path) -> None:
    """The wheel and what it asks for are all that is needed: no development package is missed."""
    check_installed(empty_venv(tmp_path, wheel), tmp_path)
