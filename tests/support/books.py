"""Book files for the local chain."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.support.world import World

__all__ = ["OVERLAYS", "write_book"]

OVERLAYS = """
[options.eth-put]
asset = "ETH"
units = 10
delta = -0.31
gamma = 0.0004
vega = 3.2
venue = "Deribit"
owner = "mixed"

[positions.hedge]
asset = "WETH"
size = -5
entry = 3150
venue = "Binance"
"""


def write_book(
    path: Path, world: World, *names: str, chains: Mapping[str, str] | None = None, more: str = "", head: str = ""
) -> Path:
    """Write a book whose owners are accounts of the local chain, under their names there.

    Args:
        path: where to.
        world: the chain.
        names: which accounts.
        chains: URLs of nodes by chain.
        more: further lines, at the end.
        head: lines at the beginning.
    """
    nodes = "".join(f'[chains.{name}]\nrpc_url = "{url}"\n' for name, url in (chains or {}).items())
    owners = "".join(f'[owners.{name}]\naddress = "{world.account(name)}"\n' for name in names)
    path.write_text(f"{head}\n{nodes}{owners}{more}")
    return path
