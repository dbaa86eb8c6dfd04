"""What a Safe's transaction does, from its bytes, and what owners sign; shares nothing with what makes it.

Decoding is eth-abi's and hashing eth-account's; the packed calls of `multiSend` are taken apart here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from defilev.abi import checksum
from defilev.execute.checks import Check
from defilev.model.request import Address
from defilev.model.safe import CALL, DELEGATE_CALL, NOBODY, SafeAccount, SafeCall, SafeTransaction

__all__ = ["executed", "hashes_of", "transaction_checks", "typed_data", "unpacked"]

EXEC_TRANSACTION = bytes.fromhex("6a761202")
MULTI_SEND = bytes.fromhex("8d80ff0a")
_EXECUTED = ("address", "uint256", "bytes", "uint8", "uint256", "uint256", "uint256", "address", "address", "bytes")
_HEAD = 1 + 20 + 32 + 32
_FIELDS = (
    ("to", "address"),
    ("value", "uint256"),
    ("data", "bytes"),
    ("operation", "uint8"),
    ("safeTxGas", "uint256"),
    ("baseGas", "uint256"),
    ("gasPrice", "uint256"),
    ("gasToken", "address"),
    ("refundReceiver", "address"),
    ("nonce", "uint256"),
)


def typed_data(chain_id: int, safe: Address, transaction: SafeTransaction) -> dict[str, Any]:
    """Return the EIP-712 message of a transaction, as wallets take it."""
    values = (
        transaction.to,
        transaction.value,
        bytes.fromhex(transaction.data[2:]),
        transaction.operation,
        transaction.safe_tx_gas,
        transaction.base_gas,
        transaction.gas_price,
        transaction.gas_token,
        transaction.refund_receiver,
        transaction.nonce,
    )
    return {
        "types": {
            "EIP712Domain": [
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            "SafeTx": [{"name": name, "type": kind} for name, kind in _FIELDS],
        },
        "primaryType": "SafeTx",
        "domain": {"chainId": chain_id, "verifyingContract": safe},
        "message": {name: value for (name, _), value in zip(_FIELDS, values, strict=True)},
    }


def hashes_of(chain_id: int, safe: Address, transaction: SafeTransaction) -> tuple[str, str, str]:
    """Return domain hash, message hash and the hash that is signed, each as 0x and 64 hex digits."""
    from eth_account.messages import encode_typed_data
    from eth_utils.crypto import keccak

    message = encode_typed_data(full_message=typed_data(chain_id, safe, transaction))
    whole = keccak(b"\x19" + message.version + message.header + message.body)
    return tuple("0x" + bytes(each).hex() for each in (message.header, message.body, whole))  # type: ignore[return-value]


def transaction_checks(transaction: SafeTransaction, *, safe: SafeAccount) -> Iterator[Check]:
    """Yield what holds for whatever a Safe is made to do: no refund, no value, and one delegated call at most."""
    zeros = (transaction.safe_tx_gas, transaction.base_gas, transaction.gas_price, transaction.value)
    yield Check("value and gas fields of the Safe's transaction", not any(zeros), zeros, "zeros")
    receivers = (transaction.gas_token, transaction.refund_receiver)
    yield Check("gas token and refund receiver", set(receivers) == {NOBODY}, receivers, "nobody")
    allowed = f"0, or 1 to MultiSendCallOnly {safe.multi_send}"
    is_plain = transaction.operation == CALL and transaction.to not in (safe.address, safe.multi_send)
    is_many = (transaction.operation, transaction.to) == (DELEGATE_CALL, safe.multi_send)
    yield Check("operation", is_plain or is_many, f"{transaction.operation} to {transaction.to}", allowed)


def unpacked(transaction: SafeTransaction) -> tuple[SafeCall, ...]:
    """Return the calls that a transaction makes; raises `ValueError` for bytes that are not exactly such calls."""
    if transaction.operation == CALL:
        return (SafeCall(transaction.to, transaction.value, transaction.data),)
    (packed,) = _decoded(bytes.fromhex(transaction.data[2:]), MULTI_SEND, ("bytes",))
    calls: list[SafeCall] = []
    position = 0
    while position < len(packed):
        head = packed[position : position + _HEAD]
        if len(head) < _HEAD or head[0] != CALL:
            raise ValueError("a packed call is cut short, or is no plain call")
        end = position + _HEAD + int.from_bytes(head[53:85])
        if end > len(packed):
            raise ValueError("a packed call is cut short")
        data = packed[position + _HEAD : end]
        to, value = checksum("0x" + head[1:21].hex()), int.from_bytes(head[21:53])
        calls.append(SafeCall(to, value, "0x" + data.hex()))
        position = end
    if not calls:
        raise ValueError("no call is packed")
    return tuple(calls)


def executed(data: bytes, *, nonce: int) -> tuple[SafeTransaction, bytes]:
    """Return the transaction that a call of `execTransaction` executes, and its signatures; raises `ValueError`."""
    to, value, inner, operation, safe_gas, base_gas, price, token, receiver, signatures = _decoded(
        data, EXEC_TRANSACTION, _EXECUTED
    )
    transaction = SafeTransaction(
        checksum(to), value, "0x" + inner.hex(), operation, nonce, safe_gas, base_gas, price,
        checksum(token), checksum(receiver),
    )  # fmt: skip
    return transaction, signatures


def _decoded(data: bytes, selector: bytes, types: tuple[str, ...]) -> tuple[Any, ...]:
    """Return the arguments of a call; raises `ValueError` for another function, or not the one encoding of them."""
    from eth_abi.abi import decode, encode
    from eth_abi.exceptions import DecodingError

    if data[:4] != selector:
        raise ValueError(f"0x{data[:4].hex()} is not the function 0x{selector.hex()}")
    try:
        values: tuple[Any, ...] = decode(types, data[4:])
    except (DecodingError, OverflowError) as error:
        raise ValueError(f"not the arguments of the function: {error}") from None
    if selector + encode(types, values) != data:
        raise ValueError("not the canonical encoding of the call")
    return values
