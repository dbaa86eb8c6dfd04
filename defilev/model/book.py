"""Address books: the entry points of one chain, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from defilev.model.request import Address

__all__ = ["AddressBook", "MarketEntry", "UniswapV3Entry"]


@dataclass(frozen=True, slots=True)
class MarketEntry:
    """The entry points of one market of a protocol, by name, as `pool_addresses_provider`.

    Where one deployment holds many isolated markets, the address book's entry is the deployment: `ids` are the markets
    to look at, `None` when they are to be found from logs, which begin at `first_block`. Each of them becomes an entry
    of its own, with the id as its `market` and the name of the address book's entry as its `deployment`, else empty.
    """

    protocol: str
    market: str
    entry_points: Mapping[str, Address]
    ids: tuple[str, ...] | None = None
    first_block: int = 0
    deployment: str = ""

    def isolated(self, market_id: str) -> MarketEntry:
        """Return the entry of one isolated market of this deployment."""
        return MarketEntry(self.protocol, market_id, self.entry_points, deployment=self.market)


@dataclass(frozen=True, slots=True)
class UniswapV3Entry:
    """The three Uniswap v3 contracts that quoting and swapping need."""

    factory: Address
    quoter_v2: Address
    swap_router_02: Address


@dataclass(frozen=True, slots=True)
class AddressBook:
    """Everything that is written down about a chain; all else is resolved on chain.

    `ens_registry`, `uniswap_v3` and `sequencer_uptime_feed` (of a rollup) are `None` where the chain has none that we
    know. `sources` names the files, later ones winning.
    """

    chain_id: int
    chain_name: str
    multicall3: Address
    markets: tuple[MarketEntry, ...]
    uniswap_v3: UniswapV3Entry | None = None
    ens_registry: Address | None = None
    sequencer_uptime_feed: Address | None = None
    sources: tuple[str, ...] = field(default=())
