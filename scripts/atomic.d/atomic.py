"""Take random accounts down through the executor on the real contracts; print what came of it as JSON."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from atomic_page import write

from tests.support.atomic_trials import KINDS, AtomicOutcome, draw_indebted, try_atomically
from tests.support.executors import deploy_executor
from tests.support.world import own_world


def main() -> None:
    """Try until so many accounts were taken down; end with code 1 when one of them was not as promised."""
    asked = _arguments()
    outcome = run(asked.accounts, asked.seed)
    print(json.dumps(outcome, indent=1))
    if asked.write_docs:
        write(outcome)
    if any(outcome[kind] for kind in KINDS):
        sys.exit("a plan through the executor did not do what it promised")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=200, metavar="N", help="how many are taken down")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="what all draws follow from")
    parser.add_argument(
        "--write-docs", action="store_true", help="write docs/atomic.json and its figures in docs/atomic.md"
    )
    return parser.parse_args()


def run(accounts: int, seed: int) -> dict[str, Any]:
    """Return the counts after `accounts` that were taken down in one transaction."""
    random = Random(seed)  # noqa: S311 - draws to be repeated, nothing secret
    done: list[AtomicOutcome] = []
    others: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="defilev-atomic-") as folder, own_world(Path(folder)) as world:
        deploy_executor(world)
        while len(done) < accounts:
            trial = draw_indebted(world, random)
            outcome = try_atomically(world, trial)
            if outcome.way != "atomic":
                others[f"{outcome.way}: {outcome.why}"] += 1
                continue
            done.append(outcome)
            for finding in outcome.findings:
                print(f"{finding.kind}: {finding.what}\n  {trial}", file=sys.stderr)
    return counted(done, others, seed)


def counted(done: list[AtomicOutcome], others: Counter[str], seed: int) -> dict[str, Any]:
    """Return what came of the accounts as a document."""
    kinds = Counter(finding.kind for outcome in done for finding in outcome.findings)
    compared = [outcome for outcome in done if outcome.steps is not None and outcome.steps_gas is not None]
    return {
        "seed": seed,
        "accounts": len(done),
        **{kind: kinds[kind] for kind in KINDS},
        "others": dict(sorted(others.items())),
        "median_gas": int(median(outcome.gas for outcome in done)),
        "transactions": dict(sorted(Counter(str(outcome.transactions) for outcome in done).items())),
        "with_a_staircase": len(compared),
        "median_transactions_of_the_staircase": median(outcome.steps or 0 for outcome in compared),
        "median_gas_limits_of_the_staircase": int(median(outcome.steps_gas or 0 for outcome in compared)),
        "findings": [f"{finding.kind}: {finding.what}" for outcome in done for finding in outcome.findings],
    }


if __name__ == "__main__":
    main()
