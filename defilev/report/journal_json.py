"""The documents of `defilev journal`; docs/json.md describes every field. Integers of 256 bits are strings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["export_document", "runs_document", "show_document", "verify_document"]

Rows = Sequence[Mapping[str, Any]]

_WIDE = frozenset(
    {
        *("cap_wei", "collateral_value", "cost_expected", "cost_got", "cost_worst", "debt_value", "fee_paid"),
        *("got", "got_collateral", "got_debt", "got_health_factor", "health_factor", "max_fee", "minimum"),
        *("promised_collateral", "promised_debt", "promised_health_factor", "quoted", "tip", "value"),
    }
)
_LISTED = (
    *("id", "kind", "mode", "stage", "chain_id", "account", "protocol", "market", "plan_hash", "started_at"),
    *("ended_at", "stopped_by", "promised_health_factor", "got_health_factor", "transactions", "open"),
)
_LEFT_OUT = {"observation": ("document",), "plan": ("document",), "simulation": ("document",)}
_PARTS = (
    *(("observations", "observation"), ("plans", "plan"), ("steps", "step"), ("simulations", "simulation")),
    *(("intents", "intent"), ("attempts", "attempt"), ("receipts", "receipt"), ("outcomes", "outcome")),
    *(("fills", "fill"), ("events", "event")),
)


def runs_document(runs: Iterable[Mapping[str, Any]], *, place: str) -> dict[str, Any]:
    """Return the list of runs, the newest first; `place` is where the journal is."""
    listed = [_plain({name: run[name] for name in _LISTED}) for run in runs]
    return {"schema": "defilev/journal-ls@1", "journal": place, "runs": listed}


def show_document(record: Mapping[str, Any], *, place: str) -> dict[str, Any]:
    """Return everything about one run but the whole documents, which the export has."""
    parts = {
        name: [_plain({key: row[key] for key in row if key not in _LEFT_OUT.get(table, ())}) for row in record[table]]
        for name, table in _PARTS
    }
    return {"schema": "defilev/journal-show@1", "journal": place, "run": _plain(record["run"]), **parts}


def verify_document(findings: Rows, *, place: str, version: str, head: tuple[int, str]) -> dict[str, Any]:
    """Return whether the journal is whole, and its head."""
    return {
        "schema": "defilev/journal-verify@1",
        "journal": place,
        "version": version,
        "whole": not findings,
        "head": {"seq": head[0], "hash": head[1]},
        "findings": [dict(finding) for finding in findings],
    }


def export_document(content: Mapping[str, Any], *, place: str) -> dict[str, Any]:
    """Return the whole journal, every row of every table."""
    tables = {name: [_plain(row) for row in rows] for name, rows in content["tables"].items()}
    document = {"schema": "defilev/journal-export@1", "journal": place}
    return document | {"version": content["version"], "head": content["head"], "tables": tables}


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: str(value) if name in _WIDE and value is not None else value for name, value in row.items()}
