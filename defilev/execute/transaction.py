"""EIP-1559 transactions as bytes: encoded and decoded here, apart from the library that signs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from defilev.abi import checksum, keccak
from defilev.model.request import Address

__all__ = ["SignedTransaction", "TransactionFields", "decode_signed", "signing_fields"]

Item: TypeAlias = "bytes | list[Item]"
TYPE_EIP1559 = b"\x02"
_UNSIGNED_FIELDS = 9
_SIGNED_FIELDS = 12
_ADDRESS_BYTES = 20
_SHORT = 55


@dataclass(frozen=True, slots=True)
class TransactionFields:
    """Everything that a signature covers. Fees in wei per gas, `value` in wei; the access list is always empty."""

    chain_id: int
    nonce: int
    max_priority_fee_per_gas: int
    max_fee_per_gas: int
    gas_limit: int
    to: Address
    value: int
    data: bytes

    @property
    def most_it_can_cost(self) -> int:
        """Wei that leave the account at most: the value and the whole gas limit at the highest fee."""
        return self.value + self.gas_limit * self.max_fee_per_gas

    def unsigned(self) -> bytes:
        """Return the bytes whose Keccak-256 is signed."""
        return TYPE_EIP1559 + _encode(self._items())

    def _items(self) -> list[Item]:
        numbers = (self.chain_id, self.nonce, self.max_priority_fee_per_gas, self.max_fee_per_gas, self.gas_limit)
        head: list[Item] = [_from_int(number) for number in numbers]
        return [*head, bytes.fromhex(self.to[2:]), _from_int(self.value), self.data, []]


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A type 2 transaction and its signature."""

    fields: TransactionFields
    y_parity: int
    r: int
    s: int

    def raw(self) -> bytes:
        """Return the bytes that a node accepts."""
        signature: list[Item] = [_from_int(self.y_parity), _from_int(self.r), _from_int(self.s)]
        return TYPE_EIP1559 + _encode([*self.fields._items(), *signature])  # noqa: SLF001 - one module, one format

    @property
    def hash(self) -> str:
        """What the chain will call it."""
        return "0x" + keccak(self.raw()).hex()

    def sender(self) -> Address:
        """Return the account whose key signed; raises `ValueError` when no key can have."""
        from eth_keys.datatypes import Signature
        from eth_keys.exceptions import BadSignature
        from eth_utils.exceptions import ValidationError as InvalidSignature

        try:
            signature = Signature(vrs=(self.y_parity, self.r, self.s))
            key = signature.recover_public_key_from_msg_hash(keccak(self.fields.unsigned()))
        except (BadSignature, InvalidSignature) as error:
            raise ValueError(str(error)) from None
        return checksum(key.to_address())


def decode_signed(raw: bytes) -> SignedTransaction:
    """Return what `raw` says.

    Raises:
        ValueError: not type 2, a contract creation, an access list, or anything but the one encoding of its fields.
    """
    if raw[:1] != TYPE_EIP1559:
        raise ValueError("not an EIP-1559 transaction (type 2)")
    items, end = _decode(raw, 1)
    if end != len(raw) or not isinstance(items, list) or len(items) != _SIGNED_FIELDS:
        raise ValueError("not a signed EIP-1559 transaction")
    if items[_UNSIGNED_FIELDS - 1] != []:
        raise ValueError("the transaction has an access list")
    *words, to, value, data = (_bytes(item) for item in items[: _UNSIGNED_FIELDS - 1])
    if len(to) != _ADDRESS_BYTES:
        raise ValueError("the transaction has no recipient")
    chain_id, nonce, tip, fee, gas = (int.from_bytes(word, "big") for word in words)
    fields = TransactionFields(
        chain_id, nonce, tip, fee, gas, checksum("0x" + to.hex()), int.from_bytes(value, "big"), data
    )
    y_parity, r, s = (int.from_bytes(_bytes(item), "big") for item in items[_UNSIGNED_FIELDS:])
    signed = SignedTransaction(fields, y_parity, r, s)
    if y_parity not in (0, 1):
        raise ValueError("the signature's parity is neither 0 nor 1")
    if signed.raw() != raw:
        raise ValueError("not the canonical encoding of a transaction")
    return signed


def _bytes(item: Item) -> bytes:
    if isinstance(item, list):
        raise ValueError("a list stands where a value belongs")  # noqa: TRY004 - malformed data, not a misused function
    return item


def _from_int(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _encode(item: Item) -> bytes:
    """Return the RLP encoding."""
    if isinstance(item, list):
        body = b"".join(_encode(member) for member in item)
        return _prefix(len(body), 0xC0) + body
    if len(item) == 1 and item[0] < 0x80:
        return item
    return _prefix(len(item), 0x80) + item


def _prefix(length: int, offset: int) -> bytes:
    if length <= _SHORT:
        return bytes([offset + length])
    size = _from_int(length)
    return bytes([offset + _SHORT + len(size)]) + size


def _decode(data: bytes, position: int) -> tuple[Item, int]:
    """Return the RLP item at `position` and where it ends; the caller finds out by encoding whether it is canonical."""
    first = data[position : position + 1]
    if not first:
        raise ValueError("the transaction ends too early")
    if first[0] < 0x80:
        return first, position + 1
    is_list = first[0] >= 0xC0
    size = first[0] - (0xC0 if is_list else 0x80)
    start = position + 1
    if size > _SHORT:
        start += size - _SHORT
        size = int.from_bytes(data[position + 1 : start], "big")
    end = start + size
    if end > len(data):
        raise ValueError("the transaction ends too early")
    return (_decode_list(data, start, end), end) if is_list else (data[start:end], end)


def _decode_list(data: bytes, position: int, end: int) -> list[Item]:
    items: list[Item] = []
    while position < end:
        item, position = _decode(data, position)
        items.append(item)
    if position != end:
        raise ValueError("a list ends inside its last item")
    return items


def signing_fields(fields: TransactionFields) -> dict[str, Any]:
    """Return what another signer is asked to sign: every field, and the payload with its hash."""
    payload = fields.unsigned()
    return {
        "type": 2,
        "nonce": fields.nonce,
        "max_fee_per_gas": str(fields.max_fee_per_gas),
        "max_priority_fee_per_gas": str(fields.max_priority_fee_per_gas),
        "gas_limit": str(fields.gas_limit),
        "to": fields.to,
        "value": str(fields.value),
        "data": "0x" + fields.data.hex(),
        "signing_payload": "0x" + payload.hex(),
        "signing_hash": "0x" + keccak(payload).hex(),
    }
