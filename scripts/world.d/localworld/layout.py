"""Where everything lies: the sources of the world, the cache, and the folder of one running world."""

import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).resolve().parent.parent
REPOSITORY = SOURCES.parent.parent
DEFAULT_DIRECTORY = REPOSITORY / ".world"
CACHE = DEFAULT_DIRECTORY / "cache"


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """The folder of one running world; `down` removes everything that is named here."""

    path: Path

    @property
    def world_json(self) -> Path:
        return self.path / "world.json"

    @property
    def address_book(self) -> Path:
        return self.path / "addresses.toml"

    @property
    def keystores(self) -> Path:
        return self.path / "keystores"

    @property
    def home(self) -> Path:
        return self.path / "home"

    @property
    def log(self) -> Path:
        return self.path / "anvil.log"

    @property
    def marker(self) -> Path:
        """A path on anvil's command line that no other process has: by it `down` knows its own anvil."""
        return self.path / "anvil.json"

    def clear(self) -> None:
        """Remove what a world leaves here, and the folder when nothing else is in it."""
        for folder in (self.keystores, self.home):
            shutil.rmtree(folder, ignore_errors=True)
        for file in (self.world_json, self.address_book, self.log, self.marker, self.path / ".lock"):
            file.unlink(missing_ok=True)
        if self.path.is_dir() and not any(self.path.iterdir()):
            self.path.rmdir()


def ensure_cache() -> Path:
    """Create the cache; git never sees the default folder, whatever the repository ignores."""
    CACHE.mkdir(parents=True, exist_ok=True)
    ignore = DEFAULT_DIRECTORY / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")
    return CACHE


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file; a second caller waits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def complete_folder(target: Path) -> Iterator[Path]:
    """Give a scratch folder that becomes `target` when the block ends well, and vanishes when it doesn't."""
    scratch = target.parent / f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}"
    scratch.mkdir(parents=True)
    try:
        yield scratch
        shutil.rmtree(target, ignore_errors=True)
        scratch.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def write_text(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write a file in one step: a reader sees the old content or the new, with its mode from the start."""
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w") as handle:
        handle.write(text)
    scratch.replace(path)


def digest(parts: list[bytes]) -> str:
    """A short hash of several byte strings, each with its length so that they cannot run together."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big"))
        total.update(part)
    return total.hexdigest()[:20]


def source_files() -> list[Path]:
    """Every file that decides what the world is, in a fixed order."""
    kept = {".py", ".toml", ".sol", ".js"}
    return sorted(file for file in SOURCES.rglob("*") if file.suffix in kept and file.is_file())


def state_key(chain_id: int) -> str:
    """The name of a built state: packages, settings, contracts, build scripts and chain id."""
    named = [(file.relative_to(SOURCES).as_posix().encode(), file.read_bytes()) for file in source_files()]
    return digest([str(chain_id).encode(), *(part for pair in named for part in pair)])
