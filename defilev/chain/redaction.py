"""Node URLs as they may be shown: a path, a query or a password in one is a secret."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from defilev.errors import ConfigurationError

__all__ = ["checked_url", "is_loopback", "redact_url", "redact_urls"]

_HIDDEN = "••••"
_URL = re.compile(
    r"""\b(?:https?|wss?)://(?:[^\s"'<>/?#@]*@)?(?:\[[0-9a-fA-F:.]+\]|[\w.-]*)(?::\d+)?(?:[/?#][^\s"'<>]*)?"""
)
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
