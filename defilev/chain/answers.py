"""What a node answers, held against what it was asked; `RpcMalformed` for what cannot be the answer."""

from __future__ import annotations

from typing import Any

from defilev.abi import keccak
from defilev.chain.quantity import parse_hash, parse_object, parse_quantity, to_hex
from defilev.chain.values import Log, Receipt, SeenTransaction, parse_logs, parse_receipt, parse_transaction
from defilev.errors import BlockUnavailable, RpcMalformed
from defilev.model.request import Address

__all__ = [
    "NoSuchBlock",
    "gas_limit",
    "height",
    "logs",
    "receipt",
    "sent_hash",
    "simulated",
    "transaction",
    "transactions",
    "version",
]


class NoSuchBlock(BlockUnavailable):
    """The node answered that it has no block with that number or name."""


def height(answer: Any) -> int:
    """Return the number of a block."""
    return parse_quantity(answer, what="block number")


def gas_limit(answer: Any) -> int:
    """Return the gas limit of a block."""
    return parse_quantity(parse_object(answer, what="block").get("gasLimit"), what="gas limit")


def version(answer: Any) -> str:
    """Return what a node says that it is."""
    if not isinstance(answer, str):
        raise RpcMalformed("the node's client version is not text")
    return answer


def receipt(transaction_hash: str, answer: Any) -> Receipt | None:
    """Return the receipt of that transaction, `None` for none."""
    if answer is None:
        return None
    found = parse_receipt(answer)
    _same_hash(transaction_hash, found.hash)
    return found


def transaction(transaction_hash: str, answer: Any) -> SeenTransaction | None:
    """Return that transaction, `None` for none."""
    if answer is None:
        return None
    seen = parse_transaction(answer)
    _same_hash(transaction_hash, seen.hash)
    return seen


def transactions(number: int, block: Any) -> tuple[SeenTransaction, ...]:
    """Return the transactions of a block that was asked for with all of them; raises `NoSuchBlock` for none."""
    if block is None:
        raise NoSuchBlock(f"the node has no block {number}")
    listed = parse_object(block, what="block").get("transactions")
    if not isinstance(listed, list):
        raise RpcMalformed("the node's block does not list its transactions", block=number)
    return tuple(map(parse_transaction, listed))


def logs(address: Address, answer: Any) -> tuple[Log, ...]:
    """Return the logs of that contract."""
    found = parse_logs(answer)
    if any(log.address != address for log in found):
        raise RpcMalformed("the node answered with the logs of another contract", asked=address)
    return found


def sent_hash(raw: bytes, answer: Any) -> str:
    """Return the hash of the bytes that were sent."""
    sent = parse_hash(answer, what="transaction hash")
    _same_hash(to_hex(keccak(raw)), sent)
    return sent


def simulated(count: int, answer: Any) -> list[Any]:
    """Return the blocks of a simulation, as many as were asked for."""
    if not isinstance(answer, list) or len(answer) != count:
        raise RpcMalformed("the node's simulation does not have the blocks that it was asked for")
    return answer


def _same_hash(expected: str, got: str) -> None:
    if expected.lower() != got:
        raise RpcMalformed("the node answered for another transaction", asked=expected, got=got)
