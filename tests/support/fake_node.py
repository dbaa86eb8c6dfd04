"""A node that answers from functions: the transport is fake, everything above it is real."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from defilev.chain.rpc import Rpc
from defilev.chain.transport import Transport

__all__ = ["FakeNode", "NodeError", "ScriptedTransport", "pinned", "rpc_over"]

Answer = Callable[..., Any]


class NodeError(Exception):
    """A JSON-RPC error that the fake node answers with."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message} | ({} if data is None else {"data": data})


class FakeNode:
    """Answers each method with a function of its parameters, and remembers what it was asked."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self.answers = dict(answers)
        self.asked: list[tuple[str, list[Any]]] = []

    def send(self, payload: bytes) -> bytes:
        request = json.loads(payload)
        method, params = request["method"], request["params"]
        self.asked.append((method, params))
        envelope = {"jsonrpc": "2.0", "id": request["id"]}
        try:
            return json.dumps(envelope | {"result": self.answers[method](*params)}).encode()
        except NodeError as failure:
            return json.dumps(envelope | {"error": failure.error}).encode()

    def close(self) -> None:
        """Nothing is open."""


class ScriptedTransport:
    """Gives the next of some answers, or raises it."""

    def __init__(self, *script: bytes | Exception) -> None:
        self.script = list(script)
        self.sent: list[bytes] = []

    def send(self, payload: bytes) -> bytes:
        self.sent.append(payload)
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    def close(self) -> None:
        """Nothing is open."""


def rpc_over(transport: Transport) -> Rpc:
    """Return an `Rpc` that does not wait between repeats."""
    return Rpc(transport, sleep=lambda _: None)


def pinned(block_hash: str) -> dict[str, Any]:
    """Return how a request names the block that it is pinned to (EIP-1898)."""
    return {"blockHash": block_hash, "requireCanonical": True}
