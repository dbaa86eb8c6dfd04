"""Thousands of broken answers to real questions: a value, or one of our errors, and never the key of the URL."""

from __future__ import annotations

import json
import os
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import httpx

from defilev.chain.endpoints import Endpoints
from defilev.chain.multicall import PinnedReader
from defilev.chain.quorum import agreed_head
from defilev.chain.sightings import receipt_seen, transaction_seen
from defilev.cli.failure import describe, failure_document
from defilev.errors import DataError, DefilevError
from defilev.model.request import Call
from tests.support.network import CANARY, OWNER, Chain, Server, endpoints_of

REPLIES = 20_000 if os.environ.get("DEFILEV_FULL") else 2_000
HASH = "0x" + "ab" * 32
BLOCK = Chain().block(100)
RECEIPT = {
    "transactionHash": HASH, "status": "0x1", "blockNumber": "0x64", "blockHash": BLOCK.hash, "gasUsed": "0x5208",
    "effectiveGasPrice": "0x2", "logs": [{"address": OWNER, "topics": [HASH], "data": "0x01"}],
}  # fmt: skip
TRANSACTION = {"hash": HASH, "from": OWNER, "nonce": "0x7", "blockNumber": None}

Question = Callable[[Endpoints], Any]
QUESTIONS: list[Question] = [
    lambda nodes: nodes.node.chain_id(),
    lambda nodes: nodes.node.client_version(),
    lambda nodes: nodes.node.block_number(),
    lambda nodes: nodes.node.block(),
    lambda nodes: nodes.node.block(100),
    lambda nodes: nodes.node.balance(OWNER, block=BLOCK),
    lambda nodes: nodes.node.nonce(OWNER, block=BLOCK),
    lambda nodes: nodes.node.call(Call(OWNER, b"\x01"), block=BLOCK),
    lambda nodes: nodes.node.fee_history(2, percentiles=[50]),
    lambda nodes: nodes.node.receipt(HASH),
    lambda nodes: nodes.node.transaction(HASH),
    lambda nodes: nodes.node.simulate_v1({"blockStateCalls": [{}]}, block=BLOCK),
    lambda nodes: nodes.node.send_raw_transaction(b"\x02"),
    lambda nodes: PinnedReader(nodes.node, multicall3=OWNER, block=BLOCK).fetch([Call(OWNER, b"\x01")]),
    lambda nodes: nodes.meet(),
    agreed_head,
    lambda nodes: receipt_seen(nodes, HASH),
    lambda nodes: transaction_seen(nodes, HASH),
    lambda nodes: [endpoint.node.send_raw_transaction(b"\x02") for endpoint in nodes],
]

SCALARS: list[Any] = [
    None, True, False, 0, 1, -1, 12, 2**300, 1.5, "", "12", "0x", "0x0", "0x00", "0xzz", "0x" + "f" * 65, "latest",
    HASH, "null", "NaN", "\x00\x1b[31m", "٣", "😀" * 50, CANARY, f"https://node1.example/v2/{CANARY}", [], {}, [None],
    {"a": 1}, "0x" + "00" * 5000,
]  # fmt: skip
BODIES = [
    b"", b" ", b"null", b"[]", b"{}", b"[[[[", b"{", b"\xff\xfe", b"<html>", b"OK", b"NaN", b"[" * 50_000,
    b'{"a":' * 3000, b'{"jsonrpc":"2.0"}', f"no project {CANARY}".encode(), f'{{"error":"{CANARY}"}}'.encode(),
]  # fmt: skip
MESSAGES = [f"key {CANARY} is over its limit", "execution reverted", "header not found", "", "x" * 9000]
CODES = [3, -32000, -32001, -32005, -32601, -32602, -32603, 429, 10**30]
STATUSES = [100, 200, 201, 204, 301, 400, 401, 403, 404, 408, 413, 418, 429, 451, 500, 502, 503, 504, 524, 599]
FAILURES = [
    httpx.ConnectError, httpx.ReadTimeout, httpx.ConnectTimeout, httpx.RemoteProtocolError, httpx.ReadError,
    httpx.WriteError, httpx.PoolTimeout, httpx.DecodingError, httpx.LocalProtocolError, httpx.ProxyError,
    httpx.UnsupportedProtocol,
]  # fmt: skip


class Liar:
    """Breaks the honest answer in one of many ways; which, a seed says."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def __call__(self, server: Server, request: httpx.Request) -> httpx.Response:
        method = json.loads(request.content)["method"]
        if method not in server.node.answers:
            server.node.answers[method] = lambda *_: "0x"
        honest = server.honest(request).content
        return self.random.choice([
            self.refuse, self.another_body, self.another_status, self.cut, self.flip, self.envelope, self.result,
            self.result, self.result, self.error,
        ])(request, honest)  # fmt: skip

    def refuse(self, request: httpx.Request, honest: bytes) -> httpx.Response:
        raise self.random.choice(FAILURES)(f"failed at {request.url}", request=request)

    def another_body(self, request: httpx.Request, honest: bytes) -> httpx.Response:
        return httpx.Response(self.random.choice([200, *STATUSES]), content=self.random.choice(BODIES))

    def another_status(self, request: httpx.Request, honest: bytes) -> httpx.Response:
        return httpx.Response(self.random.choice(STATUSES), content=honest)

    def cut(self, request: httpx.Request, honest: bytes) -> httpx.Response:
        return httpx.Response(200, content=honest[: self.random.randrange(len(honest))])

    def flip(self, request: httpx.Request, honest: bytes) -> httpx.Response:
        broken = bytearray(honest)
        for _ in range(self.random.randrange(1, 5)):
            broken[self.random.randrange(len(broken))] = self.random.randrange(256)
        return httpx.Response(200, content=bytes(broken))

    def envelope(self, request: httpx.Request, honest: bytes) -> httpx.Response:
        answer = json.loads(honest)
        answer[self.random.choice(["id", "jsonrpc", "result", "error"])] = self.random.choice(SCALARS)
        if self.random.random() < 0.3:
            answer.pop(self.random.choice(list(answer)))
        return _json(answer)

    def result(self, request: httpx.Request, honest: bytes) -> httpx.Response:
        answer = json.loads(honest)
        answer.pop("error", None)
        answer["result"] = self.mutated(answer.get("result"))
        return _json(answer)

    def error(self, request: httpx.Request, honest: bytes) -> httpx.Response:
        answer = json.loads(honest)
        answer.pop("result", None)
        message = self.random.choice(MESSAGES)
        code = self.random.choice(CODES)
        answer["error"] = self.random.choice([
            {"code": code, "message": message, "data": self.mutated({"data": "0x08c379a0"})},
            {"code": code, "message": self.random.choice(SCALARS)},
            self.random.choice(SCALARS),
        ])  # fmt: skip
        return _json(answer)

    def mutated(self, value: Any) -> Any:
        """Return a value with one of its parts replaced, dropped or nested, or another altogether."""
        random = self.random
        if isinstance(value, dict) and value and random.random() < 0.8:
            key = random.choice(list(value))
            changed = dict(value)
            if random.random() < 0.2:
                changed.pop(key)
            else:
                changed[key] = self.mutated(value[key])
            return changed
        if isinstance(value, list) and value and random.random() < 0.8:
            place = random.randrange(len(value))
            return [*value[:place], self.mutated(value[place]), *value[place + random.randrange(2) :]]
        return random.choice(SCALARS)


def _json(answer: Any) -> httpx.Response:
    return httpx.Response(200, content=json.dumps(answer).encode())


def outcomes(question: Question, seed: int) -> Iterator[BaseException | None]:
    """Ask one node, and two, that answer with broken replies; yield what was raised."""
    for count in (1, 2):
        liar = Liar(seed)
        chains = [Chain(receipts={HASH: RECEIPT}, transactions={HASH: TRANSACTION}) for _ in range(count)]
        nodes = endpoints_of(*(Server(chain, always={"*": liar}) for chain in chains))
        try:
            question(nodes)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is judged
            yield error
        else:
            yield None


def shown(error: BaseException) -> str:
    """Return everything of an error that somebody could print."""
    text = "".join(traceback.format_exception(error)) + repr(error)
    if isinstance(error, DefilevError):
        text += repr(error.facts) + error.fix + repr(describe(error)) + json.dumps(failure_document(error))
    return text


def test_every_malformed_reply_ends_in_a_typed_error_without_the_key() -> None:
    """None of 2,000 broken replies raises anything but an error of data, and none of the messages has the key."""
    random = Random(4)
    ended: Counter[str] = Counter()
    for number in range(REPLIES):
        question = QUESTIONS[number % len(QUESTIONS)]
        for error in outcomes(question, random.randrange(2**32)):
            ended["answered" if error is None else type(error).__name__] += 1
            assert error is None or isinstance(error, DataError), (number, repr(error))
            assert error is None or CANARY not in shown(error), number

    assert ended.total() == 2 * REPLIES
    assert len(ended) > 6, ended  # the lies are of many kinds
    assert ended["answered"] < ended.total() / 2
