"""Where tokens are exchanged, pure; the one list of the venues that defilev knows."""

from __future__ import annotations

from defilev.model.book import AddressBook
from defilev.venues.contract import Order, Quote, Route, Venue
from defilev.venues.uniswap_v3 import UniswapV3

__all__ = ["Order", "Quote", "Route", "Venue", "venue_of"]


def venue_of(book: AddressBook) -> Venue | None:
    """Return the venue that `book` names, or `None` when it names none."""
    return UniswapV3(book.uniswap_v3) if book.uniswap_v3 is not None else None
