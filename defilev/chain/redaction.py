"""Node URLs as they may be shown: a path, a query or a password in one is a secret."""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import parse_qsl, unquote, urlsplit

from defilev.errors import ConfigurationError

__all__ = ["checked_url", "is_loopback", "mask", "redact_url", "redact_urls", "secrets_of"]

_HIDDEN = "••••"
_URL = re.compile(
    r"""\b(?:https?|wss?)://(?:[^\s"'<>/?#@]*@)?(?:\[[0-9a-fA-F:.]+\]|[\w.-]*)(?::\d+)?(?:[/?#][^\s"'<>]*)?"""
)
_SHORTEST_SECRET = 16
"""Characters; what is shorter is a word in a path, or could be a part of what a node rightly answers."""
_FIX = "write --rpc-url as http://127.0.0.1:8545 or https://host/key"


def redact_url(url: str) -> str:
    """Return `scheme://host:port`, with `/••••` for whatever else the URL says."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return _HIDDEN
    shown = f"[{host}]" if ":" in host else host
    place = f"{shown}:{port}" if port else shown
    secret = parts.path.strip("/") or parts.query or parts.username or parts.password
    return f"{parts.scheme}://{place}{'/' + _HIDDEN if secret else ''}"


def redact_urls(text: str) -> str:
    """Return `text` with every URL in it redacted."""
    return _URL.sub(lambda found: redact_url(found[0]), text)


def secrets_of(url: str) -> frozenset[bytes]:
    """Return the parts of `url` that look like a key or a password, as they stand in it and decoded."""
    parts = urlsplit(url)
    words = [*parts.path.split("/"), *(value for _, value in parse_qsl(parts.query)), parts.username, parts.password]
    found = {form for word in words if word for form in (word, unquote(word))}
    return frozenset(word.encode() for word in found if len(word) >= _SHORTEST_SECRET)


def mask(body: bytes, secrets: Collection[bytes]) -> bytes:
    """Return `body` without the `secrets`, wherever a node repeats them."""
    for secret in secrets:
        if secret in body:
            body = body.replace(secret, _HIDDEN.encode())
    return body


def checked_url(url: str) -> str:
    """Return `url` without surrounding blanks.

    Raises:
        ConfigurationError: not an http or https URL with a host.
    """
    stripped = url.strip()
    try:
        parts = urlsplit(stripped)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError("the RPC URL is not an http or https URL with a host", fix=_FIX)
    return stripped


def is_loopback(url: str) -> bool:
    """Return whether `url` names this machine."""
    try:
        return urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
    except ValueError:
        return False
