"""Whatever a node answers, the caller sees a value of the promised type or one of our errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hypothesis import given, strategies as st

from defilev.chain.multicall import PinnedReader
from defilev.chain.node import Node
from defilev.errors import DataError
from defilev.model.request import Address, Block, Call
from tests.support.fake_node import rpc_over

SOMEONE = Address("0x" + "11" * 20)
HASH = "0x" + "ab" * 32
CALL = Call(SOMEONE, b"\x01")
BLOCK = Block(16, HASH, 100)

hexes = st.from_regex(r"0x[0-9a-f]{0,70}", fullmatch=True) | st.sampled_from(["0x10", HASH, SOMEONE, "0x1"])
FIELDS = (
    "number hash timestamp baseFeePerGas reward status logs blockNumber blockHash gasUsed effectiveGasPrice "
    "transactionHash from nonce topics data address code message"
)
names = st.sampled_from(FIELDS.split())
scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | hexes
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=8), max_leaves=20
)
errors = st.fixed_dictionaries({"code": st.integers(), "message": st.text(), "data": values})

QUESTIONS: list[Callable[[Node], Any]] = [
    lambda node: node.chain_id(),
    lambda node: node.client_version(),
    lambda node: node.block_number(),
    lambda node: node.block(),
    lambda node: node.code(SOMEONE),
    lambda node: node.balance(SOMEONE),
    lambda node: node.call(CALL, block=16),
    lambda node: node.fee_history(2, percentiles=[50]),
    lambda node: node.receipt(HASH),
    lambda node: node.transaction(HASH),
    lambda node: node.send_raw_transaction(b"\x02"),
    lambda node: node.simulate_v1({"blockStateCalls": [{}]}, block=16),
    lambda node: node.supports_simulate_v1(),
    lambda node: PinnedReader(node, multicall3=SOMEONE, block=BLOCK).fetch([CALL]),
]


class Garbler:
    """A transport that answers every request with the same `result`, `error` or bytes."""

    def __init__(self, answer: Callable[[int], bytes]) -> None:
        self.answer = answer

    def send(self, payload: bytes) -> bytes:
        return self.answer(json.loads(payload)["id"])

    def close(self) -> None:
        """Nothing is open."""


def ask(question: Callable[[Node], Any], answer: Callable[[int], bytes]) -> None:
    """Ask, and let none but our errors pass as an outcome."""
    with suppress(DataError):
        question(Node(rpc_over(Garbler(answer))))


@given(st.sampled_from(QUESTIONS), values)
def test_any_result_is_a_value_or_an_error(question: Callable[[Node], Any], value: Any) -> None:
    """No JSON value in place of a result raises anything but an error of ours."""
    ask(question, lambda request_id: json.dumps({"jsonrpc": "2.0", "id": request_id, "result": value}).encode())


@given(st.sampled_from(QUESTIONS), values | errors)
def test_any_error_is_an_error_of_ours(question: Callable[[Node], Any], value: Any) -> None:
    """No JSON value in place of an error raises anything but an error of ours."""
    ask(question, lambda request_id: json.dumps({"jsonrpc": "2.0", "id": request_id, "error": value}).encode())


@given(st.sampled_from(QUESTIONS), st.binary(max_size=60) | values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_an_error_of_ours(question: Callable[[Node], Any], body: bytes) -> None:
    """No bytes in place of an answer raise anything but an error of ours."""
    ask(question, lambda _: body)
