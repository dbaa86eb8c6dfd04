"""The `defilev/rebalance@1` document; docs/json.md describes every field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defilev.model.codec import to_document
from defilev.model.execution import Execution, SignedStep
from defilev.model.flow import FlowValue
from defilev.model.simulation import SimulationReport
from defilev.pipeline.agreeing import Agreement

__all__ = ["SCHEMA", "rebalance_document"]

SCHEMA = "defilev/rebalance@1"


def rebalance_document(
    mode: str,
    plan: Mapping[str, Any],
    report: SimulationReport,
    *,
    signed: SignedStep | None = None,
    unsigned: Mapping[str, Any] | None = None,
    execution: Execution | None = None,
    journal: int | None = None,
    agreement: Agreement | None = None,
) -> dict[str, Any]:
    """Return the plan, how it was tried, and what was done: `None` for what was not; `journal` is the run's number.

    `agreement` is whose word was taken for the block before anything was signed.
    """
    return {
        "schema": SCHEMA,
        "mode": mode,
        "plan": plan,
        "simulation": _part(report),
        "signed": None if signed is None else _part(signed),
        "unsigned": unsigned,
        "execution": None if execution is None else _part(execution),
        "journal": journal,
        "agreement": None if agreement is None else _agreement(agreement),
    }


def _agreement(agreement: Agreement) -> dict[str, Any]:
    return {
        "block": to_document(agreement.block),
        "nodes": list(agreement.nodes),
        "asked": str(agreement.asked),
        "dissent": to_document(agreement.dissent),
    }


def _part(value: FlowValue) -> dict[str, Any]:
    """Return a value as a part of a larger document."""
    return {name: field for name, field in value.to_document().items() if name != "schema"}
