"""A rebalance whose process is killed while its first transaction is on its way."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from defilev.journal import open_for_reading, place_of
from tests.support.cli import Cli, credentials

__all__ = ["GOAL", "WHO", "acting", "in_flight", "killed_in_flight", "wait_until"]

WHO = "comfortable"
GOAL = (WHO, "--to-health-factor", "2.2")


def acting(cli: Cli, *mode: str, goal: Sequence[str] = GOAL) -> list[str]:
    """Return the words of a run that signs, of the first of `goal`, on Aave unless it names another protocol."""
    market = () if "-p" in goal else ("-p", "aave-v3")
    return cli.words("rebalance", *goal, *market, *(mode or ("--broadcast",)), *credentials(cli.world, goal[0]))


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait for something that another process does, minutes where others keep the machine busy."""
    deadline = time.monotonic() + 180
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def killed_in_flight(cli: Cli, path: Path, *, goal: Sequence[str] = GOAL) -> Iterator[str]:
    """Kill a run after it has sent its first transaction, which nobody mines; give the transaction's hash."""
    cli.world.rpc("evm_setAutomine", False)
    child = subprocess.Popen(
        [sys.executable, "-m", "defilev", *acting(cli, goal=goal)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: path.exists() and path.with_name("journal.db-wal").exists() and bool(in_flight(path)))
        child.kill()
        child.wait()
        yield in_flight(path)[0]
    finally:
        child.kill()
        child.wait()
        cli.world.rpc("evm_setAutomine", True)
        cli.world.rpc("evm_mine")


def in_flight(path: Path) -> list[str]:
    """Return the transactions that were handed to a node, as the journal knows them by now."""
    try:
        found = open_for_reading(place_of(path))
    except Exception:  # noqa: BLE001 - another process is making it
        return []
    if found is None:
        return []
    with found:
        return [attempt.hash for attempt in found.open_attempts() if attempt.sent_count]
