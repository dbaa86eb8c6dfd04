"""The code in the documentation runs on the local chain, and prints what the pages show.

WRITE_DOCS=1 writes what is printed into the pages instead.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

from defilev.config.book_file import load_book_file
from tests.support.pages import blocks, console_commands, run_page, steady, with_outputs
from tests.support.replicas import replica
from tests.support.world import ROOT, World, own_world

pytestmark = pytest.mark.world

WRITE = os.environ.get("WRITE_DOCS") == "1"
FILES = (ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("scripts/**/*.md"))
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in FILES)
PASSWORD = "the password of a page"
FILLED_IN = ("https://YOUR-NODE", "https://YOUR-OTHER-NODE", "0xYOUR-ADDRESS")
"""What a reader replaces."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Serve a chain that no other test has touched, so that the pages' figures are the same in every run."""
    with own_world(tmp_path_factory.mktemp("docs-world")) as world:
        yield world


@pytest.fixture
def fresh(served: World) -> Iterator[World]:
    """Lend that chain to one page, and put its state back."""
    snapshot = served.rpc("evm_snapshot")
    yield served
    served.rpc("evm_revert", snapshot)


def _with(language: str) -> list[str]:
    return [page for page in PAGES if any(block.language == language for block in blocks((ROOT / page).read_text()))]


def _environment(world: World, home: Path) -> dict[str, str]:
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "TERM": "dumb",
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "80",
        "DEFILEV_RPC_URL": world.rpc_url,
        "DEFILEV_ADDRESS_BOOK": str(world.address_book),
        "WHO": world.account("mixed"),
        "HEDGED": world.account("hedged"),
    }


def _key(world: World, name: str) -> str:
    from eth_account import Account

    keystore, password_file = world.credentials(name)
    return str(Account.decrypt(keystore.read_text(), password_file.read_text().strip()).hex())


def _filled_in(text: str, world: World, *, other: str) -> str:
    """Return a page with what a reader must fill in filled in; `other` is a second node of the same chain."""
    values = {
        "https://YOUR-NODE": world.rpc_url,
        "https://YOUR-OTHER-NODE": other,
        "0xYOUR-ADDRESS": world.account("mixed"),
    }
    filled = text
    for name in FILLED_IN:
        filled = filled.replace(name, values[name])
    assert len(filled.splitlines()) == len(text.splitlines())
    return filled


@pytest.mark.parametrize("page", sorted({*_with("bash"), *_with("console")}))
def test_shell_blocks_run_and_print_what_is_shown(page: str, fresh: World, tmp_path: Path) -> None:
    """Every bash block of a page succeeds, from top to bottom, and every console block prints what it shows."""
    path = ROOT / page
    text = path.read_text()
    answers = {
        "private key (not shown): ": _key(fresh, "mixed"),
        "new keystore password: ": PASSWORD,
        "the same again: ": PASSWORD,
        "keystore password: ": PASSWORD,
    }
    (home := tmp_path / "home").mkdir()

    with replica(fresh) as other:
        filled = _filled_in(text, fresh, other=other.url)
        ran = run_page(filled, folder=tmp_path / "run", environment=_environment(fresh, home), answers=answers)

    assert 0 == ran.code, f"{page}:{ran.line}: {ran.terminal}"
    if WRITE:
        path.write_text(with_outputs(text, ran.outputs))
    consoles = [block for block in blocks(path.read_text()) if block.language == "console"]
    commands = [found for block in consoles for found in console_commands(block)]
    for found, output in zip(commands, ran.outputs, strict=True):
        why = f"{page}:{found.block.line}: {found.command}: WRITE_DOCS=1 corrects the page if that is what is wrong"
        assert steady(found.shown) == steady(output), why


@pytest.mark.parametrize("page", _with("python"))
def test_python_blocks_run(page: str, fresh: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every Python block of a page runs, one after another in one namespace."""
    for name, value in _environment(fresh, tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT / "scripts" / "world.d")
    (tmp_path / ".world").symlink_to(fresh.address_book.parent)
    document = Sybil(parsers=[PythonCodeBlockParser()]).parse(ROOT / page)

    document.namespace.update(
        WHO=fresh.account("mixed"), Path=Path, Control=importlib.import_module("localworld.control").Control
    )

    examples = list(document.examples())
    for example in examples:
        example.evaluate()
    if levers := document.namespace.get("control"):
        levers.rpc.close()

    assert examples


def test_the_example_of_a_book_is_one(tmp_path: Path) -> None:
    """The TOML of docs/book.md loads as it stands, with every part that a book may have."""
    (example,) = (block for block in blocks((ROOT / "docs" / "book.md").read_text()) if block.language == "toml")
    (path := tmp_path / "book.toml").write_text(example.text)
    book = load_book_file(path)

    assert all((book.owners, book.chains, book.markets, book.options, book.positions))


def test_placeholders_do_not_reach_a_command() -> None:
    """What a reader must fill in is spelt in one of the ways that are filled in here."""
    for page in PAGES:
        for block in blocks((ROOT / page).read_text()):
            if block.language in ("bash", "console"):
                rest = block.text
                for name in FILLED_IN:
                    rest = rest.replace(name, "")
                assert "YOUR" not in rest, f"{page}:{block.line}"
