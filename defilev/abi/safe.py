"""A Safe's transaction as bytes: its EIP-712 hashes, many calls packed into one, and the call that executes it.

Safe 1.3.0 and 1.4.1: `getTransactionHash`, `encodeTransactionData`, `execTransaction`; `MultiSendCallOnly.multiSend`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from defilev.abi.codec import encode
from defilev.abi.hashing import keccak
from defilev.abi.interface import interface
from defilev.model.request import Address
from defilev.model.safe import SafeCall, SafeTransaction

__all__ = ["SafeHashes", "execution_calldata", "hash_call", "packed_calls", "safe_hashes"]

DOMAIN_TYPE = keccak(b"EIP712Domain(uint256 chainId,address verifyingContract)")
TRANSACTION_TYPE = keccak(
    b"SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,"
    b"uint256 gasPrice,address gasToken,address refundReceiver,uint256 nonce)"
)


@dataclass(frozen=True, slots=True)
class SafeHashes:
    """What a hardware signer shows: the domain's hash, the message's, and of both the one that is signed."""

    domain: str
    message: str
    transaction: str


def safe_hashes(chain_id: int, safe: Address, transaction: SafeTransaction) -> SafeHashes:
    """Return the three hashes of a transaction of `safe` on one chain, each as 0x and 64 hex digits."""
    domain = keccak(DOMAIN_TYPE + encode(["uint256", "address"], [chain_id, safe]))
    message = keccak(TRANSACTION_TYPE + _fields(transaction))
    whole = keccak(b"\x19\x01" + domain + message)
    return SafeHashes(*("0x" + each.hex() for each in (domain, message, whole)))


def packed_calls(calls: Sequence[SafeCall]) -> str:
    """Return the calldata of `multiSend` that makes `calls`, each a plain call."""
    return "0x" + interface("multi_send_call_only")["multiSend"].encode(b"".join(map(_packed, calls))).hex()


def execution_calldata(transaction: SafeTransaction, signatures: bytes) -> bytes:
    """Return the calldata of `execTransaction`; `signatures` are 65 bytes each, in the order of their owners."""
    return interface("safe")["execTransaction"].encode(*_arguments(transaction), signatures)


def hash_call(transaction: SafeTransaction) -> bytes:
    """Return the calldata that asks a Safe itself for the hash of a transaction."""
    return interface("safe")["getTransactionHash"].encode(*_arguments(transaction), transaction.nonce)


def _arguments(transaction: SafeTransaction) -> tuple[object, ...]:
    return (
        transaction.to,
        transaction.value,
        bytes.fromhex(transaction.data[2:]),
        transaction.operation,
        transaction.safe_tx_gas,
        transaction.base_gas,
        transaction.gas_price,
        transaction.gas_token,
        transaction.refund_receiver,
    )


def _fields(transaction: SafeTransaction) -> bytes:
    to, value, data, *rest = _arguments(transaction)
    types = ["address", "uint256", "bytes32", "uint8", *["uint256"] * 3, "address", "address", "uint256"]
    assert isinstance(data, bytes)  # noqa: S101 - the third argument is the data
    return encode(types, [to, value, keccak(data), *rest, transaction.nonce])


def _packed(call: SafeCall) -> bytes:
    data = bytes.fromhex(call.data[2:])
    return bytes(1) + bytes.fromhex(call.to[2:]) + call.value.to_bytes(32, "big") + len(data).to_bytes(32, "big") + data
