"""The outcome of a run as docs/fuzz.md."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from tally import Tally

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "fuzz.md"

TEXT = """# Plans for random accounts

Random accounts are made on the local chain's real Aave 3.6 and SparkLend contracts: one to four collaterals, some
of them not enabled, one to three debts, one in four in e-mode, something in the wallet or not. Then every second
market is put in trouble: reserves are frozen, paused, capped, or lent out to a few dollars or to nothing; pools lose
up to 99.99 % of their liquidity; the oracle leaves the pools by up to 4 %. For each a plan is asked for, to a higher
health factor, to a lower leverage, to close, or to more leverage. A plan that is offered is run on the chain,
transaction by transaction, and held against what it says: no revert, never below its floor, on its goal and at most
0.01 beyond it, no allowance left, no debt repaid to less than a dollar without being cleared. What is refused is
counted by its reason, and is neither success nor failure.

`scripts/fuzz --plans {plans} --seed {seed} --workers 2 --write-docs` wrote this page on {date}, with the code of commit
`{commit}`, after {minutes:.0f} min. {trials} accounts were drawn, and {plans} plans
offered: {whole} reach their goal; the others are labelled as parts of a longer way. A long run is made in slices: with
`--minutes M --keep FILE` it stops after so long, and goes on from the file with the same seed and the same commit.
`--first K --plans 1` makes trial number K again.

```json
{json}
```

The accounts have what the local chain has pools and prices for.
"""


def write_page(tally: Tally) -> None:
    """Write the page."""
    shown = {name: value for name, value in tally.document().items() if name != "whole"}
    PAGE.write_text(
        TEXT.format(
            plans=tally.offered,
            seed=tally.seed,
            commit=tally.commit,
            date=datetime.now(tz=UTC).date(),
            minutes=tally.seconds / 60,
            trials=tally.following,
            whole=tally.whole,
            json=json.dumps(shown, indent=1),
        )
    )
