"""Any value that passes between the rooms, from its JSON; what a file is, its schema says."""

from __future__ import annotations

from collections.abc import Mapping

from defilev.errors import UsageError
from defilev.model.account import LendingAccount
from defilev.model.codec import parse_json
from defilev.model.execution import Execution, SignedStep
from defilev.model.exposure import Exposure
from defilev.model.flow import FlowValue
from defilev.model.perp import PerpAccount
from defilev.model.plan import Plan
from defilev.model.simulation import SimulationReport
from defilev.model.target import Target
from defilev.protocols import PERPS, PROTOCOLS

__all__ = ["KINDS", "from_json"]

KINDS: Mapping[str, type[FlowValue]] = {
    kind.SCHEMA: kind
    for kind in (LendingAccount, PerpAccount, Exposure, Target, Plan, SimulationReport, SignedStep, Execution)
}
"""By schema."""


def from_json(text: str | bytes) -> FlowValue:
    """Return the value that a document written by `to_json`, or by a command with `--json`, describes.

    An account comes back whole, with what its protocol keeps of it.

    Raises:
        UsageError: not JSON, no schema that is known, or a field that is missing or wrong.
        PlanUnreadable, PlanTampered: a plan that is none, or was changed after it was made.
    """
    try:
        document = parse_json(text)
    except ValueError:
        raise UsageError("the document is not JSON", fix="give a document that defilev has written") from None
    schema = document.get("schema") if isinstance(document, Mapping) else None
    kind = KINDS.get(schema) if isinstance(schema, str) else None
    if kind is None:
        raise UsageError(
            f"no document of the schema {schema!r} is read here", fix=f"give one of {', '.join(sorted(KINDS))}"
        )
    name = str(document.get("protocol"))
    if kind is LendingAccount and name in PROTOCOLS:
        return LendingAccount.from_document(document, state_type=PROTOCOLS[name].state_type)
    if kind is PerpAccount and name in PERPS:
        return PerpAccount.from_document(document, state_type=PERPS[name].state_type)
    return kind.from_document(document)
