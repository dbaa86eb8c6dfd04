"""Runs of the journal as lines for a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from defilev.report.figures import DOLLAR, block_number, grouped, health, worth
from defilev.report.ink import Ink
from defilev.report.table import Cell, Column, table
from defilev.units import to_decimal

__all__ = ["run_text", "runs_text"]

Row = Mapping[str, Any]

_RUNS = (
    *(Column("run", "right"), Column("started"), Column("mode", drop=3), Column("position"), Column("stage")),
    *(Column("promised", "right", drop=1), Column("got", "right", drop=1), Column("sent", "right", drop=2)),
    Column("open", "right"),
)
_TRANSACTIONS = (
    *(Column("step", "right"), Column("nonce", "right"), Column("state"), Column("max fee", "right", drop=1)),
    *(Column("sent", "right", drop=2), Column("block", "right"), Column("transaction")),
)
_PROMISES = (Column(""), Column("promised", "right"), Column("got", "right"))
_STYLES = {"DONE": "OK", "STOPPED": "LOW", "ACTING": "DANGER"}
_EVENT = 19
_ID = 10


def runs_text(runs: Sequence[Row], *, width: int, ink: Ink) -> str:
    """Return one line for each run, the newest first."""
    rows = [
        [
            Cell(f"#{run['id']}"),
            Cell(_minute(run["started_at"])),
            Cell(run["mode"]),
            Cell(f"{run['protocol']} {_market(run)} {run['account'][:6]}…{run['account'][-4:]}"),
            Cell(run["stage"], _STYLES.get(run["stage"])),
            Cell(_health(run["promised_health_factor"], known=run["plan_hash"])),
            Cell(_health(run["got_health_factor"], known=run["stage"] == "DONE")),
            Cell(str(run["transactions"])),
            Cell(str(run["open"]), "DANGER" if run["open"] else None),
        ]
        for run in runs
    ]
    return "\n".join(table(_RUNS, rows, width=width, ink=ink))


def run_text(record: Mapping[str, Any], *, width: int, ink: Ink) -> str:
    """Return what one run saw, did and came to."""
    lines = [*_head(record, ink), "", *_transactions(record, width, ink), *_outcome(record, width, ink)]
    return "\n".join([*lines, "", *_events(record, ink)])


def _head(record: Mapping[str, Any], ink: Ink) -> Iterator[str]:
    run: Row = record["run"]
    yield ink(f"journal #{run['id']}  {run['mode']}  {run['stage']}", "strong")
    yield f"  position    {run['protocol']} {run['market']} {run['account']} on chain {run['chain_id']}"
    yield f"  plan        {run['plan_hash'] or 'none'}"
    yield f"  began       {_minute(run['started_at'])}  defilev {run['version']}"
    if run["ended_at"]:
        yield f"  ended       {_minute(run['ended_at'])}"
    if run["stopped_by"]:
        yield f"  stopped     {run['stopped_by']}"
    for seen in record["observation"]:
        where = f"block {block_number(seen['block_number'])}"
        yield f"  {seen['role']:<11} health factor {_health(seen['health_factor'], known=True)} at {where}"


def _transactions(record: Mapping[str, Any], width: int, ink: Ink) -> list[str]:
    included = {receipt["hash"]: receipt["block_number"] for receipt in record["receipt"]}
    rows = [
        _transaction(intent, attempt, included)
        for intent in sorted(record["intent"], key=lambda intent: intent["step"])
        for attempt in [found for found in record["attempt"] if found["intent"] == intent["id"]] or [None]
    ]
    return table(_TRANSACTIONS, rows, width=max(width, 110), ink=ink) if rows else ["  nothing was signed"]


def _transaction(intent: Row, attempt: Row | None, included: Mapping[str, int]) -> list[Cell]:
    nonce = intent["nonce"] if attempt is None else attempt["nonce"]
    state = intent["state"] if attempt is None or attempt["settled"] != "replaced" else "REPLACED"
    place = [Cell(str(intent["step"])), Cell("—" if nonce is None else str(nonce)), Cell(state)]
    if attempt is None:
        return [*place, Cell("—"), Cell("0"), Cell("—"), Cell("not signed")]
    block = included.get(attempt["hash"])
    fee = grouped(to_decimal(attempt["max_fee"], 9), 2)
    shown = "—" if block is None else block_number(block)
    return [*place, Cell(f"{fee} gwei"), Cell(str(attempt["sent_count"])), Cell(shown), Cell(attempt["hash"])]


def _market(run: Row) -> str:
    """Return the market's name; of an isolated one as much of its id as --market takes."""
    return f"{run['market'][:_ID]}…" if run["market"].startswith("0x") else str(run["market"])


def _outcome(record: Mapping[str, Any], width: int, ink: Ink) -> Iterator[str]:
    quotes = [json.loads(plan["document"]).get("quote", DOLLAR) for plan in record["plan"]]
    quote = quotes[0] if quotes else DOLLAR
    for outcome in record["outcome"]:
        scale = outcome["quote_decimals"]
        rows = [("health factor", *(_health(outcome[f"{side}_health_factor"], known=True)
                                    for side in ("promised", "got")))]  # fmt: skip
        rows += [
            (name, *(_value(outcome[f"{side}_{name}"], scale, quote) for side in ("promised", "got")))
            for name in ("collateral", "debt")
        ]
        rows.append(("cost, at most", *(_value(outcome[f"cost_{side}"], scale, quote) for side in ("worst", "got"))))
        yield ""
        yield from table(_PROMISES, [[Cell(text) for text in row] for row in rows], width=width, ink=ink)
        yield f"  gas {to_decimal(outcome['fee_paid'], 18):.6f} of the native currency"


def _events(record: Mapping[str, Any], ink: Ink) -> Iterator[str]:
    yield ink("changes of state, in order", "strong")
    for event in record["event"]:
        if event["to_state"] == event["from_state"]:
            continue
        change = " → ".join(state for state in (event["from_state"], event["to_state"]) if state)
        detail = json.loads(event["detail"])
        why = detail.get("why") or detail.get("result") or ""
        line = f"  {event['at'][:_EVENT].replace('T', ' ')}  {event['subject']:<11} {change}  {why}"
        yield line.rstrip()


def _health(wad: int | None, *, known: object) -> str:
    if wad is None:
        return "no debt" if known else "—"
    return health(to_decimal(wad, 18))


def _value(raw: int | None, decimals: int, quote: str) -> str:
    return "—" if raw is None else worth(Decimal(raw).scaleb(-decimals), quote)


def _minute(at: str) -> str:
    return datetime.fromisoformat(at).strftime("%Y-%m-%d %H:%M UTC")
