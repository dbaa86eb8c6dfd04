"""The node's typed questions: strict values, known dialects, one direction of time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from defilev.abi import keccak
from defilev.chain.node import Node
from defilev.errors import BlockUnavailable, RpcMalformed, RpcRejected
from defilev.model.request import Address, Block, Call, CallResult
from tests.support.fake_node import FakeNode, NodeError, pinned, rpc_over

HASH = "0x" + "ab" * 32
SOMEONE = Address("0x" + "11" * 20)
CALL = Call(SOMEONE, b"\x01\x02")
HEADER = {"number": "0x10", "hash": HASH, "timestamp": "0x64", "baseFeePerGas": "0x7", "transactions": []}


def node(**answers: Callable[..., Any]) -> Node:
    """Return a node that answers so."""
    return Node(rpc_over(FakeNode(answers)))


def refusing(code: int, message: str, data: Any = None) -> Callable[..., Any]:
    """Return an answer that is this JSON-RPC error."""

    def answer(*_: Any) -> Any:
        raise NodeError(code, message, data)

    return answer


@pytest.mark.parametrize(
    "value", [None, "12", 18, "", "0x", "0x01", "0x1g", " 0x1", "0x1 ", "-0x1", "0x" + "f" * 65, ["0x1"]]
)
def test_a_quantity_is_hex_or_an_error(value: Any) -> None:
    """What is not exactly a JSON-RPC quantity is refused: `"12"` is not 18, and `null` is not nothing."""
    with pytest.raises(RpcMalformed):
        node(eth_chainId=lambda: value).chain_id()
    with pytest.raises(RpcMalformed):
        node(eth_getBalance=lambda *_: value).balance(SOMEONE)


def test_quantities_of_any_size_are_exact() -> None:
    """A quantity is an integer up to 256 bits, in either case of hex digits."""
    assert 2**256 - 1 == node(eth_getBalance=lambda *_: "0x" + "F" * 64).balance(SOMEONE, block=5)
    assert 0 == node(eth_getTransactionCount=lambda *_: "0x0").nonce(SOMEONE)


@pytest.mark.parametrize("value", [None, "", "00", "0x0", "0xzz", "0x 00", 5])
def test_data_is_hex_or_an_error(value: Any) -> None:
    """Returned bytes are whole hex bytes behind `0x`, or an error."""
    with pytest.raises(RpcMalformed):
        node(eth_getCode=lambda *_: value).code(SOMEONE)


def test_a_block_is_read_by_number_and_by_name() -> None:
    """A header becomes a block; its number must be the one that was asked for."""
    assert Block(16, HASH, 100, 7) == node(eth_getBlockByNumber=lambda *_: HEADER).block("finalized")
    assert Block(16, HASH, 100, 7) == node(eth_getBlockByNumber=lambda *_: HEADER).block(16)
    with pytest.raises(RpcMalformed, match="another block"):
        node(eth_getBlockByNumber=lambda *_: HEADER).block(17)


@pytest.mark.parametrize("field", ["number", "hash", "timestamp"])
def test_a_header_without_its_parts_is_malformed(field: str) -> None:
    """A pending block's null hash, or any other missing part, is not a block."""
    with pytest.raises(RpcMalformed):
        node(eth_getBlockByNumber=lambda *_: HEADER | {field: None}).block()


@pytest.mark.parametrize("answer", [lambda *_: None, refusing(-32000, "header not found")])
def test_an_absent_block_says_how_far_the_chain_is(answer: Callable[..., Any]) -> None:
    """A null block is an error with the head's number, as the fix for a block that is still to come."""
    with pytest.raises(BlockUnavailable, match="no block 99") as caught:
        node(eth_getBlockByNumber=answer, eth_blockNumber=lambda: "0x10").block(99)
    assert 16 == caught.value.facts["head"]
    assert "up to 16" in caught.value.fix


def test_the_newest_block_never_goes_back() -> None:
    """A node whose head is older than the one it had is not believed."""
    heads = iter(["0x10", "0x10", "0xf"])
    lagging = node(eth_blockNumber=lambda: next(heads))
    assert [16, 16] == [lagging.block_number(), lagging.block_number()]
    with pytest.raises(BlockUnavailable, match="from 16 to 15"):
        lagging.block_number()


REVERT = "0x08c379a0"


@pytest.mark.parametrize(
    ("data", "code", "message", "attached"),
    [
        (REVERT, 3, "execution reverted: OLD", REVERT),  # geth, anvil, reth
        (REVERT, -32000, "execution reverted", REVERT),  # erigon, besu
        (REVERT, -32015, "VM execution error.", f"Reverted {REVERT}"),  # parity, nethermind
        (REVERT, -32603, "VM Exception: reverted with custom error", {"message": "x", "data": REVERT}),  # hardhat
        ("0x", -32000, "execution reverted", None),  # older geth
        ("0x", 3, "execution reverted", "0x"),
        ("0x", -32603, "EVM error InvalidFEOpcode", None),  # anvil
        ("0x", -32000, "invalid opcode: INVALID", None),  # geth
    ],
)
def test_a_revert_is_a_result_in_every_dialect(data: str, code: int, message: str, attached: Any) -> None:
    """A reverted call is a failed result with its revert data, however the node words it."""
    expected = CallResult(success=False, data=bytes.fromhex(data[2:]))
    assert expected == node(eth_call=refusing(code, message, attached)).call(CALL, block=16)


@pytest.mark.parametrize(
    "message",
    [
        "missing trie node 1234 (path ) <nil>",
        "historical state 0xab is not available",
        "required historical state unavailable (reexec=128)",
        "header not found",
        "header for hash not found",
        "unknown block",
        "BlockOutOfRangeError: block height is 197 but requested was 165",
        "Block with id: 'finalized' not found.",
        "state at block #5 is pruned",
        "distance to target block exceeds maximum proof window",
        "Block requested not found. Request might be querying historical state that is not available.",
        "No state available for block 0x1",
    ],
)
def test_a_lost_state_is_block_unavailable_in_every_dialect(message: str) -> None:
    """A node that no longer has a block's state says so in its own words, and we in ours."""
    refused = refusing(-32000, message)
    for ask in (
        lambda: node(eth_call=refused).call(CALL, block=Block(16, HASH, 100)),
        lambda: node(eth_getBalance=refused).balance(SOMEONE, block=16),
    ):
        with pytest.raises(BlockUnavailable, match="state of block 16") as caught:
            ask()
        assert "archive" in caught.value.fix


@pytest.mark.parametrize("message", ["out of gas", "EVM error OutOfGas", "query returned more than 10000 results"])
def test_a_limit_of_the_node_is_not_a_revert(message: str) -> None:
    """Running into the node's own limit is a rejection, never a contract's answer."""
    with pytest.raises(RpcRejected):
        node(eth_call=refusing(-32000, message)).call(CALL, block=16)


def test_a_call_says_sender_gas_and_overrides_only_when_given() -> None:
    """A call goes out with exactly the fields that were asked for, at the block's hash."""
    fake = FakeNode({"eth_call": lambda *_: "0x"})
    asked = Node(rpc_over(fake))
    assert CallResult(success=True, data=b"") == asked.call(CALL, block=Block(16, HASH, 100))
    asked.call(CALL, block="latest", sender=SOMEONE, gas=21000, overrides={SOMEONE: {"balance": "0x1"}})
    plain = {"to": SOMEONE, "data": "0x0102"}
    full = plain | {"from": SOMEONE, "gas": "0x5208"}
    expected = [("eth_call", [plain, pinned(HASH)]), ("eth_call", [full, "latest", {SOMEONE: {"balance": "0x1"}}])]
    assert expected == fake.asked


def test_the_hash_of_a_sent_transaction_is_checked() -> None:
    """The node must answer with the hash of the very bytes that were sent."""
    raw = b"\x02signed"
    digest = "0x" + keccak(raw).hex()
    assert digest == node(eth_sendRawTransaction=lambda _: digest).send_raw_transaction(raw)
    for answer in (HASH, None, "0x"):
        with pytest.raises(RpcMalformed):
            node(eth_sendRawTransaction=lambda _, answer=answer: answer).send_raw_transaction(raw)


RECEIPT = {
    "transactionHash": HASH,
    "status": "0x1",
    "blockNumber": "0x10",
    "blockHash": HASH,
    "gasUsed": "0x5208",
    "effectiveGasPrice": "0x2",
    "logs": [{"address": SOMEONE, "topics": [HASH], "data": "0x01"}],
}


def test_a_receipt_is_parsed_or_absent() -> None:
    """A receipt has status, block, cost and events; `null` is `None`; one of another transaction is malformed."""
    receipt = node(eth_getTransactionReceipt=lambda _: RECEIPT).receipt(HASH)
    assert receipt is not None
    assert (True, 16, 21000, 42000) == (receipt.succeeded, receipt.block_number, receipt.gas_used, receipt.fee_paid)
    assert b"\x01" == receipt.logs[0].data
    assert node(eth_getTransactionReceipt=lambda _: None).receipt(HASH) is None
    for changed in ({"transactionHash": "0x" + "cd" * 32}, {"status": "0x2"}, {"status": None}, {"logs": None}):
        with pytest.raises(RpcMalformed):
            node(eth_getTransactionReceipt=lambda _, changed=changed: RECEIPT | changed).receipt(HASH)


def test_a_transaction_is_pending_or_included() -> None:
    """A pending transaction has no block, an unknown one is `None`."""
    seen = {"hash": HASH, "from": SOMEONE, "nonce": "0x3", "blockNumber": None}
    pending = node(eth_getTransactionByHash=lambda _: seen).transaction(HASH)
    assert pending is not None
    assert (None, 3) == (pending.block_number, pending.nonce)
    assert node(eth_getTransactionByHash=lambda _: None).transaction(HASH) is None


def test_fee_history_has_the_next_base_fee_last() -> None:
    """The history's last base fee is the next block's, and each block has one tip per percentile."""
    history = {"baseFeePerGas": ["0x5", "0x6", "0x7"], "reward": [["0x1"], ["0x2"]]}
    fees = node(eth_feeHistory=lambda *_: history).fee_history(2, percentiles=[50])
    assert (7, ((1,), (2,))) == (fees.next_base_fee, fees.rewards)
    with pytest.raises(RpcMalformed):
        node(eth_feeHistory=lambda *_: history).fee_history(2, percentiles=[50, 90])


def test_simulation_support_is_found_by_asking() -> None:
    """A node that rejects `eth_simulateV1` does not have it; one that simulates an empty block has."""
    assert node(eth_simulateV1=lambda *_: [{}]).supports_simulate_v1()
    assert not node(eth_simulateV1=refusing(-32601, "the method does not exist")).supports_simulate_v1()
