"""What a proxy has behind it: something that answers JSON-RPC requests, in the end a node over HTTP."""

from __future__ import annotations

import http.client
import json
import threading
from typing import Any, Protocol
from urllib.parse import urlsplit

__all__ = ["Anvil", "NodeError", "Upstream", "envelope", "failure"]

PATIENCE = 30.0


class Upstream(Protocol):
    """Answers requests; for several threads at once."""

    def answer(self, request: dict[str, Any]) -> bytes:
        """Return the whole JSON-RPC response to `request`."""
        ...

    def hang_up(self) -> None:
        """Close what the calling thread has open."""
        ...


class NodeError(AssertionError):
    """The node refused something that the harness asked of it."""


class Anvil:
    """A node over HTTP, one kept connection per thread."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._place = (parts.hostname or "127.0.0.1", parts.port or 8545)
        self._own = threading.local()
        self.url = url

    def answer(self, request: dict[str, Any]) -> bytes:
        """Return the node's response as it came; asked once more over a new connection when the kept one was closed."""
        body = json.dumps(request, separators=(",", ":")).encode()
        try:
            return self._post(body)
        except (http.client.RemoteDisconnected, ConnectionError):
            self.hang_up()
            return self._post(body)

    def rpc(self, method: str, *params: Any) -> Any:
        """Return a method's result; raises `NodeError` when the node refuses."""
        answer = json.loads(self.answer({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}))
        if "error" in answer:
            raise NodeError(f"{method}: {answer['error']}")
        return answer["result"]

    def hang_up(self) -> None:
        """Close this thread's connection."""
        connection = self._own.__dict__.pop("connection", None)
        if connection is not None:
            connection.close()

    def _post(self, body: bytes) -> bytes:
        connection = self._own.__dict__.get("connection")
        if connection is None:
            connection = self._own.connection = http.client.HTTPConnection(*self._place, timeout=PATIENCE)
        connection.request("POST", "/", body, {"Content-Type": "application/json"})
        answer: bytes = connection.getresponse().read()
        return answer


def envelope(request: dict[str, Any], result: Any) -> bytes:
    """Return the response with this result."""
    return json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode()


def failure(request: dict[str, Any], code: int, message: str) -> bytes:
    """Return the response with this error."""
    error = {"code": code, "message": message}
    return json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": error}).encode()
