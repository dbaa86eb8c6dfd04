"""The one kind of transaction that is ever signed, read from its bytes: EIP-1559, to somebody, without extras."""

from __future__ import annotations

from dataclasses import dataclass

from defilev_signer import rlp
from defilev_signer.errors import Denied
from defilev_signer.hashing import ADDRESS_BYTES, address, keccak

__all__ = ["Transaction", "read_transaction", "signed_bytes"]

_TYPE = b"\x02"
_FIELDS = ("chainId", "nonce", "tip", "fee", "gas limit", "to", "value", "data", "access list")
_LEGACY_FROM = 0xC0
_LARGEST = 64 * 1024
_NUMBER_BYTES = 32
_TYPES = {
    0x01: "an EIP-2930 transaction (type 1)",
    0x03: "a blob transaction (type 3)",
    0x04: "a transaction that delegates the account to code (type 4, EIP-7702)",
}


@dataclass(frozen=True, slots=True)
class Transaction:
    """Everything that the signature covers. `tip` and `fee` in wei per gas, `value` in wei."""

    chain_id: int
    nonce: int
    tip: int
    fee: int
    gas: int
    to: str
    value: int
    data: bytes
    payload: bytes

    @property
    def most_it_can_cost(self) -> int:
        """Wei that leave the account at most."""
        return self.value + self.gas * self.fee

    @property
    def signing_hash(self) -> bytes:
        """What is signed."""
        return keccak(self.payload)

    @property
    def content(self) -> bytes:
        """A digest of what the transaction does, whatever it pays for gas."""
        return keccak(bytes.fromhex(self.to[2:]) + self.value.to_bytes(_NUMBER_BYTES, "big") + self.data)


def read_transaction(payload: bytes) -> Transaction:
    """Return what the unsigned bytes say.

    Raises:
        Denied: another kind of transaction, a contract creation, no chain id, an access list, or not the one encoding.
    """
    if len(payload) > _LARGEST:
        raise Denied("size", found=f"{len(payload)} bytes", allowed=f"up to {_LARGEST}")
    if payload[:1] != _TYPE:
        raise Denied("transaction type", found=_kind(payload), allowed="an EIP-1559 transaction (type 2)")
    try:
        items = rlp.decode(payload[1:])
    except ValueError as error:
        raise Denied("encoding", found=str(error), allowed="the one encoding of a transaction") from None
    if not isinstance(items, list) or len(items) != len(_FIELDS):
        raise Denied("fields", found="other fields", allowed=", ".join(_FIELDS))
    return _transaction(items, payload)


def signed_bytes(transaction: Transaction, *, y_parity: int, r: int, s: int) -> bytes:
    """Return the transaction with its signature, as a node accepts it."""
    items = rlp.decode(transaction.payload[1:])
    assert isinstance(items, list)  # noqa: S101 - it was read from this payload
    return _TYPE + rlp.encode([*items, rlp.integer(y_parity), rlp.integer(r), rlp.integer(s)])


def _transaction(items: list[rlp.Item], payload: bytes) -> Transaction:
    if items[8] != []:
        raise Denied("access list", found="entries", allowed="none")
    words = [_bytes(item, name) for item, name in zip(items[:8], _FIELDS, strict=False)]
    chain_id, nonce, tip, fee, gas = (_number(words[place], _FIELDS[place]) for place in range(5))
    if not chain_id:
        raise Denied("chainId", found="none: it could be replayed on every chain", allowed="the policy's chain")
    if len(words[5]) != ADDRESS_BYTES:
        raise Denied("to", found=f"{len(words[5])} bytes: a contract creation", allowed="an address")
    value = _number(words[6], _FIELDS[6])
    return Transaction(chain_id, nonce, tip, fee, gas, address(words[5]), value, words[7], payload)


def _bytes(item: rlp.Item, name: str) -> bytes:
    if isinstance(item, list):
        raise Denied(name, found="a list", allowed="a value")
    return item


def _number(word: bytes, name: str) -> int:
    if word[:1] == b"\0" or len(word) > _NUMBER_BYTES:
        raise Denied(name, found="0x" + word.hex(), allowed="a number without leading zeros, up to 256 bits")
    return int.from_bytes(word, "big")


def _kind(payload: bytes) -> str:
    if not payload:
        return "nothing"
    if payload[0] >= _LEGACY_FROM:
        return "a transaction without a type (legacy)"
    return _TYPES.get(payload[0], f"type {payload[0]}")
