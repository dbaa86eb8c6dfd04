"""What was signed, sent and seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from defilev.model.flow import FlowValue
from defilev.model.request import Address, Block
from defilev.units import Wad

__all__ = ["Execution", "Remark", "SentStep", "SignedStep"]


@dataclass(frozen=True, slots=True)
class SignedStep(FlowValue):
    """A signed transaction: `raw` is what a node accepts, `hash` what it will be called; fees in wei per gas."""

    SCHEMA: ClassVar[str] = "defilev/signed-step@1"

    index: int
    nonce: int
    gas_limit: int
    max_fee_per_gas: int
    max_priority_fee_per_gas: int
    hash: str
    raw: str


@dataclass(frozen=True, slots=True)
class SentStep:
    """A transaction and its receipt; `fee_paid` in wei."""

    index: int
    hash: str
    nonce: int
    status: Literal["included", "reverted"]
    block_number: int
    block_hash: str
    gas_used: int
    fee_paid: int


@dataclass(frozen=True, slots=True)
class Execution(FlowValue):
    """A plan that was sent, and the account as read at the last receipt's block.

    `promised` and `got` are health factors, `None` when nothing is owed.
    """

    SCHEMA: ClassVar[str] = "defilev/execution@1"

    plan_hash: str
    owner: Address
    steps: tuple[SentStep, ...]
    block: Block
    promised: Wad | None
    got: Wad | None
    fee_paid: int


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that happened to a transaction on its way: `kind` is stable, `text` is for people.

    `resent`: the same bytes again. `raised`: a new transaction of the same nonce with higher fees. `capped`: the fees
    may not rise any further, or nobody signs just now. `published`: a private relay no longer has it alone.
    `cancelling`: a transaction of nothing to the owner takes its nonce. `reorganised`: it was included, and is no more.
    """

    index: int
    kind: Literal["resent", "raised", "capped", "published", "cancelling", "reorganised"]
    text: str
