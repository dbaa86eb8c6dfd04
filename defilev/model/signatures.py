"""What an owner of a Safe has signed, as a file that travels to whoever executes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from defilev.model.flow import FlowValue
from defilev.model.request import Address

__all__ = ["OwnerSignatures", "Signed"]


@dataclass(frozen=True, slots=True)
class Signed:
    """One signature, 65 bytes as 0x and hex digits, of the transaction with that hash."""

    transaction_hash: str
    signature: str


@dataclass(frozen=True, slots=True)
class OwnerSignatures(FlowValue):
    """The signatures of one owner of every transaction of a bundle."""

    SCHEMA: ClassVar[str] = "defilev/safe-signature@1"

    chain_id: int
    safe: Address
    owner: Address
    signatures: tuple[Signed, ...]
