"""Reads through Multicall3: chunks, checks, and answers that can be believed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from eth_abi.abi import decode, encode

from defilev.chain.multicall import PinnedReader
from defilev.chain.node import Node
from defilev.errors import BlockUnavailable, NotDeployed, RpcMalformed, RpcRejected
from defilev.model.request import Address, Block, Call, CallResult
from tests.support.fake_node import FakeNode, NodeError, pinned, rpc_over

MULTICALL3 = Address("0xcA11bde05977b3631167028862bE2a173976CA11")
TARGET = Address("0x" + "22" * 20)
EMPTY = Address("0x" + "33" * 20)
BLOCK = Block(16, "0x" + "ab" * 32, 100)
PAIRING = "0x" + "0" * 39 + "8"


class Multicall:
    """A fake contract: `TARGET` returns its calldata, or reverts with it when it begins with `ff`.

    `capacity` is how many calls the gas suffices for; `limit` is how many the node accepts at all.
    """

    def __init__(self, *, clock: int = 100, capacity: int = 10_000, limit: int = 10_000) -> None:
        self.clock, self.capacity, self.limit = clock, capacity, limit
        self.sizes: list[int] = []
        self.asked: list[set[bytes]] = []

    def __call__(self, fields: dict[str, str], block: Any) -> str:
        assert (MULTICALL3, pinned(BLOCK.hash)) == (fields["to"], block)
        (calls,) = decode(["(address,bool,bytes)[]"], bytes.fromhex(fields["data"][10:]))
        self.sizes.append(len(calls))
        self.asked.append({data for _, _, data in calls})
        if len(calls) > self.limit:
            raise NodeError(-32000, "out of gas")
        answers = [self.answer(*call) if at < self.capacity else (False, b"") for at, call in enumerate(calls)]
        return "0x" + encode(["(bool,bytes)[]"], [answers]).hex()

    def answer(self, target: str, allow: bool, data: bytes) -> tuple[bool, bytes]:  # noqa: FBT001 - the contract's order
        assert allow
        if target == MULTICALL3.lower():
            return True, self.clock.to_bytes(32, "big")
        if target == PAIRING:
            return True, (1).to_bytes(32, "big")
        return (True, b"") if target == EMPTY else (data[:1] != b"\xff", data)


def reader(contract: Callable[..., Any], *, code: str = "0x01", **options: int) -> PinnedReader:
    """Return a reader over a node whose calls `contract` answers."""
    header = {"number": "0x10", "hash": BLOCK.hash, "timestamp": "0x64"}
    answers = {"eth_call": contract, "eth_getCode": lambda *_: code, "eth_getBlockByNumber": lambda *_: header}
    return PinnedReader(Node(rpc_over(FakeNode(answers))), multicall3=MULTICALL3, block=BLOCK, **options)


def numbered(count: int) -> list[Call]:
    """Return calls that each return another word."""
    return [Call(TARGET, index.to_bytes(32, "big")) for index in range(count)]


def echoed(calls: list[Call]) -> list[CallResult]:
    """Return what the fake target answers to `calls`."""
    return [CallResult(success=True, data=call.data) for call in calls]


def test_results_come_in_the_order_of_the_calls() -> None:
    """Each call has its own result, whether it returned, reverted with data, or found no contract."""
    batch = [Call(TARGET, b"\x01"), Call(TARGET, b"\xff\x02"), Call(EMPTY, b"\x03"), Call(TARGET, b"\x04")]
    expected = [
        CallResult(success=True, data=b"\x01"),
        CallResult(success=False, data=b"\xff\x02"),
        CallResult(success=False, data=b""),
        CallResult(success=True, data=b"\x04"),
    ]
    assert expected == reader(Multicall()).fetch(batch)


def test_a_batch_is_one_round_trip_up_to_a_chunk() -> None:
    """Five hundred calls are one `eth_call`, one more call is another; nothing is asked for an empty batch."""
    for count, round_trips in ((0, 0), (1, 1), (500, 1), (501, 2), (1000, 2)):
        asked = reader(Multicall())
        assert echoed(numbered(count)) == asked.fetch(numbered(count))
        assert round_trips == asked.node.rpc.round_trips["eth_call"]


def test_a_chunk_is_bounded_in_bytes_too() -> None:
    """Long calldata makes more chunks, and a single call longer than a chunk is still made."""
    asked = reader(Multicall(), largest_calldata=1000)
    batch = [Call(TARGET, bytes(2000)), *numbered(8)]
    assert echoed(batch) == asked.fetch(batch)
    assert 3 == asked.node.rpc.round_trips["eth_call"]


def test_a_chunk_that_the_node_refuses_is_halved() -> None:
    """A node that cannot take a chunk gets smaller ones, from then on too, and no result is lost."""
    contract = Multicall(limit=130)
    asked = reader(contract)
    assert echoed(numbered(1000)) == asked.fetch(numbered(1000))
    assert max(contract.sizes[3:]) <= 130 + 126
    contract.sizes.clear()
    asked.fetch(numbered(500))
    assert max(contract.sizes) <= 130


def test_chained_calls_are_never_apart() -> None:
    """Calls that build on the state of the one before share a round trip, however small the chunks are."""
    contract = Multicall(limit=5)
    asked = reader(contract, largest_chunk=4)
    batch = [call._replace(chained=index % 3 != 0) for index, call in enumerate(numbered(31))]

    assert echoed(batch) == asked.fetch(batch)
    linked = [{call.data for call in batch[start : start + 3]} for start in range(0, 31, 3)]
    assert all(any(link <= together for together in contract.asked) for link in linked)
    assert all(not link & together or link <= together for link in linked for together in contract.asked)


def test_a_failure_for_want_of_gas_is_not_taken_for_a_revert() -> None:
    """When the gas runs out inside a chunk, the calls after it are made again instead of being called reverted."""
    contract = Multicall(capacity=100)
    assert echoed(numbered(300)) == reader(contract).fetch(numbered(300))


def test_a_call_that_burns_all_gas_fails_alone() -> None:
    """One call that no gas suffices for is a failure; its neighbours have their results."""
    contract = Multicall(capacity=0)
    assert [CallResult(success=False, data=b"")] == reader_without_clock(contract).fetch(numbered(1))


def reader_without_clock(contract: Multicall) -> PinnedReader:
    """Return a reader whose clock has been checked already."""
    contract.capacity, capacity = 10_000, contract.capacity
    asked = reader(contract)
    asked.fetch(numbered(1))
    contract.capacity = capacity
    return asked


def test_a_single_call_that_the_node_refuses_is_an_error() -> None:
    """Halving ends: what is refused alone is raised."""
    with pytest.raises(RpcRejected, match="out of gas"):
        reader(Multicall(limit=0)).fetch(numbered(4))


def test_a_busy_node_is_not_asked_more() -> None:
    """A limit on the rate is raised after its repeats, not answered with smaller and more chunks."""

    def busy(*_: Any) -> Any:
        raise NodeError(-32005, "rate limit")

    asked = reader(busy)
    with pytest.raises(RpcRejected):
        asked.fetch(numbered(400))
    assert 3 == asked.node.rpc.round_trips["eth_call"]


def test_another_clock_is_refused() -> None:
    """Calls that see another time than the block's header were not made at that block."""
    with pytest.raises(RpcMalformed, match="another block's clock"):
        reader(Multicall(clock=112)).fetch(numbered(1))


def test_a_clock_that_was_wrong_once_is_asked_again() -> None:
    """A node that mines just then may answer for the next block: the read is repeated, and the second answer counts."""
    contract = Multicall(clock=112)

    def once_late(fields: dict[str, str], block: Any) -> str:
        answered = contract(fields, block)
        contract.clock = BLOCK.timestamp
        return answered

    asked = reader(once_late)
    assert 1 == len(asked.fetch(numbered(1)))
    assert 2 == asked.node.rpc.round_trips["eth_call"]


def test_the_clock_is_asked_for_once() -> None:
    """The check of the clock costs one call in the first chunk and no round trip."""
    contract = Multicall()
    asked = reader(contract)
    asked.fetch(numbered(3))
    asked.fetch(numbered(3))
    assert [5, 4] == contract.sizes


def test_a_missing_multicall_is_named() -> None:
    """An address without code is another error than a contract that answers nonsense."""
    with pytest.raises(NotDeployed, match="no Multicall3"):
        reader(lambda *_: "0x", code="0x").fetch(numbered(1))
    with pytest.raises(RpcMalformed):
        reader(lambda *_: "0x" + "00" * 31).fetch(numbered(1))


def test_a_replaced_block_is_found_out() -> None:
    """After a read, the block's hash must still be the chain's at that height."""
    asked = reader(Multicall())
    asked.verify()
    asked.block = Block(16, "0x" + "cd" * 32, 100)
    with pytest.raises(BlockUnavailable, match="replaced"):
        asked.verify()
