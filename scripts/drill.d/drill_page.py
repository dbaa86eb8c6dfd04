"""docs/drill.md, made from what drills came to; every figure in it is one that a run printed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from feasible import CAN

from tests.support.world import ROOT

RESULTS, PAGE = ROOT / "docs" / "drill.json", ROOT / "docs" / "drill.md"
Document = dict[str, Any]

TITLE = """# Crash drills

Made by `scripts/drill` from its own counts in `docs/drill.json`; do not edit. Each drill replays hourly prices of
ETH (`scripts/calibration.d/data`, with their source) on a local chain of the real contracts, 25 blocks an hour:
within each hour the price goes straight to one extreme, to the other and to the close, and the feeds of ETH and BTC
and four Uniswap pools go with it. In the two hours before the end of the one with the lowest price the pools pay
4 % less than the feeds say. In hours that span more than 5 % the base fee climbs by an eighth a block to 500 gwei. A
liquidator takes every account in the very block whose price makes it liquidatable, ahead of everybody else.

At the path's lowest price the accounts would be at a health of 0.80 to 1.04 if nothing were done; each begins
above its trigger, which lies at six to nine tenths of its way from liquidation. Sales may lose 2, 5 and 10 %
against the feeds in the three tiers, the most that rules may say; urgent begins at nine tenths of the way to the
trigger, emergency at four tenths; the tiers pay up to 600, 1000 and 2000 gwei. Two of eight reserves hold half of
what keeps their account from liquidation.

Every guarded account has a twin without a guard: the same position, the same money beside it. One guard, in one
process, watches them all on every block; it is killed without warning (kill -9) at random instants, every other
time while a transaction of its own is on the way, and started again at once; four kills of five come when the
process before has told of a tick. A block comes when all that the guard does waits for one: it has looked at the
newest, and each action that goes on has a transaction in the pool, or nothing was heard of it for 3 seconds. It
comes after 12 seconds whatever the guard does: *too soon* counts the blocks that came while it still had something to
do, as on a machine that others use."""

FEASIBLE = """## Who could be saved

It is worked out of position, rule and path alone before anything runs (`scripts/drill.d/feasible.py`), and written
down with the reason. An account's rule is *feasible* when

- the account is never liquidatable on the path, whatever its authority;
- `reserve`: the reserve is at least the need at the path's lowest price: what brings the account to its goal there;
- `owner`: the rounds of a sale fit into the blocks. The sale is played with the rule's own figures: withdraw,
  approve, swap, approve, repay, one transaction to a block, none in the block after a kill; a swap is refused when
  the pool pays less than the tier's slippage under the price at which it was planned, and then planned anew; a tier
  that does not pay for the gas, or does not take what the pools pay, waits. Who plays it knows the path, and of
  each round takes the largest that the account lives through; no guard can know as much.

Accounts that are only watched, reserves that are too small and sales that do not fit are the others: people must
have been told of each of them, louder than for information, at an earlier block than that of its liquidation."""

DUPLICATES = """## Duplicates

They are counted on the chain: calls of the guard's keys that succeeded again with the same bytes, but for approvals
and for calls of nothing, by which a nonce is given back; repayments that end above the goal at the lowest price until
then, and transactions that the journal does not know. A run that was planned at a block which has the earlier call
in it is an action of its own, though the bytes are the same: where a price falls in a straight line, two repayments in
a row ask for the same amount. A run is a plan that was begun; one that prices have made stale stops between two
rounds, and another goes on."""

LIMITS = """## What this does not show

Blocks of 144 seconds, so that an hour has as many as were asked for; one venue; a liquidator who pays whatever it
takes, and no other bots; a local node, which never fails here (`docs/reliability.md` has nodes that do). Equity
changes include what the price did to everybody; the difference between the two columns is what the guard did.

Of a reserve, *feasible* says that its money suffices, not that there is time: it approves in the block after a decision
and repays in the one after that, where the liquidator is ahead of it. An account that falls past liquidation within
those two blocks, from where nothing foretold it, is lost whatever the reserve holds."""


def write_page(name: str, result: Document, command: str, *, date: str) -> None:
    """Put a drill into the page under its name, beside what earlier runs came to."""
    known: Document = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    known[name] = {**result, "command": command, "date": date}
    RESULTS.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
    PAGE.write_text(page(known))


def page(known: Mapping[str, Document]) -> str:
    """Return the page."""
    drills = [(name, known[name]) for name in sorted(known)]
    sections = [
        TITLE, FEASIBLE, _outcomes(drills), _authorities(drills), _reasons(drills), _faults(drills), _doubled(drills),
        LIMITS, _runs(drills),
    ]  # fmt: skip
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
        (name, authority, *(counts[each] for each in ("accounts", "feasible", "liquidated", "unguarded_liquidated")))
        for name, drill in drills
        for authority, counts in drill["by_authority"].items()
    ]
    return _table(("path", "authority", "accounts", "feasible", "liquidated", "liquidated, unguarded"), rows)


def _reasons(drills: Sequence[tuple[str, Document]]) -> str:
    rows = [
        (name, reason, count, "yes" if reason in CAN else "no")
        for name, drill in drills
        for reason, count in sorted(Counter(drill["why"].values()).items())
    ]
    return _table(("path", "worked out beforehand", "accounts", "feasible"), rows)


def _faults(drills: Sequence[tuple[str, Document]]) -> str:
    head = (
        "path", "blocks", "too soon", "kills", "processes that told a tick", "their first tick led, within a block",
        "runs", "duplicates", "infeasible and liquidated", "told of beforehand", "infeasible and saved",
    )  # fmt: skip
    rows = [
        (
            name,
            drill["blocks"],
            drill.get("hurried", "not counted"),
            drill["killed"],
            f"{drill['resumed']} of {drill['killed']}",
            f"{drill['resumed'] - drill['resumed_late']} of {drill['resumed']}",
            drill["actions"],
            drill["duplicates"],
            drill["infeasible_liquidated"],
            drill["alerted_infeasible"],
            len(drill["saved_beyond"]),
        )
        for name, drill in drills
    ]
    return _table(head, rows)


def _doubled(drills: Sequence[tuple[str, Document]]) -> str:
    found = [f"- {name}: {each}" for name, drill in drills for each in drill["doubled"]]
    return "\n\n".join([DUPLICATES, "\n".join(found) or "None was found."])


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
