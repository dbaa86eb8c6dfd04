"""The outcome of a run as docs/fuzz.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "fuzz.md"

TEXT = """# Plans for random accounts

Random accounts are made on the local chain's real Aave 3.6 and SparkLend contracts: one to four collaterals, some
of them not enabled, one to three debts, one in four in e-mode, something in the wallet or not. For each a plan is
asked for, to a higher health factor, to a lower leverage, or to close. A plan that is offered is run on the chain,
transaction by transaction, and held against what it says: no revert, never below its floor, on its goal and at
most 0.01 beyond it, no allowance left, no debt repaid to less than a dollar without being cleared. What is refused
is counted by its reason, and is neither success nor failure.

`scripts/fuzz --plans {plans} --seed {seed} --write-docs` wrote this page in {minutes:.0f} min, beside other work
on two cores. {whole} of the plans reach their goal; the others are labelled as parts of a longer way.

```json
{json}
```

The accounts have what the local chain has pools and prices for. Plans that raise leverage, caps, and paused or
frozen reserves are not drawn.
"""


def write_page(outcome: dict[str, Any], *, seed: int, seconds: float) -> None:
    """Write the page."""
    shown = {name: value for name, value in outcome.items() if name != "whole"}
    PAGE.write_text(
        TEXT.format(
            plans=outcome["plans"],
            seed=seed,
            minutes=seconds / 60,
            whole=outcome["whole"],
            json=json.dumps(shown, indent=1),
        )
    )
