"""The HTTP transport: what goes wrong is named, and no secret is shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import httpx
import pytest

from defilev.chain.redaction import redact_url, redact_urls
from defilev.chain.transport import HttpTransport
from defilev.errors import (
    ConfigurationError,
    RpcDenied,
    RpcError,
    RpcMalformed,
    RpcRejected,
    RpcTimeout,
    RpcUnreachable,
)
from tests.support.network import Clock

URL = "https://user:secret@node.example/v2/apikey?key=secret"
KEY = "0123456789abcdef-key"
SHOWN = "https://node.example/••••"


def transport(handler: Callable[[httpx.Request], httpx.Response]) -> HttpTransport:
    """Return a transport whose network is `handler`."""
    return HttpTransport(URL, timeout=3, http=httpx.MockTransport(handler))


def failing(error: Exception) -> Callable[[httpx.Request], httpx.Response]:
    """Return a network that always fails so."""

    def handler(request: httpx.Request) -> httpx.Response:
        raise error

    return handler


def answering(status: int, content: bytes) -> Callable[[httpx.Request], httpx.Response]:
    """Return a network whose server always answers so."""
    return lambda request: httpx.Response(status, content=content)


def test_a_json_answer_is_returned_as_it_is() -> None:
    """The body of a successful JSON answer arrives byte for byte, and the payload is posted as JSON."""
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=b'{"a": 1}')

    assert b'{"a": 1}' == transport(handler).send(b"{}")
    assert ("POST", b"{}", "application/json") == (seen[0].method, seen[0].content, seen[0].headers["content-type"])


@pytest.mark.parametrize(
    ("handler", "kind", "says"),
    [
        (failing(httpx.ConnectError("[Errno 111] Connection refused")), RpcUnreachable, "connection refused"),
        (failing(httpx.ConnectError("[Errno -2] Name or service not known")), RpcUnreachable, "host name"),
        (failing(httpx.RemoteProtocolError("Server disconnected")), RpcUnreachable, "closed by the other side"),
        (failing(httpx.ReadTimeout("slow")), RpcTimeout, "within 3 s"),
        (failing(httpx.ConnectTimeout("slow")), RpcTimeout, "did not answer"),
        (answering(200, b"<html><body>Sign in</body></html>"), RpcMalformed, "HTML"),
        (answering(200, b""), RpcMalformed, "nothing"),
        (answering(200, b"upstream down"), RpcMalformed, "text"),
        (answering(429, b"slow down"), RpcRejected, "HTTP 429"),
        (answering(502, b"<html>Bad Gateway</html>"), RpcRejected, "HTTP 502"),
        (answering(401, b'{"message": "invalid key apikey"}'), RpcRejected, "HTTP 401"),
        (answering(301, b""), RpcRejected, "HTTP 301"),
    ],
)
def test_each_failure_is_named_without_the_secret(
    handler: Callable[[httpx.Request], httpx.Response], kind: type[RpcError], says: str
) -> None:
    """Every way in which a node can fail to answer is one error with the node's host, and never its key."""
    with pytest.raises(kind) as caught:
        transport(handler).send(b"{}")
    assert says in caught.value.fact
    assert SHOWN in caught.value.fact
    assert caught.value.__cause__ is None
    assert "secret" not in repr((caught.value, caught.value.facts, caught.value.fix))
    assert "apikey" not in repr((caught.value, caught.value.facts, caught.value.fix))


def test_a_rejected_key_is_said_to_be_one() -> None:
    """An HTTP 401 points to the key, an HTTP 429 to the rate; the status is the error's code."""
    for status, word in ((401, "key"), (403, "key"), (404, "path"), (429, "wait")):
        with pytest.raises(RpcRejected) as caught:
            transport(answering(status, b"no")).send(b"{}")
        assert status == caught.value.facts["code"]
        assert word in caught.value.fix


def test_a_json_rpc_error_under_an_http_error_is_handed_on() -> None:
    """A provider's JSON-RPC error arrives even when its HTTP status is an error too."""
    body = b'{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"limit"}}'
    assert body == transport(answering(429, body)).send(b"{}")


def test_what_a_node_repeats_of_the_key_is_masked() -> None:
    """A body with the URL's key in it arrives without; words that are too short to be one are left alone."""
    url = f"https://node.example/v2/{KEY}?project=short&token={KEY}%2Bx"
    body = json.dumps({"message": f"{KEY} and {KEY}+x in v2 are short", "path": f"/v2/{KEY}"}).encode()
    with HttpTransport(url, http=httpx.MockTransport(answering(200, body))) as masked:
        received = masked.send(b"{}").decode()

    assert KEY not in received
    assert "v2 are short" in received


def test_a_reason_phrase_with_the_key_in_it_is_masked() -> None:
    """Nor is the key in an error when the server writes it into its status line."""

    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(403, extensions={"reason_phrase": f"no {KEY}".encode()})

    with (
        HttpTransport(f"https://node.example/{KEY}", http=httpx.MockTransport(handler)) as masked,
        pytest.raises(RpcDenied) as caught,
    ):
        masked.send(b"{}")

    assert KEY not in repr((caught.value, caught.value.facts))


def test_an_answer_that_trickles_is_cut_off_at_the_deadline() -> None:
    """A node that sends a little now and then holds nobody longer than the timeout and one pause."""
    clock = Clock()

    def trickle() -> Iterator[bytes]:
        for _ in range(1000):
            clock.sleep(2)
            yield b" "

    handler = httpx.MockTransport(lambda request: httpx.Response(200, content=trickle()))
    with (
        HttpTransport(URL, timeout=3, http=handler, clock=clock) as slow,
        pytest.raises(RpcTimeout, match="within 3 s"),
    ):
        slow.send(b"{}")

    assert 1004 == clock.now


def test_an_endless_answer_is_not_kept() -> None:
    """More than any answer has is malformed, long before it fills the memory."""
    part = b" " * (1 << 20)
    handler = httpx.MockTransport(lambda request: httpx.Response(200, content=(part for _ in range(1000))))
    with HttpTransport(URL, http=handler) as endless, pytest.raises(RpcMalformed, match="more than 64 MiB"):
        endless.send(b"{}")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (429, "transient"), (408, "transient"), (500, "transient"), (503, "transient"), (524, "transient"),
        (401, "permanent"), (403, "permanent"), (404, "permanent"), (301, "permanent"),
        (400, "refused"), (413, "refused"),
    ],
)  # fmt: skip
def test_a_status_says_what_to_do(status: int, kind: str) -> None:
    """Busy passes, denied does not, and a request that is too large or wrong is refused."""
    with pytest.raises(RpcRejected) as caught:
        transport(answering(status, b"no")).send(b"{}")

    assert kind == caught.value.kind


def test_nothing_listening_is_unreachable() -> None:
    """A real connection to a closed port fails as refused, with the address."""
    with HttpTransport("http://127.0.0.1:9", timeout=2) as closed, pytest.raises(RpcUnreachable, match="refused"):
        closed.send(b"{}")


@pytest.mark.parametrize(
    "url", ["", "node.example", "ftp://node.example", "ws://node.example", "http://", "http://[::1"]
)
def test_a_url_that_cannot_be_used_is_a_configuration_error(url: str) -> None:
    """A URL of another scheme or without a host is refused at once, without repeating it."""
    with pytest.raises(ConfigurationError, match="RPC URL"):
        HttpTransport(url)


@pytest.mark.parametrize(
    ("shown", "url"),
    [
        ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
        ("http://127.0.0.1:8545", "http://127.0.0.1:8545/"),
        ("https://node.example/••••", "https://node.example/v3/key"),
        ("https://node.example:444/••••", "https://me:pw@node.example:444"),
        ("https://node.example/••••", "https://node.example?apikey=1"),
        ("http://[::1]:8545", "http://[::1]:8545"),
    ],
)
def test_only_scheme_host_and_port_of_a_url_are_shown(shown: str, url: str) -> None:
    """Whatever a URL carries beside its host and port is hidden, alone and within a text."""
    assert shown == redact_url(url)
    assert f'error for url ("{shown}")' == redact_urls(f'error for url ("{url}")')
