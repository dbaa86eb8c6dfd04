"""docs/drill.md, made from what drills came to; every figure in it is one that a run printed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.world import ROOT

RESULTS, PAGE = ROOT / "docs" / "drill.json", ROOT / "docs" / "drill.md"
Document = dict[str, Any]

TITLE = """# Crash drills

Made by `scripts/drill` from its own counts in `docs/drill.json`; do not edit. Each drill replays hourly prices of ETH
(`scripts/calibration.d/data`, with their source) on a local chain of the real contracts, 25 blocks an hour: within
each hour the price goes straight to one extreme, to the other and to the close, and the feeds of ETH and BTC and four
Uniswap pools go with it. In the two hours before the end of the one with the lowest price the pools pay 4 % less than
the feeds say. In hours that span more than 5 % the base fee climbs by an eighth a block to 500 gwei. A liquidator
takes every account in the very block whose price makes it liquidatable, ahead of everybody else. The rules pay up to
600 gwei from the first tier on, and take sales that lose 1, 3 and 8 % against the feeds in their three tiers.

Every guarded account has a twin without a guard: the same position, the same money beside it. One guard, in one
process, watches them all on every block; it is killed without warning (kill -9) at random instants, every other time
while a transaction of its own is on the way, and started again at once. A block comes when the guard has nothing left
to do at it, and after 12 seconds whatever it does."""

FEASIBLE = """An account is *feasible* when its rule could be kept from the start on: a reserve that is at least the
need at the path's lowest price; a sale that has at least twelve blocks between trigger and liquidation (one from its
trigger takes five to ten transactions) in which the rule's tier pays for the gas and takes what the pools pay; or
nothing to do. Accounts that
are only watched, and reserves that are too small, are among the others: people must have been told of each of them at
an earlier block than the one in which it was liquidated."""

LIMITS = """## What this does not show

Blocks of 144 seconds, so that an hour has as many as were asked for; one venue; a liquidator who pays whatever it
takes, and no other bots; a local node, which never fails here (`docs/reliability.md` has nodes that do). Equity
changes include what the price did to everybody; the difference between the two columns is what the guard did."""


def write_page(name: str, result: Document, command: str, *, date: str) -> None:
    """Put a drill into the page under its name, beside what earlier runs came to."""
    known: Document = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    known[name] = {**result, "command": command, "date": date}
    RESULTS.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
    PAGE.write_text(page(known))


def page(known: Mapping[str, Document]) -> str:
    """Return the page."""
    drills = [(name, known[name]) for name in sorted(known)]
    sections = [TITLE, FEASIBLE, _outcomes(drills), _authorities(drills), _faults(drills), LIMITS, _runs(drills)]
    return "\n\n".join(sections) + "\n"


def _outcomes(drills: Sequence[tuple[str, Document]]) -> str:
    head = (
        "path", "lowest", "accounts", "feasible", "liquidated, guarded", "of them feasible", "liquidated, unguarded",
        "equity change, guarded", "equity change, unguarded", "the guard kept",
    )  # fmt: skip
    rows = [
        (
            name,
            _percent(drill["lowest_price"] - 1),
            drill["accounts"],
            drill["feasible"],
            drill["guarded"]["liquidated"],
            len(drill["feasible_liquidated"]),
            drill["unguarded"]["liquidated"],
            _dollars(drill["guarded"]["equity_change"]),
            _dollars(drill["unguarded"]["equity_change"]),
            _dollars(drill["guarded"]["equity_change"] - drill["unguarded"]["equity_change"]),
        )
        for name, drill in drills
    ]
    return "\n".join(["## What came of it", "", _table(head, rows)])


def _authorities(drills: Sequence[tuple[str, Document]]) -> str:
    rows = [
        (name, authority, counts["accounts"], counts["feasible"], counts["liquidated"])
        for name, drill in drills
        for authority, counts in drill["by_authority"].items()
    ]
    return _table(("path", "authority", "accounts", "feasible", "liquidated"), rows)


def _faults(drills: Sequence[tuple[str, Document]]) -> str:
    head = (
        "path", "blocks", "kills", "first tick after a kill led", "actions", "duplicates",
        "infeasible and liquidated", "told of beforehand",
    )  # fmt: skip
    rows = [
        (
            name,
            drill["blocks"],
            drill["kills"],
            f"{drill['resumed'] - drill['resumed_late']} of {drill['resumed']}",
            drill["actions"],
            drill["duplicates"],
            drill["infeasible_liquidated"],
            drill["alerted_infeasible"],
        )
        for name, drill in drills
    ]
    return _table(head, rows)


def _runs(drills: Sequence[tuple[str, Document]]) -> str:
    rows = [(name, drill["date"], f"{drill['seconds']} s", f"`{drill['command']}`") for name, drill in drills]
    return "\n".join(["## The runs", "", _table(("path", "date", "took", "command"), rows)])


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _percent(share: float) -> str:
    return f"{100 * share:+.1f} %".replace("-", "−")


def _dollars(value: float) -> str:
    return f"{value:+,.0f} $".replace(",", "\u202f").replace("-", "−")
