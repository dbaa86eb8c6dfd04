"""Book files: what a person holds, in TOML. Asks no node whether any of it exists."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from platformdirs import user_config_path

from defilev.abi import parse_address
from defilev.config.book_tables import Table, refuse, tables
from defilev.config.secrets import refuse_private_key
from defilev.config.settings import Settings
from defilev.errors import ConfigurationError, InvalidAddress
from defilev.model.book_file import (
    EVERYBODY,
    BookFile,
    ChainEntry,
    ExchangePosition,
    MarketChoice,
    OptionOverlay,
    Owner,
)
from defilev.model.request import Address

__all__ = ["book_in_use", "load_book_file", "user_book_file"]

_MARKET = re.compile(r"([a-z0-9]+(?:-[a-z0-9]+)*)(?:/([a-z0-9]+(?:-[a-z0-9]+)*))?")
_URL = re.compile(r"https?://[^/\s]")
_TWICE = re.compile(r"Cannot declare \((.+)\) twice")


def user_book_file() -> Path:
    """Return where a person's own book is looked for when the setting `book` names none."""
    return user_config_path("defilev") / "book.toml"


def book_in_use(settings: Settings) -> BookFile | None:
    """Return the book that the settings name, else the person's own; `None` when there is neither.

    Raises as `load_book_file` does; a book that is named and absent is unreadable.
    """
    if settings.book is not None:
        return load_book_file(settings.book)
    return load_book_file(user_book_file()) if user_book_file().is_file() else None


def load_book_file(path: Path) -> BookFile:
    """Return the book in a file.

    Raises:
        ConfigurationError: it is unreadable, has an unknown key, a name twice or one that cannot be, or a wrong value.
        InvalidAddress: an owner's address is none, or has a wrong checksum.
        KeyFailure: it holds a private key.
    """
    source = str(path)
    document = _document(path, source)
    _refuse_keys(document, source)
    root = Table(source, "the file", document)
    root.require_keys("markets", "owners", "chains", "options", "positions")
    chains = tuple(_chain(table) for table in tables(root, "chains"))
    owners = tuple(_owner(table, [chain.name for chain in chains]) for table in tables(root, "owners"))
    if not owners:
        refuse(source, "names no owner", 'write [owners.main] and below it address = "0x…"')
    _require_each_once(owners, source)
    names = [owner.name for owner in owners]
    options = tuple(_option(table, names) for table in tables(root, "options"))
    positions = tuple(_position(table, names) for table in tables(root, "positions"))
    if shared := {option.name for option in options} & {position.name for position in positions}:
        refuse(source, f"an option and a position are both called {min(shared)}", "give each a name of its own")
    return BookFile(owners, chains, _markets(root), options, positions, source)


def _document(path: Path, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(
            f"book {source} cannot be read: {reason}", fix="check --book, or DEFILEV_BOOK"
        ) from None
    except tomllib.TOMLDecodeError as error:
        if twice := _TWICE.search(str(error)):
            name = ".".join(re.findall(r"'([^']*)'", twice[1]))
            refuse(source, f"[{name}] is there twice", "give each a name of its own")
        raise ConfigurationError(f"book {source} is not TOML: {error}", fix=f"correct {source}") from None


def _refuse_keys(value: Any, source: str, name: str = "") -> None:
    """Refuse private keys wherever they stand."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            _refuse_keys(item, source, key)
    elif isinstance(value, list):
        for item in value:
            _refuse_keys(item, source, name)
    else:
        refuse_private_key(name, value, where=source)


def _owner(table: Table, chains: Sequence[str]) -> Owner:
    table.require_keys("address", "chains", "note")
    if table.name == EVERYBODY:
        table.refuse(f"{EVERYBODY} means every owner and cannot be the name of one", "choose another name")
    listed = table.words("chains")
    for chain in listed:
        table.require_known("chains", chain, chains, what="chain of this book", add=f"add [chains.{chain}]")
    return Owner(table.name, _address(table), listed, table.text("note"))


def _address(table: Table) -> Address:
    try:
        return parse_address(table.text("address", is_required=True))
    except InvalidAddress as error:
        raise InvalidAddress(
            f"book {table.source}: {table.place} address: {error.fact}", fix=error.fix, **error.facts
        ) from None


def _require_each_once(owners: Sequence[Owner], source: str) -> None:
    by_address: dict[Address, str] = {}
    for owner in owners:
        if first := by_address.get(owner.address):
            refuse(
                source,
                f"{first} and {owner.name} are one account, {owner.address}",
                f"leave out [owners.{owner.name}]: what an account holds must not count twice",
            )
        by_address[owner.address] = owner.name


def _chain(table: Table) -> ChainEntry:
    table.require_keys("rpc_url", "note")
    urls = table.words("rpc_url") if table.is_list("rpc_url") else (table.text("rpc_url", is_required=True),)
    if not urls or not all(_URL.match(url) for url in urls):
        table.refuse("rpc_url is not an http or https URL with a host", 'write rpc_url = "https://HOST/KEY"')
    return ChainEntry(table.name, urls, table.text("note"))


def _markets(root: Table) -> tuple[MarketChoice, ...]:
    choices = []
    for written in root.words("markets"):
        found = _MARKET.fullmatch(written)
        if found is None:
            root.refuse(
                f"markets has {written!r}, which is no market", 'write markets = ["aave-v3", "morpho-blue/main"]'
            )
        choices.append(MarketChoice(found[1], found[2]))
    return tuple(choices)


def _option(table: Table, owners: Sequence[str]) -> OptionOverlay:
    table.require_keys("asset", "units", "delta", "gamma", "vega", "venue", "owner", "note")
    return OptionOverlay(
        name=table.name,
        asset=table.text("asset", is_required=True),
        units=table.number("units"),
        delta=table.number("delta"),
        gamma=table.number("gamma"),
        vega=table.number("vega"),
        venue=table.text("venue"),
        owner=_owner_of(table, owners),
        note=table.text("note"),
    )


def _position(table: Table, owners: Sequence[str]) -> ExchangePosition:
    table.require_keys("asset", "size", "entry", "venue", "owner", "note")
    entry = table.number("entry") if table.has("entry") else None
    if entry is not None and entry <= 0:
        table.refuse(f"entry is {entry}, and a price is above zero", "leave entry out for tokens simply held there")
    return ExchangePosition(
        name=table.name,
        asset=table.text("asset", is_required=True),
        size=table.number("size"),
        entry=entry,
        venue=table.text("venue"),
        owner=_owner_of(table, owners),
        note=table.text("note"),
    )


def _owner_of(table: Table, owners: Sequence[str]) -> str | None:
    if not table.has("owner"):
        return None
    owner = table.text("owner")
    table.require_known("owner", owner, owners, what="owner of this book", add=f"add [owners.{owner}]")
    return owner
