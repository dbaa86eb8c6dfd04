"""Bytes to a node and back over HTTP; names the node in every failure, and never the secret parts of its URL."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from defilev.chain.redaction import checked_url, mask, redact_url, secrets_of
from defilev.chain.rejection import rejection
from defilev.errors import ConfigurationError, RpcMalformed, RpcTimeout, RpcUnreachable

if TYPE_CHECKING:
    import httpx

__all__ = ["DEFAULT_TIMEOUT", "HttpTransport", "Transport"]

DEFAULT_TIMEOUT = 20.0
LARGEST_ANSWER = 64 * 1024 * 1024
"""Bytes; more than any answer that defilev asks for."""

_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Transport(Protocol):
    """Carries one request to a node and its answer back."""

    def send(self, payload: bytes) -> bytes:
        """Return the answer to `payload`; raises `RpcError` when there is none that could be JSON-RPC."""
        ...

    def close(self) -> None:
        """Let go of connections; sending again opens new ones or fails."""
        ...


class HttpTransport:
    """One kept HTTP connection to a node; not for use by several threads at once.

    Args:
        url: the node's; only its scheme and host are ever shown, and what a node repeats of the rest is masked.
        timeout: seconds for connecting, for each pause, and for a whole answer, which is cut off at its next byte.
        http: replaces the network, as `httpx.MockTransport` does.
        clock: must never go back.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        http: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = checked_url(url)
        self._timeout = timeout
        self._clock = clock
        self._secrets = secrets_of(self._url)
        self._client = _client(self._url, timeout, http)
        self.name = redact_url(self._url)

    def send(self, payload: bytes) -> bytes:
        """Return the body of the answer to `payload`.

        Raises:
            RpcUnreachable: no connection, or it broke; the node may have acted on the request all the same.
            RpcTimeout: no answer in time; the node may have acted on the request all the same.
            RpcRejected: an HTTP status that is not a success; `code` is the status.
            RpcMalformed: HTML or another content that is not JSON, or more of it than anything asked for has.
        """
        import httpx

        deadline = self._clock() + self._timeout
        try:
            with self._client.stream("POST", self._url, content=payload) as answer:
                body = self._received(answer, deadline)
        except httpx.TimeoutException:
            raise self._late() from None
        except httpx.ConnectError as error:
            raise RpcUnreachable(f"no connection to {self.name}: {_cause(error)}") from None
        except httpx.DecodingError:
            raise RpcMalformed(f"{self.name} answered with a body that cannot be unpacked") from None
        except httpx.TransportError as error:
            raise RpcUnreachable(f"the connection to {self.name} broke: {_cause(error)}") from None
        return self._body(answer, body)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _received(self, answer: httpx.Response, deadline: float) -> bytes:
        body = bytearray()
        for part in answer.iter_bytes():
            body += part
            if self._clock() > deadline:
                raise self._late()
            if len(body) > LARGEST_ANSWER:
                raise RpcMalformed(f"{self.name} answered with more than {LARGEST_ANSWER >> 20} MiB")
        return mask(bytes(body), self._secrets)

    def _late(self) -> RpcTimeout:
        return RpcTimeout(f"{self.name} did not answer within {self._timeout:g} s")

    def _body(self, answer: httpx.Response, body: bytes) -> bytes:
        is_json = body.lstrip()[:1] in (b"{", b"[")
        if answer.is_success and is_json:
            return body
        if is_json and b'"jsonrpc"' in body:
            return body  # several providers send a JSON-RPC error with an HTTP status that says so too
        if answer.is_success:
            raise RpcMalformed(f"{self.name} answered with {_kind(body)}, not JSON")
        reason = mask(answer.reason_phrase.encode(), self._secrets).decode()
        status = f"HTTP {answer.status_code} {reason}".strip()
        raise rejection(f"{self.name} answered with {status}", code=answer.status_code, message=status)


def _client(url: str, timeout: float, http: httpx.BaseTransport | None) -> httpx.Client:
    import ssl

    import httpx

    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        raise ConfigurationError("the RPC URL has characters that no URL may have", fix="copy it again") from None
    # Without TLS the certificates of the world need not be loaded; this context trusts nobody.
    verify = True if parts.scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    use_proxies = parts.host not in _LOOPBACK
    return httpx.Client(headers=_HEADERS, timeout=timeout, transport=http, verify=verify, trust_env=use_proxies)


def _cause(error: Exception) -> str:
    text = str(error).lower()
    if "refused" in text:
        return "connection refused"
    if any(sign in text for sign in ("name or service", "name resolution", "nodename", "getaddrinfo")):
        return "its host name is not known"
    if "certificate" in text or "ssl" in text:
        return "its TLS certificate was not accepted"
    if "disconnected" in text or "reset" in text:
        return "closed by the other side"
    return type(error).__name__


def _kind(body: bytes) -> str:
    if not body.strip():
        return "nothing"
    return "HTML" if body.lstrip()[:1] == b"<" else "text"
