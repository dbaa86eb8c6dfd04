"""What a read may ask of a chain, and what it is sent back."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, NewType, TypeAlias, TypeVar

__all__ = ["Address", "Batch", "Block", "Call", "CallResult", "Read", "Results"]

Address = NewType("Address", str)
"""Twenty bytes as `0x` and 40 hex digits with their EIP-55 capitals: two equal addresses are equal strings."""


@dataclass(frozen=True, slots=True)
class Block:
    """The block that a read is pinned to.

    `base_fee` is in wei per gas; `None` on chains without EIP-1559.
    """

    number: int
    hash: str
    timestamp: int
    base_fee: int | None = None


class Call(NamedTuple):
    """A contract call without a transaction; `data` is selector and arguments."""

    to: Address
    data: bytes


class CallResult(NamedTuple):
    """What a call returned, or its revert data when `success` is false; reads make thousands, so it is a tuple."""

    success: bool
    data: bytes


Batch: TypeAlias = Sequence[Call]
Results: TypeAlias = Sequence[CallResult]
T = TypeVar("T")
Read: TypeAlias = Generator[Batch, Results, T]
"""A read without input or output: yields calls, is sent their results in the same order, returns a value."""
