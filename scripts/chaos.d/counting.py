"""Trials shared out among processes, each with a chain of its own, and what came of them in figures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.chaos.rows import CRASHES
from tests.support.world import ROOT

NAIVE = "naive"
EXAMPLES = 3
Document = dict[str, Any]


def run_trials(counts: Mapping[str, int], *, seed: int, workers: int) -> list[Document]:
    """Run so many trials of each row, and return what each came to.

    Raises:
        RuntimeError: a process ended before its share.
    """
    total = sum(counts.values())
    if not total:
        return []
    done: list[Document] = []

    def share(place: int) -> None:
        expected = len(range(place, total, workers))
        lines = list(_lines(counts, seed=seed, place=place, workers=workers, done=done, total=total))
        if len(lines) != expected:
            raise RuntimeError(f"a worker ended after {len(lines)} of {expected} trials")

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(share, range(workers)))
    return sorted(done, key=lambda line: (line["row"], line["number"]))


def _lines(
    counts: Mapping[str, int], *, seed: int, place: int, workers: int, done: list[Document], total: int
) -> list[Document]:
    words = ["--counts", ",".join(f"{name}={count}" for name, count in counts.items())]
    words += ["--seed", str(seed), "--share", f"{place}/{workers}"]
    command = [sys.executable, "-m", "tests.chaos.running", *words]
    own = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ}) as process:
        for text in process.stdout or ():
            own.append(line := json.loads(text))
            done.append(line)
            _tell(line, len(done), total)
    return own


def _tell(line: Document, number: int, total: int) -> None:
    if line["wrong"]:
        print(f"\n{line['row']} trial {line['number']}: {'; '.join(line['wrong'])}\n{line['log']}", file=sys.stderr)
    if number % 10 == 0 or number == total:
        print(f"\r{number} of {total}", end="\n" if number == total else "", file=sys.stderr, flush=True)


def counted(name: str, lines: Sequence[Document]) -> Document:
    """Return one row's figures: least, mean and most of each that its trials have."""
    failed = [line for line in lines if line["wrong"]]
    figures: dict[str, list[float]] = {}
    for line in lines:
        for figure, value in line["figures"].items():
            figures.setdefault(figure, []).append(value)
    return {
        "row": name,
        "trials": len(lines),
        "failures": len(failed),
        "figures": {figure: _spread(values) for figure, values in figures.items()},
        "seconds_per_trial": round(sum(line["seconds"] for line in lines) / max(len(lines), 1), 2),
        "examples": [{"number": line["number"], "wrong": line["wrong"]} for line in failed[:EXAMPLES]],
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {
        "least": min(values),
        "mean": round(sum(values) / len(values), 3),
        "most": max(values),
        "sum": round(sum(values), 3),
    }


def crash_figures(rows: Sequence[Document]) -> Document:
    """Return what the trials of kills came to, beside what the naive loop does."""
    by_name = {row["row"]: row for row in rows}
    kills = [by_name[name] for name in CRASHES if name in by_name]
    naive = by_name.get(NAIVE)
    return {
        "trials": sum(row["trials"] for row in kills),
        "killed": _sum(kills, "killed"),
        "duplicates": _sum(kills, "duplicates"),
        "misses": _sum(kills, "misses"),
        "naive": {
            "trials": naive["trials"] if naive else 0,
            "duplicates": _sum([naive] if naive else [], "duplicates"),
            "misses": _sum([naive] if naive else [], "misses"),
        },
    }


def _sum(rows: Sequence[Document], figure: str) -> int:
    return int(sum(row["figures"].get(figure, {}).get("sum", 0) for row in rows))
