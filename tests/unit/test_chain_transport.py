"""The HTTP transport: what goes wrong is named, and no secret is shown."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from defilev.chain.redaction import redact_url, redact_urls
from defilev.chain.transport import HttpTransport
from defilev.errors import ConfigurationError, RpcError, RpcMalformed, RpcRejected, RpcTimeout, RpcUnreachable

URL = "https://user:secret@node.example/v2/apikey?key=secret"
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
