"""docs/soak.md, made from what a soak counted; every figure in it is one that a run printed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.support.soaking import FAULTS, ODDS
from tests.support.world import ROOT

RESULTS, PAGE = ROOT / "docs" / "soak.json", ROOT / "docs" / "soak.md"

TEXT = """# An hour behind a node that fails

Made by `scripts/soak` from its own counts in `docs/soak.json`; do not edit. A guard with a key looks at every block
of a local chain of the real contracts, while the price of ETH goes up and down across its trigger once a second. It
repays from a reserve, from the owner's wallet, or sells, as it finds them: both are filled and emptied at random, and
the owner borrows again whenever health allows. Between it and the node stands a proxy that, from the first tick on,
lets each call fail with a chance of {odds:.0%} in each of these ways: {faults}.

A tick that could not read the chain says so; ticks that should have come and did not are counted by the chain's
time and told. What neither explains is *unaccounted*; an error that was not foreseen is *unhandled*. Memory is
compared between the first and the last third of the time after the process has grown to its size.
"""


def write_page(counts: Mapping[str, Any], command: str, *, date: str) -> None:
    """Put what one run counted into the page, in the place of the one before."""
    told = {**counts, "command": command, "date": date}
    RESULTS.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n")
    PAGE.write_text(page(told))


def page(told: Mapping[str, Any]) -> str:
    """Return the page."""
    kinds = ", ".join(f"`{kind}`" for kind in FAULTS)
    memory = told["megabytes"]
    rows = (
        ("minutes", told["minutes"]),
        ("ticks", told["ticks"]),
        ("calls that were made to fail", told["faults"]),
        ("ticks that could not read the chain, and said so", told["unread_ticks"]),
        ("ticks that were missed, and told of", told["missed_ticks_told"]),
        ("unaccounted", len(told["unaccounted"])),
        ("unhandled errors", told["unhandled"]),
        ("actions that reached their goal or a part of it", told["actions"]),
        ("of these by way", ", ".join(f"{way}: {count}" for way, count in told["ways"].items())),
        ("memory at first, at last", f"{memory['first']:.0f} MB, {memory['last']:.0f} MB"),
        ("growth", f"{memory['growth']:+.1f} MB"),
    )
    table = "\n".join(["| what | figure |", "|---|---|", *(f"| {what} | {figure} |" for what, figure in rows)])
    made = f"Run on {told['date']} with `{told['command']}`."
    return "\n".join([TEXT.format(odds=ODDS, faults=kinds), table, "", made, ""])
