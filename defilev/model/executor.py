"""The contract that changes a position in one transaction: its code, its one address, and where it may go."""

from __future__ import annotations

from dataclasses import dataclass

from defilev.model.request import Address

__all__ = ["ExecutorCode", "ExecutorReach"]


@dataclass(frozen=True, slots=True)
class ExecutorCode:
    """What is deployed, and how: `factory` creates it with `salt`, at the same `address` on every chain.

    `runtime_hash` is the keccak-256 of the code that stands there afterwards, which has no immutables.
    """

    address: Address
    factory: Address
    salt: bytes
    creation_code: bytes
    runtime_hash: bytes

    @property
    def deployment(self) -> bytes:
        """The calldata with which the factory creates it."""
        return self.salt + self.creation_code


@dataclass(frozen=True, slots=True)
class ExecutorReach:
    """Where the contract goes on one chain, by its own word: `morpho` is `None` where it lists none."""

    address: Address
    router: Address
    morpho: Address | None
