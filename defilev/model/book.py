"""Address books: the entry points of one chain, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from defilev.model.request import Address

__all__ = ["AddressBook", "MarketEntry", "UniswapV3Entry"]


@dataclass(frozen=True, slots=True)
class MarketEntry:
    """The entry points of one market of a protocol, by name, as `pool_addresses_provider`."""

    protocol: str
    market: str
    entry_points: Mapping[str, Address]


@dataclass(frozen=True, slots=True)
class UniswapV3Entry:
    """The three Uniswap v3 contracts that quoting and swapping need."""

    factory: Address
    quoter_v2: Address
    swap_router_02: Address


@dataclass(frozen=True, slots=True)
class AddressBook:
    """Everything that is written down about a chain; all else is resolved on chain.

    `ens_registry` and `uniswap_v3` are `None` where the chain has none that we know. `sources` names the files,
    later ones winning.
    """

    chain_id: int
    chain_name: str
    multicall3: Address
    markets: tuple[MarketEntry, ...]
    uniswap_v3: UniswapV3Entry | None = None
    ens_registry: Address | None = None
    sources: tuple[str, ...] = field(default=())
