"""What a person wrote into a book file: owners, markets and chains to look at, and what no chain shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from defilev.model.request import Address

__all__ = ["EVERYBODY", "BookFile", "ChainEntry", "ExchangePosition", "MarketChoice", "OptionOverlay", "Owner"]

EVERYBODY = "all"
"""The name that stands for every owner of a book; no owner may have it."""


@dataclass(frozen=True, slots=True)
class Owner:
    """An account by name; `chains` are those to look at, all of the book's when empty."""

    name: str
    address: Address
    chains: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class ChainEntry:
    """A chain by the name in its address book, and the nodes to ask; their URLs are secrets."""

    name: str
    rpc_url: tuple[str, ...] = field(repr=False)
    note: str = ""


@dataclass(frozen=True, slots=True)
class MarketChoice:
    """Markets to look at: all of `protocol` when `market` is `None`, and of every protocol when `protocol` is."""

    protocol: str | None
    market: str | None = None


@dataclass(frozen=True, slots=True)
class OptionOverlay:
    """`units` options on `asset`, negative when written; the greeks are those of one unit, as a venue states them.

    `delta` is in units of the asset, `gamma` the change of delta per quote unit of its price, `vega` in quote units per
    percentage point of volatility. `owner` is a name of the book, `None` for the book as a whole.
    """

    name: str
    asset: str
    units: Decimal
    delta: Decimal
    gamma: Decimal
    vega: Decimal
    venue: str = ""
    owner: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class ExchangePosition:
    """`size` whole tokens of `asset` on an exchange, negative when short.

    `entry` is its price in quote units when the position was opened; `None` for tokens that are simply held there.
    """

    name: str
    asset: str
    size: Decimal
    entry: Decimal | None = None
    venue: str = ""
    owner: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class BookFile:
    """One book file, checked; names are unique in each of its parts. `source` names the file."""

    owners: tuple[Owner, ...]
    chains: tuple[ChainEntry, ...] = ()
    markets: tuple[MarketChoice, ...] = ()
    options: tuple[OptionOverlay, ...] = ()
    positions: tuple[ExchangePosition, ...] = ()
    source: str = "book.toml"

    def owner(self, name: str) -> Owner | None:
        """Return the owner with that name, `None` when there is none."""
        return next((owner for owner in self.owners if owner.name == name), None)

    def chain(self, name: str) -> ChainEntry | None:
        """Return the chain with that name, `None` when there is none."""
        return next((chain for chain in self.chains if chain.name == name), None)
