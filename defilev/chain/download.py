"""A document from a public address: read once, whole, in time, and not from elsewhere than was asked."""

from __future__ import annotations

from defilev.chain.redaction import is_loopback, redact_url
from defilev.errors import DataError

__all__ = ["download"]


def download(url: str, *, timeout: float, largest: int, error: type[DataError]) -> bytes:
    """Return what `url` answers to a GET.

    Args:
        url: https, or http on this machine.
        timeout: seconds for connecting and for each pause.
        largest: bytes.
        error: what is raised.

    Raises:
        DataError: as `error`: no such URL, no connection, no success (a redirect is none), or more than `largest`.
    """
    import httpx

    name = redact_url(url)
    if not url.startswith("https://") and not is_loopback(url):
        raise error(f"{name} is asked over https only: prices could be changed on their way")
    found = bytearray()
    try:
        with httpx.Client(timeout=timeout) as client, client.stream("GET", url) as answer:
            for part in answer.iter_bytes():
                found += part
                if len(found) > largest:
                    raise error(f"{name} answered with more than {largest} bytes")
    except (httpx.HTTPError, httpx.InvalidURL) as failure:
        raise error(f"{name} cannot be read: {type(failure).__name__}") from None
    if not answer.is_success:
        raise error(f"{name} answered with HTTP {answer.status_code}")
    return bytes(found)
