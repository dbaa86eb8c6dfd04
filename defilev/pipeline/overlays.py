"""What no chain shows, priced with what the chains do: the options and exchange positions of a book file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import TypeAlias

from defilev.errors import UnknownName
from defilev.model.account import LendingAccount
from defilev.model.book_file import BookFile, ExchangePosition, OptionOverlay
from defilev.model.exposure import Driver, plain_symbol
from defilev.model.token import Token
from defilev.pipeline.dollars import is_in_dollars, oracle_price
from defilev.pipeline.drivers import drivers_in
from defilev.pipeline.everywhere import Reading
from defilev.pipeline.people import Person
from defilev.protocols import PROTOCOLS

__all__ = ["Overlay", "Priced", "overlays_of", "priced"]

Overlay: TypeAlias = OptionOverlay | ExchangePosition


@dataclass(frozen=True, slots=True)
class Priced:
    """An overlay, the price of its asset in dollars, and the driver that it moves with; `source` is the market."""

    overlay: Overlay
    price: Decimal
    driver: Driver
    source: str


def overlays_of(book: BookFile, asked: Sequence[Person]) -> tuple[Overlay, ...]:
    """Return the overlays of those asked for by name, and those of the whole book when it was asked for whole."""
    names = {person.name for person in asked}
    is_whole = all(owner.name in names for owner in book.owners)
    found: tuple[Overlay, ...] = (*book.options, *book.positions)
    return tuple(each for each in found if each.owner in names or (each.owner is None and is_whole))


def priced(overlay: Overlay, readings: Sequence[Reading]) -> Priced:
    """Return `overlay` at the price of the first market in dollars that lists its asset; ETH stands for WETH too.

    Raises:
        UnknownName: none does.
    """
    listed = [(reading, account, token) for reading in readings for account, token in _listed(reading)]
    symbol = overlay.asset.casefold()
    found = [each for each in listed if each[2].symbol.casefold() == symbol]
    found += [each for each in listed if plain_symbol(each[2].symbol) == plain_symbol(overlay.asset)]
    for reading, account, token in found:
        price = oracle_price(account, token.address)
        if price:
            source = f"{account.protocol} {account.market}"
            return Priced(overlay, price, drivers_in(reading).of(token, price=price), source)
    raise _unlisted(overlay, {token.symbol for _, _, token in listed})


def _listed(reading: Reading) -> Iterator[tuple[LendingAccount, Token]]:
    """Yield the tokens of each market in dollars once."""
    markets: dict[tuple[str, str], LendingAccount] = {}
    for account in reading.accounts:
        if is_in_dollars(account):
            markets.setdefault((account.protocol, account.market), account)
    for account in markets.values():
        for token in PROTOCOLS[account.protocol].tokens(account):
            yield account, token


def _unlisted(overlay: Overlay, symbols: set[str]) -> UnknownName:
    meant = get_close_matches(overlay.asset, symbols, 1, 0.6)
    return UnknownName(
        f"no market read has a dollar price for the asset {overlay.asset!r} of the overlay {overlay.name}",
        fix=f"did you mean {meant[0]}?" if meant else "name an asset of a market that was read",
        known=", ".join(sorted(symbols)),
    )
