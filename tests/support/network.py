"""Nodes of a small made-up chain behind HTTP that fails on purpose: only the network is fake, and time."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import httpx

from defilev.abi import keccak
from defilev.chain.endpoint import Budget, Endpoint
from defilev.chain.endpoints import Endpoints
from defilev.chain.quantity import to_hex
from defilev.chain.transport import HttpTransport
from defilev.model.request import Address, Block
from tests.support.fake_node import FakeNode, NodeError

__all__ = [
    "CANARY",
    "FAULTS",
    "OWNER",
    "Chain",
    "Clock",
    "Fault",
    "Server",
    "answering",
    "endpoint_of",
    "endpoints_of",
    "html",
    "http_status",
    "reset",
    "slow",
    "timeout",
    "truncated",
    "wrong_id",
]

CANARY = "canary-0123456789abcdef"
"""The key in every URL; it may stand in no message."""

OWNER = Address("0x" + "11" * 20)
Answer: TypeAlias = Callable[[httpx.Request], httpx.Response]
Fault: TypeAlias = Callable[["Server", httpx.Request], httpx.Response]
"""Answers in place of the server, or asks it and changes what comes back."""


@dataclass
class Clock:
    """Seconds that pass when something takes its time, and when somebody sleeps."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@dataclass
class Chain:
    """Blocks, 12 s apart, without end; `salt` tells forks apart from block `fork` on."""

    head: int = 100
    chain_id: int = 1
    salt: str = ""
    fork: int = 0
    nonce: int = 7
    balance: int = 10**18
    receipts: dict[str, Any] = field(default_factory=dict)
    transactions: dict[str, Any] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)

    def block(self, number: int) -> Block:
        """Return the block at a height."""
        salt = self.salt if number >= self.fork else ""
        return Block(number, "0x" + keccak(f"{salt}{number}".encode()).hex(), 1_000_000 + 12 * number, 7)

    def header(self, tag: Any, _: object) -> Any:
        """Answer `eth_getBlockByNumber`."""
        number = self.head if tag == "latest" else int(tag, 16)
        if number > self.head:
            return None
        block = self.block(number)
        return {
            "number": to_hex(number),
            "hash": block.hash,
            "timestamp": to_hex(block.timestamp),
            "baseFeePerGas": to_hex(7),
        }

    def at(self, answer: Callable[[], Any]) -> Callable[..., Any]:
        """Answer a question about the state of a block, named by tag or pinned by its hash."""

        def answered(_: Any, tag: Any) -> Any:
            hashes = {self.block(number).hash for number in range(max(self.head - 40, 0), self.head + 1)}
            if isinstance(tag, dict) and tag["blockHash"] not in hashes:
                raise NodeError(-32000, "header for hash not found")
            return answer()

        return answered

    def send(self, raw: str) -> str:
        """Answer `eth_sendRawTransaction`."""
        self.sent.append(raw)
        return "0x" + keccak(bytes.fromhex(raw[2:])).hex()

    def fees(self, count: str, newest: str, percentiles: Sequence[float]) -> Any:
        """Answer `eth_feeHistory`."""
        return {
            "baseFeePerGas": [to_hex(7)] * (int(count, 16) + 1),
            "reward": [[to_hex(10 + self.nonce)] * len(percentiles)] * int(count, 16),
        }

    def node(self) -> FakeNode:
        """Return a node of this chain."""
        return FakeNode(
            {
                "eth_chainId": lambda: to_hex(self.chain_id),
                "eth_blockNumber": lambda: to_hex(self.head),
                "eth_getBlockByNumber": self.header,
                "eth_getBalance": self.at(lambda: to_hex(self.balance)),
                "eth_getTransactionCount": self.at(lambda: to_hex(self.nonce)),
                "eth_feeHistory": self.fees,
                "eth_getTransactionReceipt": self.receipts.get,
                "eth_getTransactionByHash": self.transactions.get,
                "eth_sendRawTransaction": self.send,
                "web3_clientVersion": lambda: "made-up/1",
            }
        )


@dataclass
class Server:
    """A node of `chain` behind HTTP. The next requests meet `faults`, one each; all of a method those of `always`."""

    chain: Chain
    clock: Clock = field(default_factory=Clock)
    seconds: float = 0.01
    faults: list[Fault] = field(default_factory=list)
    always: dict[str, Fault] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.node = self.chain.node()
        self.methods: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        method = json.loads(request.content)["method"]
        self.methods.append(method)
        self.clock.now += self.seconds
        fault = self.always.get(method) or self.always.get("*") or (self.faults.pop(0) if self.faults else None)
        return fault(self, request) if fault else self.honest(request)

    def honest(self, request: httpx.Request) -> httpx.Response:
        """Answer as the node does."""
        return httpx.Response(200, content=self.node.send(request.content))

    @property
    def asked(self) -> int:
        """How many requests came."""
        return len(self.methods)


def endpoint_of(server: Server, place: int = 1, *, budget: Budget | None = None) -> Endpoint:
    """Return the endpoint that leads to a server; its URL has a key in it."""
    url = f"https://node{place}.example/v2/{CANARY}"
    transport = HttpTransport(url, timeout=3, http=httpx.MockTransport(server), clock=server.clock)
    return Endpoint.over(
        transport, name=transport.name, url=url, budget=budget or Budget(server.clock), sleep=server.clock.sleep
    )


def endpoints_of(*servers: Server) -> Endpoints:
    """Return the endpoints of some servers, in order; they share one clock."""
    clock = servers[0].clock
    for server in servers:
        server.clock = clock
    budget = Budget(clock)
    found = [endpoint_of(server, place, budget=budget) for place, server in enumerate(servers, 1)]
    return Endpoints(found, budget=budget, sleep=clock.sleep)


def http_status(status: int, body: bytes = b"") -> Fault:
    """Answer with an HTTP status."""
    return lambda server, request: httpx.Response(status, content=body)


def answering(result: Any) -> Fault:
    """Answer with a result, whatever the node would say."""

    def fault(server: Server, request: httpx.Request) -> httpx.Response:
        answer = {"jsonrpc": "2.0", "id": json.loads(request.content)["id"], "result": result}
        return httpx.Response(200, content=json.dumps(answer).encode())

    return fault


def slow(seconds: float) -> Fault:
    """Answer rightly, after a while."""

    def fault(server: Server, request: httpx.Request) -> httpx.Response:
        server.clock.now += seconds
        return server.honest(request)

    return fault


def timeout(server: Server, request: httpx.Request) -> httpx.Response:
    """Say nothing for 3 s."""
    server.clock.now += 3
    raise httpx.ReadTimeout("slow", request=request)


def reset(server: Server, request: httpx.Request) -> httpx.Response:
    """Let the node act, and break the connection."""
    server.honest(request)
    raise httpx.RemoteProtocolError("Server disconnected", request=request)


def html(server: Server, request: httpx.Request) -> httpx.Response:
    """Answer with a page."""
    return httpx.Response(200, content=b"<html>Sign in</html>")


def truncated(server: Server, request: httpx.Request) -> httpx.Response:
    """Cut the answer off."""
    return httpx.Response(200, content=server.honest(request).content[:-7])


def wrong_id(server: Server, request: httpx.Request) -> httpx.Response:
    """Answer another request."""
    answer = json.loads(server.honest(request).content)
    return httpx.Response(200, content=json.dumps(answer | {"id": answer["id"] + 1}).encode())


FAULTS: dict[str, Fault] = {
    "429": http_status(429),
    "503": http_status(503, b"<html>down</html>"),
    "401": http_status(401, f"no such key {CANARY}".encode()),
    "timeout": timeout,
    "reset": reset,
    "HTML": html,
    "nothing": http_status(200),
    "truncated": truncated,
    "wrong id": wrong_id,
    "null": answering(None),
    "a number": answering(12),
    "decimal text": answering("12"),
    "an empty quantity": answering("0x"),
    "rate limit": lambda server, request: httpx.Response(
        200, content=b'{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"limit"}}'.replace(
            b'"id":1', b'"id":%d' % json.loads(request.content)["id"])
    ),
}  # fmt: skip
"""Ways in which a node fails to answer a question that has a number for its answer."""
