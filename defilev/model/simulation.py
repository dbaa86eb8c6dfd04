"""What happened when a plan was tried on a fork."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from defilev.errors import UsageError
from defilev.model.flow import FlowValue
from defilev.model.plan import PostCondition
from defilev.model.request import Address, Block
from defilev.units import Wad

__all__ = ["CheckedCondition", "SimulationReport", "StepReport", "TokenMovement"]


@dataclass(frozen=True, slots=True)
class TokenMovement:
    """A Transfer event; `amount` in base units. `symbol` and `decimals` are `None` for a token outside the market."""

    token: Address
    symbol: str | None
    decimals: int | None
    sender: Address
    recipient: Address
    amount: int


@dataclass(frozen=True, slots=True)
class StepReport:
    """One transaction that was tried.

    `revert_reason` is `None` on success. `health_factor` is the contract's after the step, `None` when nothing is owed.
    `status`: `ok`, `reverted`, or `not-run` for steps after a revert.
    """

    index: int
    status: Literal["ok", "reverted", "not-run"]
    gas_used: int | None
    revert_reason: str | None
    movements: tuple[TokenMovement, ...]
    health_factor: Wad | None
    timestamp: int | None


@dataclass(frozen=True, slots=True)
class CheckedCondition:
    """A post-condition, whether it held, and the value found (`None` when there is none to find)."""

    condition: PostCondition
    holds: bool
    found: int | None


@dataclass(frozen=True, slots=True)
class SimulationReport(FlowValue):
    """A plan tried at `block` by `engine`.

    `health_factor` and the values (quote base units) are what the contract itself says after the last step; `None` when
    a step reverted, and `health_factor` also when nothing is owed. `wallet_changes`
    is what the owner's wallet gained (`recipient` is the owner) and lost. `gas_price` is in wei.
    """

    SCHEMA: ClassVar[str] = "defilev/simulate@1"

    plan_hash: str
    engine: Literal["anvil", "simulate-v1"]
    block: Block
    steps: tuple[StepReport, ...]
    conditions: tuple[CheckedCondition, ...]
    health_factor: Wad | None
    collateral_value: int | None
    debt_value: int | None
    gas_used: int
    gas_price: int
    wallet_changes: tuple[TokenMovement, ...] = ()

    def to_document(self) -> dict[str, Any]:
        """Return the report with its schema and its verdict."""
        document = super(SimulationReport, self).to_document()
        return {"schema": document.pop("schema"), "succeeded": self.succeeded, **document}

    @classmethod
    def from_document(cls, document: Any) -> Self:
        """Return the report; raises `UsageError` also when the document's verdict is not that of its steps."""
        report = super(SimulationReport, cls).from_document(document)
        if document.get("succeeded") is not report.succeeded:
            raise UsageError("the report does not say what its steps say of success", fix="simulate the plan again")
        return report

    @property
    def succeeded(self) -> bool:
        """Whether every step ran and every post-condition held."""
        return all(step.status == "ok" for step in self.steps) and all(check.holds for check in self.conditions)
