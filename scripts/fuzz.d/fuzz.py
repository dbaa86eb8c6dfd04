"""Make random accounts on the real contracts, plan for them, try every plan; print what came of it as JSON."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from fuzz_page import write_page

from tests.support.fuzzing import Finding, Trial, draw, try_one
from tests.support.world import own_world

KINDS = ("reverted", "below_floor", "off_target", "allowances_left", "dust", "broken_promise")


def main() -> None:
    """Plan until so many plans were offered; end with code 1 when one of them was wrong."""
    asked = _arguments()
    started = time.perf_counter()
    outcome = run(asked.plans, asked.seed)
    seconds = time.perf_counter() - started
    json.dump(outcome, sys.stdout, indent=1)
    print()
    if asked.write_docs:
        write_page(outcome, seed=asked.seed, seconds=seconds)
    if any(outcome[kind] for kind in KINDS):
        sys.exit("an offered plan did not do what it promised")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plans", type=int, default=150, metavar="N", help="how many plans are offered and tried")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="what all draws follow from")
    parser.add_argument("--write-docs", action="store_true", help="write the outcome to docs/fuzz.md")
    return parser.parse_args()


def run(plans: int, seed: int) -> dict[str, Any]:
    """Return the counts after `plans` offered plans, and the draws behind whatever went wrong."""
    random = Random(seed)  # noqa: S311 - draws to be repeated, nothing secret
    refused: Counter[str] = Counter()
    shapes: Counter[str] = Counter()
    findings: list[Finding] = []
    offered = whole = 0
    with tempfile.TemporaryDirectory(prefix="defilev-fuzz-") as folder, own_world(Path(folder)) as world:
        while offered < plans:
            trial = draw(random)
            outcome = try_one(world, trial)
            if outcome.refused is not None:
                refused[outcome.refused] += 1
                continue
            offered += 1
            whole += outcome.whole
            shapes[outcome.shape] += 1
            findings += outcome.findings
            _progress(offered, plans, trial, outcome.findings)
    counts = Counter(finding.kind for finding in findings)
    return {
        "plans": offered,
        **{kind: counts[kind] for kind in KINDS},
        "refused": dict(sorted(refused.items())),
        "whole": whole,
        "shapes": dict(sorted(shapes.items())),
        "findings": [f"{finding.kind}: {finding.what}" for finding in findings],
    }


def _progress(offered: int, plans: int, trial: Trial, findings: tuple[Finding, ...]) -> None:
    for finding in findings:
        print(f"{finding.kind}: {finding.what}\n  {trial}", file=sys.stderr)
    if offered % 50 == 0:
        print(f"{offered} of {plans}", file=sys.stderr)


if __name__ == "__main__":
    main()
