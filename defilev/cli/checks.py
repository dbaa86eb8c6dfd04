"""What `defilev doctor` looks at on this machine. Changes nothing, and opens no keystore."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from defilev.errors import DefilevError
from defilev.version import __version__

if TYPE_CHECKING:
    from defilev.config.loading import LoadedSettings

__all__ = ["Check", "machine_checks"]

_OLDEST_PYTHON = (3, 11)
_VERSION_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `fix` is empty when there is nothing to do about it."""

    name: str
    result: Literal["ok", "warning", "problem"]
    text: str
    fix: str = ""


def machine_checks(loaded: LoadedSettings) -> Iterator[Check]:
    """Yield a check of Python, defilev, the settings, the book, anvil and the keystores."""
    yield _python()
    yield Check("defilev", "ok", __version__)
    yield _settings(loaded)
    yield _book(loaded)
    yield _anvil(loaded)
    yield _keystores(loaded.values.keystore_dir)


def _python() -> Check:
    found = platform.python_version()
    if sys.version_info < _OLDEST_PYTHON:
        return Check("python", "problem", f"{found} is older than 3.11", "install Python 3.11 or newer")
    return Check("python", "ok", found)


def _settings(loaded: LoadedSettings) -> Check:
    if steering := loaded.steering_from_cwd:
        said = ", ".join(f"{key} ({where})" for key, where in steering)
        text = f"from this folder, and not taken for --broadcast: {said}"
        return Check("settings", "warning", text, "give them as flags, variables or in your own config file")
    count = len(loaded.origins)
    return Check("settings", "ok", f"{count} set" if count else "defaults")


def _book(loaded: LoadedSettings) -> Check:
    from defilev.config.book_file import book_in_use

    try:
        book = book_in_use(loaded.values)
    except DefilevError as error:
        return Check("book", "problem", error.fact, error.fix)
    if book is None:
        return Check("book", "ok", "none: needed only for names such as @main")
    overlays = len(book.options) + len(book.positions)
    return Check("book", "ok", f"{len(book.owners)} owners, {len(book.chains)} chains, {overlays} overlays")


def _anvil(loaded: LoadedSettings) -> Check:
    from defilev.chain.anvil import find_anvil

    setting = loaded.values.anvil
    try:
        binary = find_anvil(str(setting) if setting else None)
        said = subprocess.run(
            [binary, "--version"], capture_output=True, text=True, check=True, timeout=_VERSION_SECONDS
        ).stdout
    except DefilevError as error:
        return Check("anvil", "warning", f"{error.fact}", error.fix)
    except (OSError, subprocess.SubprocessError) as error:
        return Check("anvil", "problem", f"does not run: {type(error).__name__}", "run scripts/setup again")
    version = re.search(r"\d+\.\d+\.\d+\S*", said)
    return Check("anvil", "ok", f"{version[0] if version else 'unknown version'}  {binary}")


def _keystores(folder: Path) -> Check:
    from defilev.execute.keystore import list_keystores

    try:
        entries = list_keystores(folder)
    except DefilevError as error:
        return Check("keystores", "warning", error.fact, error.fix)
    if not entries:
        return Check("keystores", "warning", "none: needed only to sign", "defilev wallet import NAME")
    if bad := [entry for entry in entries if entry.problem]:
        return Check(
            "keystores", "warning", f"{bad[0].name} cannot be used: {bad[0].problem}", "see `defilev wallet ls`"
        )
    return Check("keystores", "ok", f"{len(entries)} in {folder}")
