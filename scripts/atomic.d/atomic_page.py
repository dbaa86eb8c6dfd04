"""The outcome of a run as docs/atomic.json and as the last section of docs/atomic.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[2] / "docs"
HEADING = "## Figures"

TEXT = """{heading}

`scripts/atomic --accounts {accounts} --seed {seed} --write-docs` wrote this section and [atomic.json](atomic.json):
random accounts on the local chain's real Aave 3.6 and SparkLend, one to four collaterals, one to three debts, one in
four in e-mode, each taken down to a random goal.

| | |
|---|---|
| accounts taken down through the executor | {accounts} |
| reverted | {reverted} |
| off their goal, or more than 0.01 beyond it | {off_target} |
| supplies or debts other than predicted, by a base unit | {not_as_predicted} |
| something held by the executor, or allowed to it, afterwards | {left_behind} |
| calls that the policy would not sign | {denied} |
| gas used, the median of all transactions of an account | {median_gas:,} |
| transactions in steps, where there is a whole staircase ({with_a_staircase}) | {staircase:g}, the median |
| gas limits of those steps | {median_gas_limits_of_the_staircase:,}, the median |

A pool that lends in a flash loan gives its suppliers the fee: of what such an account supplies of the token lent it
may have more than predicted. {others_count} more draws were not taken down so, each for a reason that is counted in
the file: nothing owed, out of reach of a single sale, too dear to sell at once.
"""


def write(outcome: dict[str, Any]) -> None:
    """Write both."""
    (DOCS / "atomic.json").write_text(json.dumps(outcome, indent=1) + "\n")
    page = DOCS / "atomic.md"
    before = page.read_text().partition(HEADING)[0]
    more = {
        "others_count": sum(outcome["others"].values()),
        "staircase": outcome["median_transactions_of_the_staircase"],
    }
    page.write_text(before + TEXT.format(heading=HEADING, **more, **outcome))
