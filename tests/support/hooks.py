"""A web server on loopback that keeps what it is sent, and answers as it is told: what a webhook's URL may lead to."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

__all__ = ["Hook", "hook"]


@dataclass
class Hook:
    """A running server; `status` and `delay` in seconds say how it answers."""

    url: str = ""
    status: int = 200
    delay: float = 0.0
    location: str = ""
    received: list[tuple[str, str, bytes]] = field(default_factory=list)

    @property
    def documents(self) -> list[dict[str, Any]]:
        """What was posted."""
        return [json.loads(body) for method, _, body in self.received if method == "POST"]

    @property
    def pings(self) -> int:
        """How often it was only asked for."""
        return sum(method == "GET" for method, _, _ in self.received)


@contextmanager
def hook() -> Iterator[Hook]:
    """Serve until the block ends."""
    kept = Hook()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(kept))
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    kept.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(kept: Hook) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self._take()

        def do_GET(self) -> None:
            self._take()

        def _take(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            kept.received.append((self.command, self.path, body))
            time.sleep(kept.delay)
            self.send_response(kept.status)
            if kept.location:
                self.send_header("Location", kept.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler
