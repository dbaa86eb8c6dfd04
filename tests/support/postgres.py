"""A PostgreSQL of our own, on a socket in a folder of its own, for as long as the tests run."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

__all__ = ["MISSING", "Postgres", "binaries", "started"]

MISSING = "no initdb and postgres on the PATH or below /usr/lib/postgresql: apt-get install postgresql"
_PLACES = ("/usr/lib/postgresql", "/usr/local/opt/postgresql", "/opt/homebrew/opt/postgresql")
_SECONDS = 30


@dataclass(frozen=True)
class Postgres:
    """A running server; each test gets a database of its own."""

    folder: Path

    def database(self, name: str) -> str:
        """Make an empty database and return its URL."""
        with psycopg.connect(self._dsn("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return f"postgresql://defilev@/{name}?host={self.folder}"

    def _dsn(self, name: str) -> str:
        return f"host={self.folder} user=defilev dbname={name}"


def binaries() -> Path | None:
    """Return the folder with `initdb` and `postgres`, `None` when there is none."""
    if (found := shutil.which("initdb")) and shutil.which("postgres"):
        return Path(found).resolve().parent
    for place in _PLACES:
        for candidate in sorted(Path(place).glob("**/bin/initdb"), reverse=True):
            return candidate.parent
    return None


@contextmanager
def started(*settings: str) -> Iterator[Postgres]:
    """Run a server with its defaults, and `settings` as `name=value`; it does not run as root, so another user does."""
    found = binaries()
    assert found is not None, MISSING
    user = _user()
    folder = Path(tempfile.mkdtemp(prefix="defilev-pg-"))
    if user is not None:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    data = folder / "data"
    initdb: list[str | Path] = [found / "initdb", "-D", data, "-U", "defilev", "-A", "trust", "-E", "UTF8", "--no-sync"]
    subprocess.run(initdb, check=True, capture_output=True, user=user, cwd=folder)
    options = [word for setting in settings for word in ("-c", setting)]
    command: list[str | Path] = [found / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", *options]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, user=user, cwd=folder)
    try:
        _await(folder, server)
        yield Postgres(folder)
    finally:
        server.send_signal(signal.SIGQUIT)  # nothing of it is wanted: no last checkpoint
        server.wait()
        shutil.rmtree(folder)


def _user() -> str | None:
    """Return whom to run as: PostgreSQL refuses root."""
    if os.geteuid():
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def _await(folder: Path, server: subprocess.Popen[bytes]) -> None:
    began = time.monotonic()
    while time.monotonic() - began < _SECONDS:
        assert server.poll() is None, (folder / "log").read_text()
        try:
            psycopg.connect(f"host={folder} user=defilev dbname=postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError((folder / "log").read_text())
