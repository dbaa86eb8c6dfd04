"""docs/reliability.md, made from what runs came to: every number in it was counted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from counting import NAIVE

from tests.chaos.rows import CRASHES, ROWS
from tests.support.world import ROOT

RESULTS, PAGE = ROOT / "docs" / "reliability.json", ROOT / "docs" / "reliability.md"
Document = dict[str, Any]

TITLE = """# What was done to it, and what came of it

Made by `scripts/chaos` from its own counts in `docs/reliability.json`; do not edit. Each trial runs real processes
against a real anvil with real Aave contracts, whose blocks come slowly, through a proxy that fails on purpose and a
pool that keeps transactions as geth does: ten per cent more on both fees for a replacement, what cannot be paid waits,
what a reorganisation takes out returns. The account's health factor is below its trigger; it must be brought to its
target, once. What happened is read from the chain's events, not from the program's word."""

CONTROL = """## Beside it, the loop that everybody writes first

It reads the account, asks for the pending nonce, signs, sends, waits, and tries again after an error. The same chain,
the same failures, the same kills. If it did no harm, these trials would prove nothing."""

NOT_COVERED = """## What this does not cover

The public mempool and its builders, private relays, the sequencers of real rollups, hardware wallets, and a Safe's
transaction service. None of n failures bounds the rate by about 3/n at 95 %."""

MUTANTS = """## A row counts only if it notices

Each defence was taken away in a copy of the package, and its row was run against the copy until a trial failed."""


def write_page(result: Document, *, seed: int, date: str, command: str) -> None:
    """Add what a run came to to what earlier runs did, row by row, and write the page."""
    known: Document = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"rows": {}, "mutants": {}}
    run = {"seed": seed, "date": date, "command": command}
    for row in result.get("rows", ()):
        known["rows"][row["row"]] = {name: row[name] for name in ("trials", "failures", "figures")} | run
    for noticed, key in ((True, "noticed"), (False, "not_noticed")):
        for mutant in result.get(key, ()):
            entry = known["mutants"].setdefault(mutant["row"], {"noticed": 0, "tried": 0} | run)
            if entry["command"] != command or entry["date"] != date:
                entry.update({"noticed": 0, "tried": 0} | run)
            entry["tried"] += 1
            entry["noticed"] += noticed
    RESULTS.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
    PAGE.write_text(page(known))


def page(known: Mapping[str, Any]) -> str:
    """Return the page."""
    rows: Mapping[str, Document] = known["rows"]
    tried = [ROWS[name] for name in ROWS if name in rows and name != NAIVE]
    sections = [
        TITLE,
        _table(
            ("row", "fault", "trials", "failures", "what was counted"),
            [
                (
                    row.name,
                    row.fault,
                    _number(rows[row.name]["trials"]),
                    _number(rows[row.name]["failures"]),
                    _figures(rows[row.name]),
                )
                for row in tried
            ],
        ),
        *([CONTROL, _naive(rows)] if NAIVE in rows else []),
        "## How each fault is made, and what must come of it",
        _table(("row", "made by", "must come of it"), [(row.name, row.injected, row.required) for row in tried]),
        *([MUTANTS, _mutants(known["mutants"])] if known["mutants"] else []),
        "## The runs",
        _runs([*rows.items(), *((f"{name} without its defences", entry) for name, entry in known["mutants"].items())]),
        NOT_COVERED,
    ]
    return "\n\n".join(sections) + "\n"


def _naive(rows: Mapping[str, Document]) -> str:
    kills = [rows[name] for name in CRASHES if name in rows]
    lines = [
        ("defilev", *_score(kills)),
        ("the naive loop", *_score([rows[NAIVE]])),
    ]
    return _table(("", "trials", "killed", "done twice", "missed"), lines)


def _score(rows: Sequence[Document]) -> tuple[str, ...]:
    sums = (
        sum(row["figures"].get(name, {}).get("sum", 0) for row in rows) for name in ("killed", "duplicates", "misses")
    )
    return (_number(sum(row["trials"] for row in rows)), *(_number(value) for value in sums))


def _figures(row: Document) -> str:
    return "; ".join(f"{name} {_spread(spread)}" for name, spread in row["figures"].items()) or "—"


def _spread(spread: Mapping[str, float]) -> str:
    if spread["least"] == 0 and spread["most"] in (0, 1):
        return f"in {_number(spread['sum'])}"
    if spread["least"] == spread["most"]:
        return _number(spread["most"])
    return f"{_number(spread['least'])} to {_number(spread['most'])}"


def _mutants(mutants: Mapping[str, Document]) -> str:
    lines = [(name, _number(entry["tried"]), _number(entry["noticed"])) for name, entry in _in_order(mutants.items())]
    return _table(("row", "defences taken away", "noticed"), lines)


def _runs(entries: Sequence[tuple[str, Document]]) -> str:
    runs: dict[tuple[str, str, int], list[str]] = {}
    for name, entry in entries:
        runs.setdefault((entry["date"], entry["command"], entry["seed"]), []).append(name)
    lines = [
        (date, f"`{command}`", str(seed), ", ".join(names)) for (date, command, seed), names in sorted(runs.items())
    ]
    return _table(("date", "command", "seed", "rows"), lines)


def _in_order(entries: Any) -> list[tuple[str, Document]]:
    order = {name: place for place, name in enumerate(ROWS)}
    return sorted(entries, key=lambda entry: order.get(entry[0], len(order)))


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    ruled = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in ruled)
