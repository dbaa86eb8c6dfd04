"""GMX's ticker as a second source of prices beside the feeds on the chain: a file, or what GMX's API answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from defilev.chain.download import download
from defilev.errors import TickersUnusable
from defilev.model.codec import parse_json
from defilev.pipeline.session import Session
from defilev.protocols import PERPS, PerpProtocol
from defilev.protocols.gmx_v2 import GMX_V2
from defilev.protocols.gmx_v2.tickers import Tickers, parse_tickers

__all__ = ["perps_of", "read_tickers"]

_LARGEST = 4 * 1024 * 1024
"""Bytes: a hundred times what GMX's own list has."""


def perps_of(session: Session) -> Mapping[str, PerpProtocol]:
    """Return the protocols of perpetuals by name, GMX with the ticker that the settings name.

    Raises:
        TickersUnusable: see `read_tickers`.
    """
    source = session.settings.tickers
    if source is None:
        return PERPS
    tickers = read_tickers(source, at=session.block.timestamp, timeout=session.settings.timeout)
    return {**PERPS, GMX_V2.name: replace(GMX_V2, tickers=tickers)}


def read_tickers(source: str, *, at: int, timeout: float) -> Tickers:
    """Return the ticker of a file or a URL, for the Unix time `at`.

    Raises:
        TickersUnusable: it cannot be had, or is none: see `parse_tickers`.
    """
    is_url = source.startswith(("https://", "http://"))
    text = download(source, timeout=timeout, largest=_LARGEST, error=TickersUnusable) if is_url else _file(source)
    try:
        document = parse_json(text)
    except ValueError:
        raise TickersUnusable("the ticker cannot be used: it is not JSON") from None
    return parse_tickers(document, at=at)


def _file(source: str) -> bytes:
    path = Path(source).expanduser()
    try:
        with path.open("rb") as file:
            found = file.read(_LARGEST + 1)
    except OSError as error:
        raise TickersUnusable(f"the ticker file {source} cannot be read: {error.strerror}") from None
    if len(found) > _LARGEST:
        raise TickersUnusable(f"the ticker file {source} has more than {_LARGEST} bytes")
    return found
