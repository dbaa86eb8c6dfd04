"""`defilev` run inside the test's own process, or on a terminal of its own, against a node of the test's choice."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from defilev.cli.app import main
from defilev.report.figures import NARROW_SPACE
from tests.support.world import World

__all__ = ["Cli", "Printed", "Terminal", "assert_refused", "credentials", "terminal", "untouched"]


@dataclass(frozen=True)
class Printed:
    """How a run ended, and what it printed; narrow spaces as plain ones."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout; more than one does not parse."""
        document: dict[str, Any] = json.loads(self.out)
        return document

    @property
    def fixes(self) -> list[str]:
        """The `fix:` lines on stderr."""
        return [line for line in self.err.splitlines() if line.startswith("fix: ")]

    @property
    def errors(self) -> list[str]:
        """The lines on stderr that say what is wrong."""
        return [line for line in self.err.splitlines() if line.startswith(("error: ", "condition breached: "))]


@dataclass(frozen=True)
class Cli:
    """`defilev` with a node and an address book; accounts may be given by their names on the local chain."""

    world: World
    capsys: pytest.CaptureFixture[str]
    node: Sequence[str] = field(default=())

    @classmethod
    def on(cls, world: World, capsys: pytest.CaptureFixture[str], *, url: str | None = None) -> Cli:
        """Return the command on the local chain, through `url` when it is given."""
        node = ("--rpc-url", url or world.rpc_url, "--address-book", str(world.address_book))
        return cls(world, capsys, node)

    def through(self, url: str) -> Cli:
        """Return the same command through another URL."""
        return Cli.on(self.world, self.capsys, url=url)

    def __call__(self, *arguments: str | Path, node: Sequence[str] | None = None) -> Printed:
        """Run it and return what it printed."""
        code = main(self.words(*arguments, node=node))
        captured = self.capsys.readouterr()
        return Printed(code, captured.out.replace(NARROW_SPACE, " "), captured.err.replace(NARROW_SPACE, " "))

    def words(self, *arguments: str | Path, node: Sequence[str] | None = None) -> list[str]:
        """Return the words of the command line after `defilev`."""
        names = self.world.accounts()
        given = [names.get(str(argument), str(argument)) for argument in arguments]
        return [*given, *(self.node if node is None else node)]

    def plan(self, path: Path, *arguments: str) -> dict[str, Any]:
        """Write a plan of the account and goal in `arguments` to `path`, and return its document."""
        made = self("plan", *arguments, "-p", "aave-v3", "-o", path, "--json")
        assert 0 == made.code, made.err
        document: dict[str, Any] = json.loads(path.read_text())
        return document

    def rebalance(self, *arguments: str | Path) -> Printed:
        """Run `defilev rebalance`, with `-p aave-v3` unless another protocol is named."""
        return self("rebalance", *arguments, *(() if "-p" in arguments else ("-p", "aave-v3")))


def credentials(world: World, name: str) -> tuple[str, ...]:
    """Return the flags with which a named account signs."""
    keystore, password_file = world.credentials(name)
    return ("--keystore", str(keystore), "--password-file", str(password_file))


def assert_refused(
    printed: Printed, *, code: int, said: str, is_json: bool = False, secrets: Sequence[str] = ()
) -> None:
    """Assert that a run ended as every failure does: its code, one sentence, one fix, no traceback, no secret."""
    assert code == printed.code, printed.out + printed.err
    assert 1 == len(printed.errors), printed.err
    assert said in printed.errors[0]
    assert not printed.errors[0].endswith(".")
    assert 1 == len(printed.fixes)
    assert printed.err.rstrip().endswith(printed.fixes[0])
    assert "Traceback" not in printed.out + printed.err
    for secret in secrets:
        assert secret not in printed.out + printed.err
    if is_json:
        assert ("defilev/error@1", code) == (printed.document["schema"], printed.document["exit_code"])


@contextmanager
def untouched(world: World, *folders: Path) -> Iterator[None]:
    """Assert that what happens inside leaves no block, no nonce and no file behind, and changes no file."""
    before = _state(world, folders)
    yield
    assert before == _state(world, folders)


def _state(world: World, folders: Sequence[Path]) -> tuple[Any, ...]:
    nonces = {name: world.rpc("eth_getTransactionCount", who, "pending") for name, who in world.accounts().items()}
    files = {path: path.read_bytes() for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()}
    return world.head().hash, nonces, files


@dataclass(frozen=True)
class Terminal:
    """A running `defilev` whose standard streams are one terminal; what it shows is kept."""

    process: subprocess.Popen[bytes]
    screen: int
    shown: list[str]

    def until(self, text: str, *, seconds: float = 60) -> None:
        """Read what is shown until `text` is among it."""
        deadline = time.monotonic() + seconds
        while text not in self.text:
            assert time.monotonic() < deadline, f"{text!r} was not shown: {self.text}"
            self._read(0.1)

    def type(self, keys: str) -> None:
        """Type on the keyboard; the character ETX is Ctrl-C."""
        os.write(self.screen, keys.encode())

    def ended(self, *, seconds: float = 60) -> int:
        """Wait for the end and return the exit code."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it did not end: {self.text}"
            self._read(0.05)
        while self._read(0):
            pass
        return self.process.returncode

    @property
    def text(self) -> str:
        """Everything shown so far, narrow spaces as plain ones."""
        return "".join(self.shown).replace("\r\n", "\n").replace(NARROW_SPACE, " ")

    def _read(self, seconds: float) -> bool:
        if not select.select([self.screen], [], [], seconds)[0]:
            return False
        try:
            found = os.read(self.screen, 65536)
        except OSError:  # Linux says so when the other side is closed
            return False
        self.shown.append(found.decode(errors="replace"))
        return bool(found)


@contextmanager
def terminal(words: Sequence[str], *, environment: Mapping[str, str] | None = None) -> Iterator[Terminal]:
    """Run `defilev` with `words` on a terminal of its own, and end it afterwards."""
    screen, keyboard = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "defilev", *words],
        stdin=keyboard,
        stdout=keyboard,
        stderr=keyboard,
        env={**os.environ, "TERM": "dumb", **(environment or {})},
        start_new_session=True,
        preexec_fn=_take_terminal,  # noqa: PLW1509 - it makes one system call
    )
    os.close(keyboard)
    try:
        yield Terminal(process, screen, [])
    finally:
        process.kill()
        process.wait()
        os.close(screen)


def _take_terminal() -> None:
    """Make standard input the terminal that Ctrl-C and hidden prompts belong to."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
