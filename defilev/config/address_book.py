"""Address books: the shipped one of a chain, with the user's files laid over it. Asks no node whether it is true."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, NoReturn

from defilev.abi import parse_address
from defilev.abi.address import ZERO_ADDRESS
from defilev.errors import ConfigurationError, InvalidAddress, UnknownName
from defilev.model.book import AddressBook, MarketEntry, UniswapV3Entry
from defilev.model.request import Address

__all__ = ["known_chains", "load_address_book"]

_REQUIRED = {
    "aave-v3": ("pool_addresses_provider",),
    "sparklend": ("pool_addresses_provider",),
    "morpho-blue": ("morpho",),
    "compound-v3": ("comet",),
    "perp-curie": ("clearing_house",),
    "gmx-v2": ("data_store", "reader", "referral_storage"),
}
"""The entry points without which a market of the protocol cannot be read; other protocols' are theirs to check."""
_ISOLATED = frozenset({"morpho-blue"})
"""Protocols whose entries are deployments of many isolated markets, named by ids of 32 bytes."""
_MARKET_ID = re.compile(r"0x[0-9a-f]{64}")
_UNISWAP = "uniswap-v3"
_UNISWAP_KEYS = ("factory", "quoter_v2", "swap_router_02")
_CHAIN_ADDRESSES = ("multicall3", "ens_registry", "sequencer_uptime_feed")
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class _Book:
    """One file, parsed and checked; `chain` holds the addresses of `[chain]`, `venue` those of Uniswap, if any."""

    source: str
    chain_id: int
    chain_name: str
    chain: Mapping[str, Address]
    venue: Mapping[str, Address]
    markets: Mapping[tuple[str, str], MarketEntry]


def load_address_book(chain: str | int | None, *, extra: Sequence[Path] = ()) -> AddressBook:
    """Return the book of a chain: the shipped file, then those of `extra` that are for it, later ones winning.

    A market's table replaces the whole table of that market in an earlier file; `[chain]` is merged by key.

    Args:
        chain: a name, an id, or `None` for the one chain that the `extra` files are for.

    Raises:
        ConfigurationError: a file is unreadable, or has an unknown section, a missing key or an invalid address.
        UnknownName: no book is for that chain.
    """
    own = [_read(path, str(path)) for path in extra]
    known = [*_shipped(), *own]
    chain_id = _chain_id(chain, known) if chain is not None else _only_chain(own)
    books = [book for book in known if book.chain_id == chain_id]
    if not books:
        _refuse_chain(f"chain {chain_id}", None, known)
    return _merged(books)


def known_chains(extra: Sequence[Path] = ()) -> Mapping[str, int]:
    """Return the chains that there are books for, id by name."""
    books = [*_shipped(), *(_read(path, str(path)) for path in extra)]
    return {book.chain_name: book.chain_id for book in books}


def _shipped() -> Iterator[_Book]:
    folder = files("defilev.config") / "addresses"
    for file in sorted(folder.iterdir(), key=lambda item: item.name):
        if file.name.endswith(".toml"):
            yield _read(file, f"shipped {file.name}")


def _only_chain(own: Sequence[_Book]) -> int:
    chains = {book.chain_id for book in own}
    if len(chains) != 1:
        raise UnknownName("no chain was named", fix="give --chain NAME, --rpc-url URL, or one --address-book FILE")
    return chains.pop()


def _chain_id(chain: str | int, books: Sequence[_Book]) -> int:
    """Return the id that `chain` is or names; the last book of that name decides."""
    if isinstance(chain, int) or (chain.isascii() and chain.isdigit()):
        return int(chain)
    named = [book.chain_id for book in books if book.chain_name == chain]
    if not named:
        _refuse_chain(f"a chain called {chain!r}", chain, books)
    return named[-1]


def _refuse_chain(what: str, name: str | None, books: Sequence[_Book]) -> NoReturn:
    names = list(dict.fromkeys(book.chain_name for book in books))
    meant = get_close_matches(name, names, 1, 0.6) if name else []
    raise UnknownName(
        f"no address book is for {what}",
        fix=f"did you mean {meant[0]}?" if meant else "give its book with --address-book FILE, or another --chain",
        known=", ".join(names),
    )


def _merged(books: Sequence[_Book]) -> AddressBook:
    chain: dict[str, Address] = {}
    venue: Mapping[str, Address] = {}
    markets: dict[tuple[str, str], MarketEntry] = {}
    for book in books:
        chain |= book.chain
        venue = book.venue or venue
        markets |= book.markets
    if "multicall3" not in chain:
        raise ConfigurationError(
            f"{books[-1].source}: [chain] has no multicall3", fix='add multicall3 = "0x…" to [chain]'
        )
    _require_distinct(books[-1].source, markets.values())
    return AddressBook(
        chain_id=books[-1].chain_id,
        chain_name=books[-1].chain_name,
        multicall3=chain["multicall3"],
        markets=tuple(markets.values()),
        uniswap_v3=UniswapV3Entry(**venue) if venue else None,
        ens_registry=chain.get("ens_registry"),
        sequencer_uptime_feed=chain.get("sequencer_uptime_feed"),
        sources=tuple(book.source for book in books),
    )


def _require_distinct(source: str, markets: Iterable[MarketEntry]) -> None:
    """Two names for one market would count what is in it twice, and read one protocol's contracts as another's."""
    named: dict[tuple[tuple[str, Address], ...], str] = {}
    for entry in (each for each in markets if each.entry_points):
        place = f"[{entry.protocol}.{entry.market}]"
        first = named.setdefault(tuple(sorted(entry.entry_points.items())), place)
        if first != place:
            address = next(iter(entry.entry_points.values()))
            _refuse(source, f"{first} and {place} are one market, {address}", "leave one out, or correct its address")


def _read(file: Path | Traversable, source: str) -> _Book:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(
            f"address book {source} cannot be read: {reason}", fix="check --address-book, or DEFILEV_ADDRESS_BOOK"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"address book {source} is not TOML: {error}", fix=f"correct {source}") from None
    chain = document.pop("chain", None)
    if not isinstance(chain, dict):
        _refuse(source, "has no [chain] section", 'begin the file with [chain], id = 31337 and name = "local"')
    venue = _venue(source, document.pop(_UNISWAP)) if _UNISWAP in document else {}
    found = [entry for section, table in document.items() for entry in _markets(source, section, table)]
    chain_id, name = _identity(source, chain)
    addresses = {key: _address(source, f"[chain] {key}", chain[key]) for key in _CHAIN_ADDRESSES if key in chain}
    return _Book(source, chain_id, name, addresses, venue, {(entry.protocol, entry.market): entry for entry in found})


def _identity(source: str, chain: Mapping[str, Any]) -> tuple[int, str]:
    chain_id, name = chain.get("id"), chain.get("name")
    if not isinstance(chain_id, int) or isinstance(chain_id, bool) or chain_id <= 0:
        _refuse(source, "[chain] has no id that is a positive integer", "add id = 31337 to [chain]")
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name.isdigit():
        _refuse(source, "[chain] has no name of small letters, digits and dashes", 'add name = "local" to [chain]')
    if unknown := sorted(chain.keys() - {"id", "name", *_CHAIN_ADDRESSES}):
        _refuse_key(source, "[chain]", unknown[0], ("id", "name", *_CHAIN_ADDRESSES))
    return chain_id, name


def _venue(source: str, table: Any) -> Mapping[str, Address]:
    if not isinstance(table, dict):
        _refuse(source, f"{_UNISWAP} is no section of an address book", f"write [{_UNISWAP}] above its contracts")
    for key in table.keys() - set(_UNISWAP_KEYS):
        _refuse_key(source, f"[{_UNISWAP}]", key, _UNISWAP_KEYS)
    return _addresses(source, f"[{_UNISWAP}]", table, _UNISWAP_KEYS)


def _markets(source: str, section: str, table: Any) -> Iterator[MarketEntry]:
    if not isinstance(table, dict) or not _NAME.fullmatch(section):
        _refuse(source, f"{section} is no section of an address book", "use [chain], [PROTOCOL.MARKET] or [uniswap-v3]")
    if section not in _REQUIRED and (meant := get_close_matches(section, [*_REQUIRED, _UNISWAP, "chain"], 1, 0.75)):
        _refuse(source, f"[{section}] is no protocol", f"did you mean {meant[0]}?")
    for market, entries in table.items():
        if not isinstance(entries, dict) or not _NAME.fullmatch(market):
            _refuse(
                source, f"[{section}] has {market}, which is no market", f"write [{section}.main] above entry points"
            )
        yield _market(source, section, market, entries)


def _market(source: str, protocol: str, market: str, table: Mapping[str, Any]) -> MarketEntry:
    place, ids, first_block = f"[{protocol}.{market}]", None, 0
    rest = dict(table)
    if protocol in _ISOLATED:
        ids = _ids(source, f"{place} markets", rest.pop("markets", None))
        first_block = rest.pop("first_block", 0)
        if not isinstance(first_block, int) or isinstance(first_block, bool) or first_block < 0:
            _refuse(source, f"{place} first_block is not the number of a block", "write first_block = 18883124")
    return MarketEntry(protocol, market, _addresses(source, place, rest, _REQUIRED.get(protocol, ())), ids, first_block)


def _ids(source: str, place: str, value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    for market_id in value if isinstance(value, list) else [value]:
        if not isinstance(market_id, str) or not _MARKET_ID.fullmatch(market_id.lower()):
            _refuse(source, f"{place} has {market_id}, which is no id", 'write markets = ["0x… and 64 hex digits"]')
    return tuple(dict.fromkeys(market_id.lower() for market_id in value))


def _addresses(source: str, place: str, table: Mapping[str, Any], required: Sequence[str]) -> Mapping[str, Address]:
    """Return the addresses of a table; lists are not entry points."""
    for key in required:
        if key not in table:
            _refuse(source, f"{place} has no {key}", f'add {key} = "0x…" to {place}')
    return {
        key: _address(source, f"{place} {key}", value) for key, value in table.items() if not isinstance(value, list)
    }


def _address(source: str, place: str, value: Any) -> Address:
    if not isinstance(value, str):
        _refuse(source, f"{place} is not an address", f'write {place.rpartition(" ")[2]} = "0x…"')
    try:
        address = parse_address(value)
    except InvalidAddress as error:
        _refuse(source, f"{place}: {error.fact}", error.fix)
    if address == ZERO_ADDRESS:
        _refuse(source, f"{place} is the zero address", "leave out what the chain does not have")
    return address


def _refuse_key(source: str, place: str, key: str, known: Sequence[str]) -> NoReturn:
    meant = get_close_matches(key, known, 1, 0.6)
    fix = f"did you mean {meant[0]}?" if meant else f"{place} may have {', '.join(known)}"
    _refuse(source, f"{place} has an unknown key {key}", fix)


def _refuse(source: str, what: str, fix: str) -> NoReturn:
    raise ConfigurationError(f"address book {source}: {what}", fix=fix)
