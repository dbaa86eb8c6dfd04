"""The guard as a drill runs it: a process that is killed without warning and started again at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

from tests.support.world import World

LAST = 60
"""Seconds in which what is under way comes to its end."""

LOOK = 0.01
"""Seconds between two looks at what the guard does."""

QUIET = 3.0
"""Seconds without a word or a transaction after which it counts as waiting for the next block."""


def block_of(tick: Mapping[str, Any]) -> int:
    """Return the number of the block that a tick was about, -1 when it could read none."""
    return -1 if tick["block"] is None else int(tick["block"]["number"])


@dataclass
class Life:
    """One process from its start to its end, and the ticks that it told of; `head` was the newest block then."""

    process: subprocess.Popen[str]
    file: Path
    head: int
    ticks: list[dict[str, Any]] = field(default_factory=list)

    def listen(self) -> None:
        """Take every line until the process is gone."""
        for line in self.process.stdout or ():
            if line.endswith("\n"):
                self.ticks.append(json.loads(line))
                with self.file.open("a") as kept:
                    kept.write(line)


@dataclass
class Watchman:
    """Keeps one guard running; `lives` are its processes, the newest last.

    `hurried` counts the blocks that came while the guard still had something to do.
    """

    world: World
    rules: Path
    folder: Path
    lives: list[Life] = field(default_factory=list)
    hurried: int = 0

    def start(self) -> None:
        """Start a guard."""
        node = ["--rpc-url", self.world.rpc_url, "--address-book", str(self.world.address_book)]
        words = ["guard", "run", "--rules", str(self.rules), "--broadcast", "--json", "--on-block"]
        environment = {**os.environ, "DEFILEV_JOURNAL": str(self.journal), "XDG_CONFIG_HOME": str(self.folder)}
        with (self.folder / "guard.log").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "defilev", *node, *words],
                stdout=subprocess.PIPE, stderr=log, text=True, env=environment, cwd=self.folder,
            )  # fmt: skip
        life = Life(process, self.folder / "ticks.jsonl", self.world.head().number)
        self.lives.append(life)
        Thread(target=life.listen, daemon=True).start()

    def kill(self) -> None:
        """End the process as a crash does, and start another."""
        self.lives[-1].process.kill()
        self.lives[-1].process.wait()
        self.start()

    def stop(self) -> int | None:
        """Ask the process to end between two ticks, let blocks come meanwhile, and return how it did."""
        process = self.lives[-1].process
        process.terminate()
        until = time.monotonic() + LAST
        while process.poll() is None and time.monotonic() < until:
            self.world.rpc("evm_mine")
            time.sleep(LOOK * 10)
        code = process.poll()
        process.kill()
        process.wait()
        return code

    def has_told(self) -> bool:
        """Tell whether the process that runs has told of a tick."""
        return bool(self.lives[-1].ticks)

    def has_seen(self, block: int) -> bool:
        """Tell whether the process that runs has told of a tick at that block."""
        return any(block_of(tick) >= block for tick in self.lives[-1].ticks[-1:])

    def pending(self) -> int:
        """Return how many transactions of its own wait for the next block."""
        return int(self.world.rpc("txpool_status")["pending"], 16)

    def wait(self, block: int, *, seconds: float) -> None:
        """Wait until all that it does waits for the next block, or for so many seconds.

        That is so when it has looked at the newest block, and each action that goes on has a transaction in the pool.
        """
        until, before, since = time.monotonic() + seconds, (-1, -1), time.monotonic()
        while time.monotonic() < until:
            if self.lives[-1].process.poll() is not None:
                raise SystemExit(f"the guard ended by itself:\n{(self.folder / 'guard.log').read_text()[-2000:]}")
            now = (len(self.lives[-1].ticks), self.pending())
            since = since if now == before else time.monotonic()
            before = now
            has_seen = self.has_seen(block)
            if has_seen and (now[1] >= self._in_flight() or time.monotonic() - since > QUIET):
                return
            time.sleep(LOOK)
        self.hurried += 1

    def _in_flight(self) -> int:
        return len(self.lives[-1].ticks[-1]["in_flight"])

    @property
    def journal(self) -> Path:
        """Return where it remembers."""
        return self.folder / "journal.db"

    @property
    def ticks(self) -> list[dict[str, Any]]:
        """Return every tick of every life."""
        return [tick for life in self.lives for tick in life.ticks]
