"""A transport that misbehaves on purpose between defilev and a real node."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeAlias

from defilev.chain.rpc import Rpc
from defilev.chain.transport import HttpTransport
from defilev.errors import RpcUnreachable

__all__ = [
    "Fault",
    "FaultyTransport",
    "answered",
    "dropped_after",
    "forwarded_twice",
    "refused",
    "swallowed",
    "unreachable",
]

Forward: TypeAlias = Callable[[], bytes]
Fault: TypeAlias = Callable[[dict[str, Any], Forward], bytes]
"""Answers a request itself, or forwards it, once or more often, and changes what comes back."""


class FaultyTransport:
    """Forwards to a node; each method may be given a fault. Counts what was asked for."""

    def __init__(self, url: str, **faults: Fault) -> None:
        self._inner = HttpTransport(url, timeout=30)
        self.faults = dict(faults)
        self.asked: list[str] = []

    def send(self, payload: bytes) -> bytes:
        """Answer one request."""
        request = json.loads(payload)
        self.asked.append(request["method"])
        fault = self.faults.get(request["method"])
        if fault is None:
            return self._inner.send(payload)
        return fault(request, lambda: self._inner.send(payload))

    def close(self) -> None:
        """Close the connection."""
        self._inner.close()

    def rpc(self) -> Rpc:
        """Return requests over this transport that never pause."""
        return Rpc(self, sleep=lambda seconds: None)


def answered(result: Any) -> Fault:
    """Answer with `result`, whatever the node would say."""
    return lambda request, forward: json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode()


def refused(code: int, message: str) -> Fault:
    """Answer with a JSON-RPC error, and forward nothing."""
    return lambda request, forward: json.dumps(
        {"jsonrpc": "2.0", "id": request["id"], "error": {"code": code, "message": message}}
    ).encode()


def dropped_after(request: dict[str, Any], forward: Forward) -> bytes:
    """Let the node act, and lose its answer."""
    forward()
    raise RpcUnreachable("the connection broke")


def unreachable(request: dict[str, Any], forward: Forward) -> bytes:
    """Forward nothing, and answer nothing."""
    raise RpcUnreachable("no connection")


def forwarded_twice(request: dict[str, Any], forward: Forward) -> bytes:
    """Forward twice, as a load balancer may, and return the second answer."""
    forward()
    return forward()


def swallowed(request: dict[str, Any], forward: Forward) -> bytes:
    """Answer as if the node had taken the transaction, and forward nothing."""
    from defilev.abi import keccak

    taken = "0x" + keccak(bytes.fromhex(request["params"][0][2:])).hex()
    return answered(taken)(request, forward)
