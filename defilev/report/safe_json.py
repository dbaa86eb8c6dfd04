"""The `defilev/safe-plan@1` and `defilev/safe-verify@1` documents; docs/json.md describes every field."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from defilev.model.bundle import Bundle
from defilev.model.codec import to_document
from defilev.model.request import Address
from defilev.model.safe import SafeAccount
from defilev.model.simulation import SimulationReport

__all__ = ["bundle_document"]


def bundle_document(
    schema: str,
    bundle: Bundle,
    safe: SafeAccount,
    *,
    words: Sequence[Sequence[str]],
    approved_by: Sequence[Sequence[Address]],
    confirmed_by: int,
    report: SimulationReport,
    files: Sequence[Path],
) -> dict[str, Any]:
    """Return a bundle, the Safe as it is, what each call does, and how the Safe itself executed it on a fork."""
    return {
        "schema": schema,
        "bundle": bundle.to_document(),
        "safe": to_document(safe),
        "calls": to_document([list(each) for each in words]),
        "approved_by": to_document([list(each) for each in approved_by]),
        "confirmed_by": str(confirmed_by),
        "simulation": {name: value for name, value in report.to_document().items() if name != "schema"},
        "files": [str(file) for file in files],
    }
