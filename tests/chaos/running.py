"""Runs trials of rows, one after another on one arena, and tells of each in one line of JSON.

`python -m tests.chaos.running --counts F4=10,F5=5 --seed 1 --share 0/2` runs every other of these trials on a chain of
its own; `--world FOLDER` takes the chain that runs there.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from tests.chaos.arena import Arena, arena_on
from tests.chaos.rows import REORGANISATIONS, ROWS, Row, Seen, Stage
from tests.support.world import World, open_world, own_world

__all__ = ["Trial", "chain_in", "run_one", "trials_of"]

LOG_TAIL = 4000

CHAIN_LASTS, FEW = 36, 6
"""Trials on one chain, and how many of those with many blocks: anvil loses states that a reorganisation needs."""


@dataclass(frozen=True)
class Trial:
    """One trial that was run; `log` is what its processes said, when something was wrong."""

    row: str
    number: int
    wrong: tuple[str, ...]
    figures: dict[str, float]
    seconds: float
    log: str = ""


def run_one(arena: Arena, row: Row, *, number: int, seed: int, folder: Path) -> Trial:
    """Run one trial, which depends on nothing but the seed, its row and its number."""
    began = time.monotonic()
    folder.mkdir(mode=0o700, parents=True)
    random = Random(f"{seed}:{row.name}:{number}")
    try:
        seen = row.trial(Stage(arena, folder, number), random)
    except Exception:  # noqa: BLE001 - a trial that breaks is a trial that failed
        seen = Seen((f"the trial broke: {traceback.format_exc()}",))
    log = Path(arena.job().log)
    said = log.read_text(errors="replace")[-LOG_TAIL:] if seen.wrong and log.exists() else ""
    return Trial(row.name, number, seen.wrong, dict(seen.figures), round(time.monotonic() - began, 3), said)


def trials_of(counts: Mapping[str, int]) -> list[tuple[Row, int]]:
    """Return the trials of a run, so many of each row; the rows take turns."""
    most = max(counts.values(), default=0)
    return [(ROWS[name], number) for number in range(most) for name, count in counts.items() if number < count]


def parse_counts(text: str) -> dict[str, int]:
    """Return what `F4=10,F5=5` says."""
    pairs = (part.split("=") for part in text.split(","))
    return {name: int(count) for name, count in pairs}


@contextmanager
def chain_in(folder: Path | None, scratch: Path) -> Iterator[World]:
    """Lend the chain that runs in `folder`, or one of our own in `scratch` when there is none."""
    if folder is not None:
        with open_world(folder) as running:
            yield running
        return
    with own_world(scratch) as served:
        yield served


def main() -> int:
    """Run the share of this process; return 1 when a trial failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", type=parse_counts, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", default="0/1")
    parser.add_argument("--world", type=Path)
    parser.add_argument("--until-wrong", action="store_true")
    chosen = parser.parse_args()
    place, shares = map(int, chosen.share.split("/"))
    failed = False
    trials = trials_of(chosen.counts)[place::shares]
    lasts = FEW if set(chosen.counts) <= set(REORGANISATIONS) else CHAIN_LASTS
    for start in range(0, len(trials), lasts):
        failed |= _on_one_chain(trials[start : start + lasts], chosen)
        if failed and chosen.until_wrong:
            break
    return int(failed)


def _on_one_chain(trials: Sequence[tuple[Row, int]], chosen: argparse.Namespace) -> bool:
    """Run some trials, tell of each, and return whether one failed."""
    failed = False
    with tempfile.TemporaryDirectory(prefix="chaos-") as scratch:
        folder = Path(scratch)
        with chain_in(chosen.world, folder / "world") as world, arena_on(world, folder) as arena:
            for row, number in trials:
                place = folder / "trials" / f"{row.name}-{number}"
                trial = run_one(arena, row, number=number, seed=chosen.seed, folder=place)
                sys.stdout.write(json.dumps(asdict(trial)) + "\n")
                sys.stdout.flush()
                failed |= bool(trial.wrong)
                if failed and chosen.until_wrong:
                    break
    return failed


if __name__ == "__main__":
    sys.exit(main())
