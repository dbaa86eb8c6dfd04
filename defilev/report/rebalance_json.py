"""The `defilev/rebalance@1` document; docs/json.md describes every field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defilev.model.codec import to_document
from defilev.model.execution import Execution, SignedStep
from defilev.model.simulation import SimulationReport
from defilev.report.simulation_json import simulation_part

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
) -> dict[str, Any]:
    """Return the plan, how it was tried, and what was done: `None` for what was not; `journal` is the run's number."""
    return {
        "schema": SCHEMA,
        "mode": mode,
        "plan": plan,
        "simulation": simulation_part(report),
        "signed": None if signed is None else to_document(signed),
        "unsigned": unsigned,
        "execution": None if execution is None else to_document(execution),
        "journal": journal,
    }
