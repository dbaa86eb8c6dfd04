"""JSON-RPC: answers are checked, reads are repeated, and nothing else is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from defilev.chain.rpc import REPEATABLE
from defilev.errors import RpcBusy, RpcError, RpcMalformed, RpcRejected, RpcTimeout, RpcUnreachable
from tests.support.fake_node import FakeNode, NodeError, ScriptedTransport, rpc_over


def answer(request_id: int = 1, **fields: Any) -> bytes:
    """Return a JSON-RPC answer."""
    return json.dumps({"jsonrpc": "2.0", "id": request_id} | fields).encode()


def test_a_result_is_returned_and_counted() -> None:
    """The result of the request arrives, `null` too, and each round trip is counted under its method."""
    rpc = rpc_over(FakeNode({"eth_chainId": lambda: "0x1", "eth_getTransactionReceipt": lambda _: None}))
    assert "0x1" == rpc.request("eth_chainId")
    assert rpc.request("eth_getTransactionReceipt", ["0x00"]) is None
    assert {"eth_chainId": 1, "eth_getTransactionReceipt": 1} == dict(rpc.round_trips)


@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc":"2.0","id":1,"resu',
        b"[]",
        b'"0x1"',
        b"null",
        answer(2, result="0x1"),
        answer(1),
        b'{"id":1,"result":"0x1"}',
        b'{"jsonrpc":"1.0","id":1,"result":"0x1"}',
        b'{"jsonrpc":"2.0","id":"1","result":"0x1"}',
        b'{"jsonrpc":"2.0","id":true,"result":"0x1"}',
        b'{"jsonrpc":"2.0","result":"0x1"}',
        answer(1, error="limit"),
        answer(1, error={"code": "1", "message": "x"}),
        answer(1, error={"code": 1}),
        b"[" * 100_000,
        b'{"jsonrpc":"2.0","id":1,"result":"\xff"}',
    ],
)
def test_what_is_not_the_answer_is_malformed(body: bytes) -> None:
    """An answer that is cut off, to another request, or without result and error is never taken for one."""
    with pytest.raises(RpcMalformed):
        rpc_over(ScriptedTransport(body)).request("eth_sendRawTransaction", ["0x00"])


def test_an_error_carries_code_message_and_data() -> None:
    """A JSON-RPC error keeps its parts, with URLs in its message redacted."""
    failure = NodeError(-32000, "upstream https://node.example/apikey failed", data="0x01")
    node = FakeNode({"eth_call": lambda *_: (_ for _ in ()).throw(failure)})
    with pytest.raises(RpcRejected) as caught:
        rpc_over(node).request("eth_call", [{}, "latest"])
    assert (-32000, "0x01") == (caught.value.facts["code"], caught.value.facts["data"])
    assert "upstream https://node.example/•••• failed" == caught.value.facts["message"]
    assert "apikey" not in str(caught.value)


def test_an_error_to_a_request_that_the_node_could_not_read_is_still_an_error() -> None:
    """An error with a null id, as the specification has it for unreadable requests, is a rejection."""
    body = b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Invalid request"}}'
    with pytest.raises(RpcRejected, match="Invalid request"):
        rpc_over(ScriptedTransport(body)).request("eth_call")


@pytest.mark.parametrize(
    "failure",
    [
        RpcUnreachable("refused"),
        RpcTimeout("slow"),
        RpcMalformed("HTML"),
        RpcBusy("HTTP 429", code=429, message="", data=None),
        RpcBusy("HTTP 503", code=503, message="", data=None),
        answer(1, error={"code": -32005, "message": "rate limit"}),
        answer(9, result="0x2"),
    ],
)
def test_a_read_survives_a_failure_that_passes(failure: bytes | Exception) -> None:
    """A read is asked again after a failure that may pass, and the second answer counts."""
    rpc = rpc_over(ScriptedTransport(failure, answer(2, result="0x1")))
    assert "0x1" == rpc.request("eth_blockNumber")
    assert 2 == rpc.round_trips["eth_blockNumber"]


def test_a_read_is_repeated_at_most_twice() -> None:
    """Repeating ends: three broken connections, or two timeouts, are an error."""
    for failure, attempts in ((RpcUnreachable("refused"), 3), (RpcTimeout("slow"), 2)):
        transport = ScriptedTransport(*[failure] * 5)
        with pytest.raises(RpcError):
            rpc_over(transport).request("eth_blockNumber")
        assert attempts == len(transport.sent)


def test_a_refused_read_is_not_repeated() -> None:
    """An error that asking again cannot cure is raised at once."""
    transport = ScriptedTransport(answer(1, error={"code": -32601, "message": "no such method"}))
    with pytest.raises(RpcRejected):
        rpc_over(transport).request("eth_simulateV1")
    assert 1 == len(transport.sent)


@pytest.mark.parametrize(
    "method",
    ["eth_sendRawTransaction", "eth_sendTransaction", "evm_mine", "anvil_reset", "anvil_setBalance", "something_new"],
)
@pytest.mark.parametrize(
    "failure",
    [
        RpcUnreachable("reset"),
        RpcTimeout("slow"),
        RpcMalformed("cut"),
        RpcBusy("HTTP 429", code=429, message="", data=None),
        answer(1, error={"code": -32005, "message": "rate limit"}),
    ],
)
def test_what_changes_state_is_sent_once(method: str, failure: bytes | Exception) -> None:
    """A transaction is never sent twice, whatever its first sending ended with; nor is any method that is not known."""
    transport = ScriptedTransport(failure)
    with pytest.raises(RpcError):
        rpc_over(transport).request(method, [])
    assert 1 == len(transport.sent)


def test_repeatable_methods_are_reads() -> None:
    """No method that may be repeated sends, signs, mines or sets anything."""
    assert not [
        name for name in REPEATABLE if any(word in name for word in ("send", "sign", "mine", "set", "anvil", "evm_"))
    ]
