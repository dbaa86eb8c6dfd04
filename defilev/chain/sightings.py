"""Where a transaction is seen: on how many nodes its receipt lies on their chain, and in whose pool it waits."""

from __future__ import annotations

from dataclasses import dataclass

from defilev.chain.endpoint import Endpoint
from defilev.chain.endpoints import Endpoints, Said, ask_all
from defilev.chain.values import Receipt, SeenTransaction
from defilev.errors import BlockUnavailable, DataError

__all__ = ["ReceiptSeen", "TransactionSeen", "receipt_seen", "transaction_seen"]


@dataclass(frozen=True, slots=True)
class ReceiptSeen:
    """Who has a receipt. Names of endpoints; each of those that were asked is in one of the four.

    `receipt` is the one that most nodes have on their chain, `None` when none has any: `on` names them. `absent` have
    no receipt, or one of a block that is not on their chain. `other` have another one on their chain. `silent` did
    not answer; `trouble` is what the first of them failed with.
    """

    receipt: Receipt | None
    on: tuple[str, ...]
    absent: tuple[str, ...]
    other: tuple[str, ...]
    silent: tuple[str, ...]
    trouble: DataError | None = None


@dataclass(frozen=True, slots=True)
class TransactionSeen:
    """Who knows a transaction; names of endpoints. Whether it is `included` for good, only `receipt_seen` tells."""

    included: tuple[str, ...]
    pending: tuple[str, ...]
    absent: tuple[str, ...]
    silent: tuple[str, ...]


def receipt_seen(endpoints: Endpoints, transaction_hash: str) -> ReceiptSeen:
    """Ask every endpoint for the receipt, and for the block at its height; raises nothing for those that fail."""

    def canonical(endpoint: Endpoint) -> Receipt | None:
        receipt = endpoint.node.receipt(transaction_hash)
        return receipt if receipt and _is_canonical(endpoint, receipt) else None

    said = ask_all(endpoints, canonical)
    found = [one.answer for one in said if one.answer is not None]
    receipt = max(found, key=found.count, default=None)
    return ReceiptSeen(
        receipt=receipt,
        on=tuple(one.endpoint.name for one in said if receipt and one.answer == receipt),
        absent=tuple(one.endpoint.name for one in said if one.error is None and one.answer is None),
        other=tuple(one.endpoint.name for one in said if one.answer not in (None, receipt)),
        silent=_silent(said),
        trouble=next((one.error for one in said if one.error is not None), None),
    )


def transaction_seen(endpoints: Endpoints, transaction_hash: str) -> TransactionSeen:
    """Ask every endpoint for the transaction; raises nothing for those that fail."""
    said = ask_all(endpoints, lambda endpoint: endpoint.node.transaction(transaction_hash))
    known = [(one.endpoint.name, one.answer) for one in said if one.answer is not None]
    return TransactionSeen(
        included=tuple(name for name, seen in known if seen.block_number is not None),
        pending=tuple(name for name, seen in known if seen.block_number is None),
        absent=tuple(one.endpoint.name for one in said if one.error is None and one.answer is None),
        silent=_silent(said),
    )


def _is_canonical(endpoint: Endpoint, receipt: Receipt) -> bool:
    try:
        return endpoint.node.block(receipt.block_number).hash == receipt.block_hash
    except BlockUnavailable:
        return False


def _silent(said: list[Said[Receipt | None]] | list[Said[SeenTransaction | None]]) -> tuple[str, ...]:
    return tuple(one.endpoint.name for one in said if one.error is not None)
