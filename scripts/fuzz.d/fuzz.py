"""Make random accounts on the real contracts, plan for them, try every plan; print what came of it as JSON."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from itertools import chain
from multiprocessing import get_context
from operator import itemgetter
from pathlib import Path
from random import Random

from fuzz_page import write_page
from tally import KINDS, Tally

from tests.support.fuzzing import Outcome, Trial, draw, try_one
from tests.support.world import World, open_world, own_world

AT_ONCE = 40
"""How many trials are handed to the workers together."""


def main() -> None:
    """Plan until so many plans were offered, or time is up; end with code 1 when one of them was wrong."""
    asked = _arguments()
    tally = _begun(asked)
    with tempfile.TemporaryDirectory(prefix="defilev-fuzz-") as folder:
        run(tally, plans=asked.plans, minutes=asked.minutes, workers=asked.workers, folder=Path(folder))
    if asked.keep is not None:
        tally.save(asked.keep)
    json.dump(tally.document(), sys.stdout, indent=1)
    print()
    if asked.write_docs:
        write_page(tally)
    if any(tally.found[kind] for kind in KINDS):
        sys.exit("an offered plan did not do what it promised")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plans", type=int, default=150, metavar="N", help="how many plans are offered and tried")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="what all draws follow from")
    parser.add_argument("--minutes", type=float, metavar="M", help="stop after so long, however many there are")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="go on from this file if it is there, and write it")
    parser.add_argument("--workers", type=int, default=1, metavar="W", help="how many chains are used side by side")
    parser.add_argument("--first", type=int, default=0, metavar="K", help="the number of the first trial")
    parser.add_argument("--write-docs", action="store_true", help="write the outcome to docs/fuzz.md")
    return parser.parse_args()


def _begun(asked: argparse.Namespace) -> Tally:
    """Return what there is to go on from; a run goes on with the code and the seed that it began with."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    tally = Tally(asked.seed, commit.stdout.strip(), following=asked.first)
    if asked.keep is None or not asked.keep.exists():
        return tally
    kept = Tally.load(asked.keep)
    if (kept.seed, kept.commit) != (tally.seed, tally.commit):
        sys.exit(f"{asked.keep} is of seed {kept.seed} and commit {kept.commit}: begin another")
    return kept


def run(tally: Tally, *, plans: int, minutes: float | None, workers: int, folder: Path) -> None:
    """Add trials to `tally`, in the order of their numbers, until there are enough plans or time is up."""
    started, before = time.monotonic(), tally.seconds
    folders = [folder / str(place) for place in range(workers)]
    with ExitStack() as stack:
        for each in folders:
            stack.enter_context(own_world(each))
        hands = stack.enter_context(ProcessPoolExecutor(workers, mp_context=get_context("spawn")))
        while tally.offered < plans and (minutes is None or time.monotonic() - started < minutes * 60):
            first, count = tally.following, min(AT_ONCE * workers, plans - tally.offered)
            shares = [range(first + place, first + count, workers) for place in range(workers)]
            done = hands.map(_tried, folders, [tally.seed] * workers, shares)
            for number, outcome in sorted(chain.from_iterable(done), key=itemgetter(0)):
                tally.add(number, outcome)
            tally.seconds = before + time.monotonic() - started
            print(f"{tally.offered} of {plans} plans", file=sys.stderr)


def _tried(folder: Path, seed: int, numbers: Sequence[int]) -> list[tuple[int, Outcome]]:
    """Make those trials on the chain that runs in `folder`."""
    with open_world(folder) as world:
        return [(number, try_one(world, _drawn(world, seed, number))) for number in numbers]


def _drawn(world: World, seed: int, number: int) -> Trial:
    random = Random(f"{seed}:{number}")  # noqa: S311 - draws to be repeated, nothing secret
    return draw(random, list(world.description["pools"]))


if __name__ == "__main__":
    main()
