"""What a node says about fees and transactions, parsed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from defilev.chain.quantity import parse_address_value, parse_data, parse_hash, parse_object, parse_quantity
from defilev.errors import RpcMalformed
from defilev.model.request import Address, Block

__all__ = [
    "FeeHistory",
    "Log",
    "Receipt",
    "SeenTransaction",
    "parse_block",
    "parse_fee_history",
    "parse_logs",
    "parse_receipt",
    "parse_status",
    "parse_transaction",
]


@dataclass(frozen=True, slots=True)
class FeeHistory:
    """Fees of the newest blocks, oldest first, in wei per gas.

    `base_fees` has one entry more than there are blocks: its last is the next block's. `rewards` holds, per block, the
    tip at each percentile asked for.
    """

    base_fees: tuple[int, ...]
    rewards: tuple[tuple[int, ...], ...]

    @property
    def next_base_fee(self) -> int:
        """Wei per gas that the next block takes."""
        return self.base_fees[-1]


@dataclass(frozen=True, slots=True)
class Log:
    """An event: `topics` and `data` as the contract emitted them."""

    address: Address
    topics: tuple[str, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """An included transaction; `effective_gas_price` in wei per gas."""

    hash: str
    succeeded: bool
    block_number: int
    block_hash: str
    gas_used: int
    effective_gas_price: int
    logs: tuple[Log, ...]

    @property
    def fee_paid(self) -> int:
        """Wei paid for gas; an L2's data fee is not in it."""
        return self.gas_used * self.effective_gas_price


@dataclass(frozen=True, slots=True)
class SeenTransaction:
    """A transaction that the node knows; `block_number` is `None` while it is pending."""

    hash: str
    sender: Address
    nonce: int
    block_number: int | None


def parse_block(value: Any) -> Block:
    """Return the block that an `eth_getBlockBy…` answer or a simulated block describes; raises `RpcMalformed`."""
    header = parse_object(value, what="block")
    base_fee = header.get("baseFeePerGas")
    return Block(
        number=parse_quantity(header.get("number"), what="block number"),
        hash=parse_hash(header.get("hash"), what="block hash"),
        timestamp=parse_quantity(header.get("timestamp"), what="block timestamp"),
        base_fee=None if base_fee is None else parse_quantity(base_fee, what="base fee"),
    )


def parse_fee_history(value: Any, *, percentiles: int) -> FeeHistory:
    """Return the fees that an `eth_feeHistory` answer describes; raises `RpcMalformed`."""
    history = parse_object(value, what="fee history")
    fees = [parse_quantity(fee, what="base fee") for fee in _list(history.get("baseFeePerGas"), "base fees")]
    rewards = [_rewards(row, percentiles) for row in _list(history.get("reward"), "rewards")] if percentiles else []
    if not fees or (percentiles and len(rewards) != len(fees) - 1):
        raise RpcMalformed("the node's fee history does not have one row per block")
    return FeeHistory(tuple(fees), tuple(rewards))


def parse_logs(value: Any) -> tuple[Log, ...]:
    """Return the events of a receipt or of a simulated call; raises `RpcMalformed`."""
    return tuple(_log(parse_object(log, what="log")) for log in _list(value, "logs"))


def parse_receipt(value: Any) -> Receipt:
    """Return the receipt that an `eth_getTransactionReceipt` answer describes; raises `RpcMalformed`."""
    receipt = parse_object(value, what="receipt")
    return Receipt(
        hash=parse_hash(receipt.get("transactionHash"), what="transaction hash"),
        succeeded=parse_status(receipt.get("status")),
        block_number=parse_quantity(receipt.get("blockNumber"), what="block number"),
        block_hash=parse_hash(receipt.get("blockHash"), what="block hash"),
        gas_used=parse_quantity(receipt.get("gasUsed"), what="gas used"),
        effective_gas_price=parse_quantity(receipt.get("effectiveGasPrice"), what="gas price"),
        logs=parse_logs(receipt.get("logs")),
    )


def parse_status(value: Any) -> bool:
    """Return whether a transaction succeeded; raises `RpcMalformed` for anything but 0 and 1."""
    status = parse_quantity(value, what="transaction status")
    if status not in (0, 1):
        raise RpcMalformed("the node's transaction status is neither 0 nor 1", got=status)
    return status == 1


def parse_transaction(value: Any) -> SeenTransaction:
    """Return the transaction that an `eth_getTransactionByHash` answer describes; raises `RpcMalformed`."""
    seen = parse_object(value, what="transaction")
    block = seen.get("blockNumber")
    return SeenTransaction(
        hash=parse_hash(seen.get("hash"), what="transaction hash"),
        sender=parse_address_value(seen.get("from"), what="sender"),
        nonce=parse_quantity(seen.get("nonce"), what="nonce"),
        block_number=None if block is None else parse_quantity(block, what="block number"),
    )


def _log(log: dict[str, Any]) -> Log:
    topics = tuple(parse_hash(topic, what="log topic") for topic in _list(log.get("topics"), "log topics"))
    emitter = parse_address_value(log.get("address"), what="log address")
    return Log(emitter, topics, parse_data(log.get("data"), what="log data"))


def _rewards(row: Any, count: int) -> tuple[int, ...]:
    rewards = tuple(parse_quantity(reward, what="reward") for reward in _list(row, "rewards"))
    if len(rewards) != count:
        raise RpcMalformed("the node's fee history does not have one reward per percentile")
    return rewards


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise RpcMalformed(f"the node's {what} are not a list")
    return value
