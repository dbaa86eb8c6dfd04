"""The `defilev/simulate@1` document; docs/json.md describes every field."""

from __future__ import annotations

from typing import Any

from defilev.model.codec import to_document
from defilev.model.simulation import SimulationReport

__all__ = ["SCHEMA", "simulation_document", "simulation_part"]

SCHEMA = "defilev/simulate@1"


def simulation_document(report: SimulationReport) -> dict[str, Any]:
    """Return the report with its schema; integers are strings of base units."""
    return {"schema": SCHEMA, **simulation_part(report)}


def simulation_part(report: SimulationReport) -> dict[str, Any]:
    """Return the report as a part of a larger document."""
    return {"succeeded": report.succeeded, **to_document(report)}
