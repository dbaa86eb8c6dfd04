"""A JSON-RPC proxy over HTTP that fails by rules: which method, which failure, how often, after how many calls."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any, Literal, Self, TypeAlias

from defilev.abi import keccak
from tests.chaos.lagging import lagged
from tests.chaos.upstream import Upstream, envelope, failure

__all__ = ["KINDS", "SEND", "FaultProxy", "Kind", "Rule"]

Kind: TypeAlias = Literal[
    "drop_before", "drop_after", "http", "html", "truncate", "null", "set", "wrong_id", "error", "delay", "hang", "lag",
    "blackhole", "dup",
]  # fmt: skip
"""What goes wrong.

`drop_before` and `drop_after` reset the connection before or after the node had the request. `http` answers with a
status, `html` with a page, `error` with a JSON-RPC error; none of them is forwarded. `truncate`, `null` and `set`
forward, and spoil the answer; `wrong_id` forwards, and gives the answer to the request before. `delay` forwards after
some seconds, `hang` never. `lag` answers as a replica that is some blocks behind. `blackhole` gives the hash of a
transaction that goes nowhere, `dup` forwards twice.
"""

KINDS: tuple[Kind, ...] = Kind.__args__  # type: ignore[attr-defined]
SEND = "eth_sendRawTransaction"
LONGEST_HANG = 60.0


@dataclass
class Rule:
    """The next `count` calls of `method` after `skip` ones fail; every one of them when `count` is `None`.

    With `odds` a call fails only so often.

    `method` may be `*` for all, or `reads` for all but sending. `value` is the status of `http`, the result of `set` or
    a function of the request and the true answer, code and message of `error`, seconds of `delay`, blocks of `lag`,
    what happens between the two forwardings of `dup`.
    """

    kind: Kind
    method: str = "*"
    count: int | None = 1
    skip: int = 0
    value: Any = None
    odds: float = 1.0
    hits: int = 0
    dice: Random = field(default_factory=lambda: Random(0))

    def takes(self, method: str) -> bool:
        """Count a call, and tell whether it fails."""
        if self.method not in ("*", method) and not (self.method == "reads" and method != SEND):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.count is not None and self.hits >= self.count:
            return False
        if self.odds < 1 and self.dice.random() >= self.odds:
            return False
        self.hits += 1
        return True


class Reset(Exception):
    """The connection is to be reset."""


@dataclass(frozen=True)
class Reply:
    """What is sent back over HTTP."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"


@dataclass
class FaultProxy:
    """Serves on loopback while it is entered. `calls` are the methods asked for, in order."""

    upstream: Upstream
    rules: list[Rule] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._lock = threading.Lock()
        self._previous = b""
        self._closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler(self.reply, self.upstream.hang_up))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def inject(self, *rules: Rule) -> None:
        """Replace the rules, and forget what was asked; whoever hangs is let go."""
        with self._lock:
            self.rules = list(rules)
            self.calls = []
        self._closing.set()
        self._closing = threading.Event()

    def reply(self, request: dict[str, Any]) -> Reply:
        """Answer one request; raises `Reset`."""
        method = request["method"]
        with self._lock:
            self.calls.append(method)
            rule = next((rule for rule in self.rules if rule.takes(method)), None)
        if rule is not None:
            return self._fail(rule, request)
        self._previous = self.upstream.answer(request)
        return Reply(self._previous)

    def _fail(self, rule: Rule, request: dict[str, Any]) -> Reply:
        match rule.kind:
            case "drop_before":
                raise Reset
            case "http":
                return Reply(b"<html>not now</html>", rule.value or 429, "text/html")
            case "html":
                return Reply(b"<!doctype html><html><title>502 Bad Gateway</title></html>", 200, "text/html")
            case "error":
                code, message = rule.value or (-32603, "internal error")
                return Reply(failure(request, code, message))
            case "hang":
                self._closing.wait(LONGEST_HANG)
                raise Reset
            case "blackhole":
                return Reply(envelope(request, "0x" + keccak(bytes.fromhex(request["params"][0][2:])).hex()))
            case "lag":
                return Reply(lagged(self.upstream, request, blocks=rule.value or 1))
            case _:
                return self._spoil(rule, request)

    def _spoil(self, rule: Rule, request: dict[str, Any]) -> Reply:
        """Forward, and change what comes back."""
        if rule.kind == "delay":
            time.sleep(rule.value or 1.0)
        answer = self.upstream.answer(request)
        previous, self._previous = self._previous, answer
        match rule.kind:
            case "drop_after":
                raise Reset
            case "dup":
                if rule.value is not None:
                    rule.value()
                answer = self.upstream.answer(request)
            case "truncate":
                answer = answer[: len(answer) // 2]
            case "null":
                answer = envelope(request, None)
            case "set":
                answer = envelope(request, rule.value(request, answer) if callable(rule.value) else rule.value)
            case "wrong_id":
                other = json.loads(previous or answer)
                answer = json.dumps({**other, "id": other["id"] + (other["id"] == request["id"])}).encode()
        return Reply(answer)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: Any) -> None:
        """Say nothing of a client that went away."""


def _handler(reply: Callable[[dict[str, Any]], Reply], hang_up: Callable[[], None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            payload = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                found = reply(json.loads(payload))
            except Reset:
                self._reset()
                return
            with suppress(OSError):  # the client may be gone: it was killed
                self._send(found)

        def finish(self) -> None:
            hang_up()
            with suppress(OSError):
                super().finish()

        def _send(self, found: Reply) -> None:
            self.send_response(found.status)
            self.send_header("Content-Type", found.content_type)
            self.send_header("Content-Length", str(len(found.body)))
            self.end_headers()
            self.wfile.write(found.body)

        def _reset(self) -> None:
            """Close the connection so that the other side sees a reset."""
            self.close_connection = True
            with suppress(OSError):
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler
