"""A Safe, the contracts that it may be made of, and its transaction as its owners sign it."""

from __future__ import annotations

from dataclasses import dataclass

from defilev.model.request import Address

__all__ = [
    "CALL",
    "DELEGATE_CALL",
    "NOBODY",
    "SafeAccount",
    "SafeCall",
    "SafeContracts",
    "SafeTransaction",
    "Singleton",
]

NOBODY = Address("0x0000000000000000000000000000000000000000")

CALL, DELEGATE_CALL = 0, 1
"""The operations of a Safe's transaction."""


@dataclass(frozen=True, slots=True)
class Singleton:
    """One published implementation of the Safe; `code_hash` is the Keccak-256 of its code, as 0x and 64 hex digits."""

    version: str
    name: str
    address: Address
    code_hash: str


@dataclass(frozen=True, slots=True)
class SafeContracts:
    """The implementations that are known, and the one contract that a Safe may delegate a call to."""

    singletons: tuple[Singleton, ...]
    multi_send: Address
    multi_send_code_hash: str


@dataclass(frozen=True, slots=True)
class SafeAccount:
    """A Safe as read at one block.

    `guard` is a contract that is asked before and after each transaction, `modules` may act without any owner's
    signature, `fallback_handler` answers calls that the Safe does not know; `None` and empty where there is none.
    """

    address: Address
    chain_id: int
    version: str
    singleton: Address
    nonce: int
    threshold: int
    owners: tuple[Address, ...]
    modules: tuple[Address, ...]
    guard: Address | None
    fallback_handler: Address | None
    multi_send: Address


@dataclass(frozen=True, slots=True)
class SafeCall:
    """One call that a Safe makes; `value` in wei, `data` as 0x and lower-case hex digits."""

    to: Address
    value: int
    data: str


@dataclass(frozen=True, slots=True)
class SafeTransaction:
    """Everything that an owner's signature covers but chain and Safe. Nobody is refunded: gas fields are zero."""

    to: Address
    value: int
    data: str
    operation: int
    nonce: int
    safe_tx_gas: int = 0
    base_gas: int = 0
    gas_price: int = 0
    gas_token: Address = NOBODY
    refund_receiver: Address = NOBODY
