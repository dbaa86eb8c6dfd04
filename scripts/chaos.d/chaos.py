"""Count trials of the fault matrix on local chains: real processes, kill −9, real contracts. Prints one JSON object.

--trials N    kill at every boundary × failures of the node, at random instants, and at the points of a fee bump
--rows LIST   trials of the named rows, or of all
--mutants     take the defences of --rows away, one after another: a row that does not notice proves nothing
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from counting import NAIVE, counted, crash_figures, run_trials
from page import write_page

from tests.chaos.mutating import Noticed, notices
from tests.chaos.rows import ROWS, Row
from tests.chaos.running import chain_in

SHARES = {"F1": 16, "F2": 2, "F3": 2}
"""How many of twenty trials of kills go to which row."""

NAIVE_ONE_IN = 20
Document = dict[str, Any]


def main() -> int:
    """Run what was asked for; return 1 when a trial failed or a mutant was not noticed."""
    chosen = _parser().parse_args()
    began = time.monotonic()
    result = _mutants(chosen) if chosen.mutants else _trials(chosen)
    told = {"seed": chosen.seed, "seconds": round(time.monotonic() - began, 1)}
    if chosen.write_docs:
        command = shlex.join(["scripts/chaos", *(word for word in sys.argv[1:] if word != "--write-docs")])
        write_page(result, seed=chosen.seed, date=f"{datetime.now(UTC):%Y-%m-%d}", command=command)
    print(json.dumps(result | told, indent=1))
    return int(bool(result.get("failures") or result.get("not_noticed")))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=0, metavar="N", help="how many trials of kills")
    parser.add_argument("--rows", metavar="LIST", help="names of rows with commas between them, or all")
    parser.add_argument("--each", type=int, metavar="N", help="how many trials of each row; else what the row wants")
    parser.add_argument("--mutants", action="store_true", help="take defences away instead of counting trials")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of everything random")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="how many chains at a time")
    parser.add_argument("--write-docs", action="store_true", help="put what came of it into docs/reliability.md")
    return parser


def _trials(chosen: argparse.Namespace) -> Document:
    counts = _crash_counts(chosen.trials)
    for name in _names(chosen.rows) if chosen.rows else ():
        counts[name] = chosen.each or ROWS[name].trials
    lines = run_trials(counts, seed=chosen.seed, workers=chosen.workers)
    rows = [counted(name, [line for line in lines if line["row"] == name]) for name in counts]
    failures = sum(row["failures"] for row in rows if row["row"] != NAIVE)
    return crash_figures(rows) | {"failures": failures, "rows": rows}


def _crash_counts(trials: int) -> dict[str, int]:
    """Return how many trials of kills go to which row, and to the control."""
    if not trials:
        return {}
    whole = sum(SHARES.values())
    counts = {name: trials * share // whole for name, share in SHARES.items()}
    counts["F1"] += trials - sum(counts.values())
    counts[NAIVE] = max(trials // NAIVE_ONE_IN, 10)
    return {name: count for name, count in counts.items() if count}


def _names(said: str) -> list[str]:
    if said != "all":
        return said.split(",")
    return [name for name in ROWS if name not in (*SHARES, NAIVE)]


def _mutants(chosen: argparse.Namespace) -> Document:
    names = [name for name in ROWS if name != NAIVE] if chosen.rows in (None, "all") else chosen.rows.split(",")
    tried = []
    with tempfile.TemporaryDirectory(prefix="chaos-") as scratch:
        for name in names:
            tried += _mutants_of(ROWS[name], Path(scratch) / name, chosen)
    return {
        "mutants": len(tried),
        "not_noticed": [
            {"row": each.row, "file": each.mutant.file, "old": each.mutant.old} for each in tried if not each.is_noticed
        ],
        "noticed": [
            {"row": each.row, "file": each.mutant.file, "trials": each.trials, "said": each.said}
            for each in tried
            if each.is_noticed
        ],
    }


def _mutants_of(row: Row, scratch: Path, chosen: argparse.Namespace) -> list[Noticed]:
    """Take the defences of a row away, one after another, on a chain of the row's own."""
    tried = []
    with chain_in(None, scratch / "world"):
        for mutant in row.mutants:
            each = chosen.each or row.trials
            found = notices(row, mutant, world=scratch / "world", folder=scratch, each=each, seed=chosen.seed)
            print(f"{row.name} {mutant.file}: {'noticed' if found.is_noticed else 'NOT NOTICED'}", file=sys.stderr)
            tried.append(found)
    return tried


if __name__ == "__main__":
    sys.exit(main())
