"""A node on loopback HTTP that answers some methods itself and forwards the others: what a user's URL may lead to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from defilev.chain.transport import HttpTransport

__all__ = ["http_document", "http_node"]


@contextmanager
def http_node(answers: Mapping[str, Callable[[list[Any]], Any]], *, forward: str | None = None) -> Iterator[str]:
    """Serve, and yield the URL; a method that is neither answered nor forwarded is unknown to the node.

    An answer that is `bytes` is sent as it is, in place of JSON.
    """
    with _serving(_handler(answers, forward)) as url:
        yield url


@contextmanager
def http_document(path: str, text: str) -> Iterator[str]:
    """Serve one document under `path`, and yield the URL of the server; anything else is not found."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == path else 404)
            self.end_headers()
            self.wfile.write(text.encode() if self.path == path else b"")

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with _serving(Handler) as url:
        yield url


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = _Server(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Say nothing of a client that went away."""


def _handler(answers: Mapping[str, Callable[[list[Any]], Any]], forward: str | None) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            payload = self.rfile.read(int(self.headers["Content-Length"]))
            body = _answer(payload, answers, forward)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler


def _answer(payload: bytes, answers: Mapping[str, Callable[[list[Any]], Any]], forward: str | None) -> bytes:
    request = json.loads(payload)
    answer = answers.get(request["method"])
    if answer is None and forward is not None:
        transport = HttpTransport(forward)
        try:
            return transport.send(payload)
        finally:
            transport.close()
    envelope = {"jsonrpc": "2.0", "id": request["id"]}
    if answer is None:
        return json.dumps(envelope | {"error": {"code": -32601, "message": "method not found"}}).encode()
    result = answer(request["params"])
    return result if isinstance(result, bytes) else json.dumps(envelope | {"result": result}).encode()
