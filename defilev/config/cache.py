"""What never changes for a revision of a market, kept between runs. A hint: whoever reads with it verifies it.

Not for anvil, whose chains come and go under one chain id and genesis.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from defilev.model.book import MarketEntry

__all__ = ["MetadataCache"]

_SCHEMA = "defilev/metadata@1"


class MetadataCache:
    """A folder of JSON files, one for each market of each chain.

    Args:
        folder: made when something is first stored.
        chain_id, genesis_hash: the chain's identity; two chains may share an id.
    """

    def __init__(self, folder: Path, *, chain_id: int, genesis_hash: str) -> None:
        self._folder = folder
        self._chain = {"chain_id": chain_id, "genesis_hash": genesis_hash.lower()}

    def load(self, market: MarketEntry) -> Mapping[str, Any] | None:
        """Return what was stored for `market`, `None` when nothing usable was."""
        try:
            document = json.loads(self._path(market).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        if not isinstance(document, dict) or document.get("key") != self._key(market):
            return None
        metadata = document.get("metadata")
        return metadata if isinstance(metadata, dict) and _digest(metadata) == document.get("digest") else None

    def store(self, market: MarketEntry, metadata: Mapping[str, Any]) -> None:
        """Write `metadata`, plain JSON data, whole or not at all; a disk that refuses costs only time next time."""
        document = {"schema": _SCHEMA, "key": self._key(market), "digest": _digest(metadata), "metadata": metadata}
        path = self._path(market)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            unfinished.write_text(json.dumps(document), encoding="utf-8")
            unfinished.replace(path)
        except OSError:
            with suppress(OSError):
                unfinished.unlink()

    def _key(self, market: MarketEntry) -> dict[str, Any]:
        entry_points = dict(sorted(market.entry_points.items()))
        return {**self._chain, "protocol": market.protocol, "market": market.market, "entry_points": entry_points}

    def _path(self, market: MarketEntry) -> Path:
        name = f"{market.protocol}.{market.market}-{_digest(self._key(market))[:16]}.json"
        return self._folder / f"chain-{self._chain['chain_id']}" / name


def _digest(document: Any) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
