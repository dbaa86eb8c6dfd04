"""The questions a node can be asked, with typed and checked answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, TypeAlias, TypeVar

from defilev.chain import answers
from defilev.chain.dialects import lacks, revert_data
from defilev.chain.quantity import parse_data, parse_quantity, to_hex
from defilev.chain.rpc import Requests
from defilev.chain.values import (
    FeeHistory,
    Log,
    Receipt,
    SeenTransaction,
    parse_block,
    parse_fee_history,
)
from defilev.errors import BlockUnavailable, RpcMalformed, RpcRejected
from defilev.model.request import Address, Block, Call, CallResult, LogFilter

__all__ = ["At", "Node", "Tag", "Watermark"]

Tag: TypeAlias = Literal["latest", "finalized", "safe"]
At: TypeAlias = Block | int | Tag
"""A block itself, its number, or a name that the node resolves."""

T = TypeVar("T")


class Watermark:
    """The height of the newest block that was believed; it falls only when a claim is forgotten."""

    def __init__(self) -> None:
        self._height = 0

    def rise(self, number: int) -> int:
        """Return `number`, the newest block's; raises `BlockUnavailable` when there was a newer one."""
        if number < self._height:
            raise BlockUnavailable(
                f"the node's newest block went back from {self._height} to {number}",
                fix="run it again; if it stays so, set another --rpc-url",
            )
        self._height = number
        return number

    def forget(self, *, above: int) -> None:
        """Believe no block above that height any more."""
        self._height = min(self._height, above)


class Node:
    """One node, or several behind one view. Its newest block never goes back, until `forget_head`.

    What is asked at a `Block` is asked at its hash (EIP-1898): a node that has another block at its height, or none,
    says so in place of answering for another state.

    Every method raises what `Rpc.read` raises, and `BlockUnavailable` when the node lacks the block or its state.

    Args:
        rpc: where the questions go.
        accept: is shown every newest block, and raises `BlockUnavailable` for one that must not be believed.
        watermark: shared with other views that must not go back behind each other.
    """

    def __init__(
        self,
        rpc: Requests,
        *,
        accept: Callable[[Block], None] | None = None,
        watermark: Watermark | None = None,
    ) -> None:
        self.rpc = rpc
        self.newest: Block | None = None
        self._accept = accept
        self._watermark = watermark or Watermark()

    def chain_id(self) -> int:
        """Return the chain id, asked for anew each time."""
        return self.rpc.read("eth_chainId", [], partial(parse_quantity, what="chain id"))

    def client_version(self) -> str:
        """Return the node's own name and version."""
        return self.rpc.read("web3_clientVersion", [], answers.version)

    def block_number(self) -> int:
        """Return the number of the newest block."""
        return self.rpc.read("eth_blockNumber", [], lambda answer: self._watermark.rise(answers.height(answer)))

    def block(self, at: int | Tag = "latest") -> Block:
        """Return the block with that number or name.

        Raises:
            BlockUnavailable: the node has no such block, or its newest one is older than one that it had.
            RpcMalformed: the node answered with another block.
        """
        try:
            return self.rpc.read("eth_getBlockByNumber", [_tag(at), False], partial(self._block, at))
        except answers.NoSuchBlock:
            raise self._no_block(at) from None
        except RpcRejected as rejected:
            if lacks(rejected):
                raise self._no_block(at) from None
            raise

    def gas_limit(self, block: Block) -> int:
        """Return the most gas that the transactions of `block` could have taken together."""
        return self.rpc.read("eth_getBlockByNumber", [_tag(block.number), False], answers.gas_limit)

    def code(self, address: Address, *, block: At = "latest") -> bytes:
        """Return the code at `address`, empty when there is none."""
        return self._at("eth_getCode", [address], block, partial(parse_data, what="code"))

    def storage(self, address: Address, slot: int, *, block: At = "latest") -> bytes:
        """Return the 32 bytes that a contract keeps in a slot, whatever its code would answer."""
        word = self._at("eth_getStorageAt", [address, to_hex(slot)], block, partial(parse_data, what="storage"))
        return word.rjust(32, b"\0")

    def balance(self, address: Address, *, block: At = "latest") -> int:
        """Return the native balance in wei."""
        return self._at("eth_getBalance", [address], block, partial(parse_quantity, what="balance"))

    def nonce(self, address: Address, *, block: At = "latest") -> int:
        """Return how many transactions of `address` the chain includes up to `block`."""
        return self._at("eth_getTransactionCount", [address], block, partial(parse_quantity, what="nonce"))

    def call(
        self,
        call: Call,
        *,
        block: At,
        sender: Address | None = None,
        gas: int | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> CallResult:
        """Return what `call` returns on the state of `block`; a revert is a result with its revert data.

        Args:
            gas: a gas limit for the call; the node's own when left out.
            overrides: state overrides by address, as `eth_call` takes them.
        """
        fields = {"to": call.to, "data": to_hex(call.data)}
        fields |= {"from": sender} if sender else {}
        fields |= {"gas": to_hex(gas)} if gas is not None else {}
        more = [dict(overrides)] if overrides else []
        try:
            data = self._at("eth_call", [fields], block, partial(parse_data, what="call result"), *more)
        except RpcRejected as rejected:
            reverted = revert_data(rejected)
            if reverted is None:
                raise
            return CallResult(success=False, data=reverted)
        return CallResult(success=True, data=data)

    def returned(self, call: Call, read: Callable[[bytes], T], *, block: At) -> T | None:
        """Return what `read` makes of what `call` returns on the state of `block`; `None` when it reverts.

        What `read` raises counts as a failure of the node: another one is asked where there are several.
        """
        fields = {"to": call.to, "data": to_hex(call.data)}
        try:
            return self._at("eth_call", [fields], block, lambda answer: read(parse_data(answer, what="call result")))
        except RpcRejected as rejected:
            if revert_data(rejected) is None:
                raise
            return None

    def estimate_gas(self, call: Call, *, sender: Address, value: int = 0, block: At = "latest") -> int:
        """Return the gas that a transaction needs; raises `RpcRejected` when it would revert."""
        fields = {"from": sender, "to": call.to, "data": to_hex(call.data), "value": to_hex(value)}
        return self._at("eth_estimateGas", [fields], block, partial(parse_quantity, what="gas estimate"))

    def gas_price(self) -> int:
        """Return the node's suggestion for the price of gas, tip included, in wei."""
        return self.rpc.read("eth_gasPrice", [], partial(parse_quantity, what="gas price"))

    def priority_fee(self) -> int:
        """Return the node's suggestion for the tip, in wei per gas."""
        return self.rpc.read("eth_maxPriorityFeePerGas", [], partial(parse_quantity, what="priority fee"))

    def fee_history(self, blocks: int, *, percentiles: Sequence[float] = (), newest: At = "latest") -> FeeHistory:
        """Return base fees and tips of up to `blocks` blocks that end with `newest`."""
        number = newest.number if isinstance(newest, Block) else newest
        asked = [to_hex(blocks), _tag(number), list(percentiles)]
        return self.rpc.read("eth_feeHistory", asked, partial(parse_fee_history, percentiles=len(percentiles)))

    def receipt(self, transaction_hash: str) -> Receipt | None:
        """Return the receipt, `None` while the node knows of none."""
        return self.rpc.read(
            "eth_getTransactionReceipt", [transaction_hash], partial(answers.receipt, transaction_hash)
        )

    def transaction(self, transaction_hash: str) -> SeenTransaction | None:
        """Return the transaction, pending or included, `None` when the node does not know it."""
        return self.rpc.read(
            "eth_getTransactionByHash", [transaction_hash], partial(answers.transaction, transaction_hash)
        )

    def transactions(self, block: int) -> tuple[SeenTransaction, ...]:
        """Return the transactions that a block includes, in their order."""
        try:
            return self.rpc.read("eth_getBlockByNumber", [_tag(block), True], partial(answers.transactions, block))
        except answers.NoSuchBlock:
            raise self._no_block(block) from None

    def send_raw_transaction(self, raw: bytes) -> str:
        """Hand a signed transaction to the node, once, and return its hash.

        Any error leaves open whether the node took it: only the receipt and the nonce decide.

        Raises:
            RpcMalformed: the node answered with another hash than that of `raw`.
        """
        return self.rpc.read("eth_sendRawTransaction", [to_hex(raw)], partial(answers.sent_hash, raw))

    def logs(self, wanted: LogFilter, *, first: int, last: int) -> tuple[Log, ...]:
        """Return the logs that `wanted` lets through, from block `first` to block `last`.

        Raises:
            RpcRejected: the node refuses, for one because the range is too long.
            RpcMalformed: it answered with the logs of another contract.
        """
        asked = {
            "address": wanted.address,
            "topics": [None if allowed is None else list(allowed) for allowed in wanted.topics],
            "fromBlock": to_hex(first),
            "toBlock": to_hex(last),
        }
        return self.rpc.read("eth_getLogs", [asked], partial(answers.logs, wanted.address))

    def simulate_v1(self, request: Mapping[str, Any], *, block: At) -> list[Any]:
        """Return the blocks that an `eth_simulateV1` request makes on the state of `block`, one per block asked for."""
        return self._at(
            "eth_simulateV1", [dict(request)], block, partial(answers.simulated, len(request["blockStateCalls"]))
        )

    def supports_simulate_v1(self) -> bool:
        """Return whether the node answers `eth_simulateV1`."""
        try:
            self.simulate_v1({"blockStateCalls": [{}]}, block="latest")
        except (RpcMalformed, RpcRejected):
            return False
        return True

    def _at(self, method: str, params: list[Any], at: At, parse: Callable[[Any], T], *more: Any) -> T:
        try:
            return self.rpc.read(method, [*params, _tag(at), *more], parse)
        except RpcRejected as rejected:
            if lacks(rejected):
                raise BlockUnavailable(
                    f"the node does not have the state of block {_shown(at)}", said=rejected.facts.get("message")
                ) from rejected
            raise

    def _block(self, at: int | Tag, header: Any) -> Block:
        if header is None:
            raise answers.NoSuchBlock(f"the node has no block {_shown(at)}")
        block = parse_block(header)
        if isinstance(at, int) and block.number != at:
            raise RpcMalformed("the node answered with another block", asked=at, got=block.number)
        if at == "latest":
            self._believe(block)
        return block

    def forget_head(self, *, above: int) -> None:
        """Forget a newest block above that height, so that one false claim is not held against every later answer."""
        self._watermark.forget(above=above)
        if self.newest is not None and self.newest.number > above:
            self.newest = None

    def _believe(self, newest: Block) -> None:
        if self._accept is not None:
            self._accept(newest)
        self._watermark.rise(newest.number)
        self.newest = newest

    def _no_block(self, at: int | Tag) -> BlockUnavailable:
        head = self.rpc.read("eth_blockNumber", [], answers.height)
        fix = None if isinstance(at, int) and at <= head else f"give a --block up to {head}, or leave it out"
        return BlockUnavailable(f"the node has no block {_shown(at)}", fix=fix, head=head)


def _tag(at: At) -> Any:
    if isinstance(at, Block):
        return {"blockHash": at.hash, "requireCanonical": True}
    return to_hex(at) if isinstance(at, int) else at


def _shown(at: At) -> str:
    return str(at.number if isinstance(at, Block) else at)
