"""The questions a node can be asked, with typed and checked answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from defilev.abi import keccak
from defilev.chain.dialects import revert_data, says_unavailable
from defilev.chain.quantity import parse_data, parse_hash, parse_object, parse_quantity, to_hex
from defilev.chain.rpc import Rpc
from defilev.chain.values import (
    FeeHistory,
    Receipt,
    SeenTransaction,
    parse_block,
    parse_fee_history,
    parse_receipt,
    parse_transaction,
)
from defilev.errors import BlockUnavailable, RpcMalformed, RpcRejected
from defilev.model.request import Address, Block, Call, CallResult

__all__ = ["At", "Node", "Tag"]

Tag: TypeAlias = Literal["latest", "finalized", "safe"]
At: TypeAlias = Block | int | Tag
"""A block itself, its number, or a name that the node resolves."""


class Node:
    """One node. Its newest block may never go back while this object lives.

    Every method raises what `Rpc.request` raises, and `BlockUnavailable` when the node lacks the block or its state.
    """

    def __init__(self, rpc: Rpc) -> None:
        self.rpc = rpc
        self._newest = 0

    def chain_id(self) -> int:
        """Return the chain id, asked for anew each time."""
        return parse_quantity(self.rpc.request("eth_chainId"), what="chain id")

    def client_version(self) -> str:
        """Return the node's own name and version."""
        version = self.rpc.request("web3_clientVersion")
        if not isinstance(version, str):
            raise RpcMalformed("the node's client version is not text")
        return version

    def block_number(self) -> int:
        """Return the number of the newest block."""
        return self._monotonic(parse_quantity(self.rpc.request("eth_blockNumber"), what="block number"))

    def block(self, at: int | Tag = "latest") -> Block:
        """Return the block with that number or name.

        Raises:
            BlockUnavailable: the node has no such block, or its newest one is older than one that it had.
            RpcMalformed: the node answered with another block.
        """
        try:
            header = self.rpc.request("eth_getBlockByNumber", [_tag(at), False])
        except RpcRejected as rejected:
            if says_unavailable(rejected):
                header = None
            else:
                raise
        if header is None:
            raise self._no_block(at)
        block = parse_block(header)
        if isinstance(at, int) and block.number != at:
            raise RpcMalformed("the node answered with another block", asked=at, got=block.number)
        if at == "latest":
            self._monotonic(block.number)
        return block

    def code(self, address: Address, *, block: At = "latest") -> bytes:
        """Return the code at `address`, empty when there is none."""
        return parse_data(self._at("eth_getCode", [address], block), what="code")

    def balance(self, address: Address, *, block: At = "latest") -> int:
        """Return the native balance in wei."""
        return parse_quantity(self._at("eth_getBalance", [address], block), what="balance")

    def nonce(self, address: Address, *, block: At = "latest") -> int:
        """Return how many transactions of `address` the chain includes up to `block`."""
        return parse_quantity(self._at("eth_getTransactionCount", [address], block), what="nonce")

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
        try:
            answer = self._at("eth_call", [fields], block, *([dict(overrides)] if overrides else []))
        except RpcRejected as rejected:
            data = revert_data(rejected)
            if data is None:
                raise
            return CallResult(success=False, data=data)
        return CallResult(success=True, data=parse_data(answer, what="call result"))

    def estimate_gas(self, call: Call, *, sender: Address, value: int = 0, block: At = "latest") -> int:
        """Return the gas that a transaction needs; raises `RpcRejected` when it would revert."""
        fields = {"from": sender, "to": call.to, "data": to_hex(call.data), "value": to_hex(value)}
        return parse_quantity(self._at("eth_estimateGas", [fields], block), what="gas estimate")

    def gas_price(self) -> int:
        """Return the node's suggestion for the price of gas, tip included, in wei."""
        return parse_quantity(self.rpc.request("eth_gasPrice"), what="gas price")

    def priority_fee(self) -> int:
        """Return the node's suggestion for the tip, in wei per gas."""
        return parse_quantity(self.rpc.request("eth_maxPriorityFeePerGas"), what="priority fee")

    def fee_history(self, blocks: int, *, percentiles: Sequence[float] = (), newest: At = "latest") -> FeeHistory:
        """Return base fees and tips of up to `blocks` blocks that end with `newest`."""
        asked = [to_hex(blocks), _tag(newest), list(percentiles)]
        return parse_fee_history(self.rpc.request("eth_feeHistory", asked), percentiles=len(percentiles))

    def receipt(self, transaction_hash: str) -> Receipt | None:
        """Return the receipt, `None` while the node knows of none."""
        answer = self.rpc.request("eth_getTransactionReceipt", [transaction_hash])
        if answer is None:
            return None
        receipt = parse_receipt(answer)
        _same_hash(transaction_hash, receipt.hash)
        return receipt

    def transaction(self, transaction_hash: str) -> SeenTransaction | None:
        """Return the transaction, pending or included, `None` when the node does not know it."""
        answer = self.rpc.request("eth_getTransactionByHash", [transaction_hash])
        if answer is None:
            return None
        seen = parse_transaction(answer)
        _same_hash(transaction_hash, seen.hash)
        return seen

    def transactions(self, block: int) -> tuple[SeenTransaction, ...]:
        """Return the transactions that a block includes, in their order."""
        answer = self.rpc.request("eth_getBlockByNumber", [_tag(block), True])
        if answer is None:
            raise self._no_block(block)
        listed = parse_object(answer, what="block").get("transactions")
        if not isinstance(listed, list):
            raise RpcMalformed("the node's block does not list its transactions", block=block)
        return tuple(map(parse_transaction, listed))

    def send_raw_transaction(self, raw: bytes) -> str:
        """Hand a signed transaction to the node, once, and return its hash.

        Any error leaves open whether the node took it: only the receipt and the nonce decide.

        Raises:
            RpcMalformed: the node answered with another hash than that of `raw`.
        """
        answer = self.rpc.request("eth_sendRawTransaction", [to_hex(raw)])
        sent = parse_hash(answer, what="transaction hash")
        _same_hash(to_hex(keccak(raw)), sent)
        return sent

    def simulate_v1(self, request: Mapping[str, Any], *, block: At) -> list[Any]:
        """Return the blocks that an `eth_simulateV1` request makes on the state of `block`, one per block asked for."""
        answer = self._at("eth_simulateV1", [dict(request)], block)
        if not isinstance(answer, list) or len(answer) != len(request["blockStateCalls"]):
            raise RpcMalformed("the node's simulation does not have the blocks that it was asked for")
        return answer

    def supports_simulate_v1(self) -> bool:
        """Return whether the node answers `eth_simulateV1`."""
        try:
            self.simulate_v1({"blockStateCalls": [{}]}, block="latest")
        except (RpcMalformed, RpcRejected):
            return False
        return True

    def _at(self, method: str, params: list[Any], at: At, *more: Any) -> Any:
        try:
            return self.rpc.request(method, [*params, _tag(at), *more])
        except RpcRejected as rejected:
            if revert_data(rejected) is None and says_unavailable(rejected):
                raise BlockUnavailable(
                    f"the node does not have the state of block {_shown(at)}", said=rejected.facts.get("message")
                ) from rejected
            raise

    def _monotonic(self, number: int) -> int:
        if number < self._newest:
            raise BlockUnavailable(
                f"the node's newest block went back from {self._newest} to {number}",
                fix="run it again; if it stays so, set another --rpc-url",
            )
        self._newest = number
        return number

    def _no_block(self, at: int | Tag) -> BlockUnavailable:
        head = parse_quantity(self.rpc.request("eth_blockNumber"), what="block number")
        fix = None if isinstance(at, int) and at <= head else f"give a --block up to {head}, or leave it out"
        return BlockUnavailable(f"the node has no block {_shown(at)}", fix=fix, head=head)


def _tag(at: At) -> str:
    number = at.number if isinstance(at, Block) else at
    return to_hex(number) if isinstance(number, int) else number


def _shown(at: At) -> str:
    return str(at.number if isinstance(at, Block) else at)


def _same_hash(expected: str, got: str) -> None:
    if expected.lower() != got:
        raise RpcMalformed("the node answered for another transaction", asked=expected, got=got)
