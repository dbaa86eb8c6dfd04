"""A plan as a Safe's owners sign it: every transaction of the Safe, what it does, and its hashes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from defilev.errors import BundleUnreadable, UsageError
from defilev.model.codec import from_document, to_document
from defilev.model.flow import FlowValue, without_schema
from defilev.model.plan import Plan
from defilev.model.request import Address
from defilev.model.safe import SafeTransaction

__all__ = ["Bundle", "Part"]


@dataclass(frozen=True, slots=True)
class Part:
    """One transaction of the Safe, which performs the plan's steps from `first_step` to `last_step`, all or none.

    `gas` is the most that it takes. `domain_hash` and `message_hash` are what a hardware signer shows, and
    `transaction_hash` is of both together: what owners sign and the Safe checks; each is 0x and 64 hex digits.
    """

    transaction: SafeTransaction
    first_step: int
    last_step: int
    gas: int
    domain_hash: str
    message_hash: str
    transaction_hash: str


@dataclass(frozen=True, slots=True)
class Bundle(FlowValue):
    """What one account does in one go, or in as few as fit into blocks; data, never authority.

    `plan` says what its calls are and promise; `parts` follow each other by the Safe's nonce. `name` is
    what people see.
    """

    SCHEMA: ClassVar[str] = "defilev/safe-bundle@1"

    name: str
    chain_id: int
    safe: Address
    version: str
    plan: Plan
    parts: tuple[Part, ...]

    def to_document(self) -> dict[str, Any]:
        """Return the bundle as plain JSON data; its plan is a document of its own."""
        return {"schema": self.SCHEMA, **to_document(self), "plan": self.plan.to_document()}

    @classmethod
    def from_document(cls, document: Any) -> Bundle:
        """Return the bundle once the hash of its plan matches; raises `BundleUnreadable` or `PlanTampered`."""
        try:
            own = without_schema(document, cls.SCHEMA)
            plan = Plan.from_document(own.get("plan"))
            bundle = from_document(cls, {**own, "plan": to_document(plan)})
        except UsageError as error:
            raise BundleUnreadable(error.fact) from None
        if not bundle.parts or not bundle.plan.steps:
            raise BundleUnreadable("the file is a bundle without transactions")
        return bundle

    @property
    def expires_at(self) -> int:
        """Unix time after which it is not to be used."""
        return self.plan.expires_at
