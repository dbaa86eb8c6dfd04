"""Let a guard run for a long time behind a node that fails at random; print what was counted, as one JSON object."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from soak_page import write_page

from tests.support.soaking import soak
from tests.support.world import own_world


def main() -> int:
    """Run; return 1 when an error was not foreseen, or a tick is missing that no line speaks of."""
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60, metavar="M")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of everything random")
    parser.add_argument("--write-docs", action="store_true", help="put what was counted into docs/soak.md")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as scratch:
        (folder := Path(scratch) / "world").mkdir()
        with own_world(folder) as world:
            found = soak(world, Path(scratch), seconds=chosen.minutes * 60, seed=chosen.seed)
    told = {
        "minutes": chosen.minutes,
        "seed": chosen.seed,
        "ticks": len(found.ticks),
        "faults": found.faults,
        "unread_ticks": found.unread,
        "missed_ticks_told": found.missed,
        "unaccounted": found.unaccounted,
        "unhandled": found.unhandled,
        "actions": found.actions,
        "ways": found.ways,
        "megabytes": {"first": found.megabytes[0], "last": found.megabytes[-1], "growth": round(found.growth, 2)},
    }
    if chosen.write_docs:
        words = shlex.join(["scripts/soak", *sys.argv[1:]])
        write_page(told, words, date=f"{datetime.now(UTC):%Y-%m-%d}")
    print(json.dumps(told, indent=1))
    return int(bool(found.unhandled or found.unaccounted))


if __name__ == "__main__":
    sys.exit(main())
