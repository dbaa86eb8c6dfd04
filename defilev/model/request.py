"""What a read may ask of a chain, and what it is sent back."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, NewType, TypeAlias, TypeVar

__all__ = ["Address", "Batch", "Block", "Call", "CallResult", "LogFilter", "Read", "Results", "links"]

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
    """A contract call without a transaction; `data` is selector and arguments.

    A `chained` call is answered on the state that the call before it in its batch leaves: the two share a round trip.
    """

    to: Address
    data: bytes
    chained: bool = False


class CallResult(NamedTuple):
    """What a call returned, or its revert data when `success` is false; reads make thousands, so it is a tuple."""

    success: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Logs of one contract; for each place among the topics those that are allowed, `None` for any."""

    address: Address
    topics: tuple[tuple[str, ...] | None, ...]


Batch: TypeAlias = Sequence[Call]
Results: TypeAlias = Sequence[CallResult]
T = TypeVar("T")


def links(batch: Batch) -> list[tuple[Call, ...]]:
    """Return `batch` in pieces that may be answered apart: single calls, and calls with those chained to them."""
    pieces: list[tuple[Call, ...]] = []
    for call in batch:
        if call.chained and pieces:
            pieces[-1] = (*pieces[-1], call)
        else:
            pieces.append((call,))
    return pieces


Read: TypeAlias = Generator[Batch, Results, T]
"""A read without input or output: yields calls, is sent their results in the same order, returns a value."""
