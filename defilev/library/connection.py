"""A connection to one chain at one block: where everything begins."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

from defilev.chain.node import At
from defilev.config.book_file import book_in_use, load_book_file
from defilev.config.loading import load_settings
from defilev.errors import UnknownName
from defilev.library.account import Account
from defilev.library.book import Book
from defilev.library.perp import Perp
from defilev.model.book_file import EVERYBODY
from defilev.model.request import Block
from defilev.pipeline.everywhere import Chains, read_chains
from defilev.pipeline.look import read_account
from defilev.pipeline.names import resolve
from defilev.pipeline.overlays import overlays_of
from defilev.pipeline.people import only_person, people
from defilev.pipeline.perps import read_perps
from defilev.pipeline.session import Session, connect as open_session
from defilev.report.health_report import health_report

__all__ = ["Connection", "connect"]

StrPath: TypeAlias = str | Path


class Connection:
    """One node, or several of one chain, at one block; everything that comes from it is read at that block.

    Close it when done, or use it in a `with` statement. What came from it can still be looked at then, and neither
    planned for nor tried.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def __repr__(self) -> str:
        return f"<Connection to {self.chain} at block {self.block.number}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def chain(self) -> str:
        """The chain's name in its address book."""
        return self._session.book.chain_name

    @property
    def block(self) -> Block:
        """The block that everything is read at."""
        return self._session.block

    def at(self, block: At = "latest") -> Connection:
        """Return the same connection at another block, the newest when left out; closing one closes both."""
        return Connection(self._session.at(block))

    def account(self, who: str, protocol: str, *, market: str | None = None) -> Account:
        """Return the account of an address, an ENS name, or `@NAME` of the book in use.

        Raises:
            InvalidAddress, UnknownName: nobody or nothing of that name.
            DataError: it could not be read.
        """
        person = only_person(who, book_in_use(self._session.settings) if who.startswith("@") else None)
        owner = person.address or resolve(self._session, str(person.name))
        found = read_account(self._session, owner, protocol=protocol, market=market)
        return Account(self._session, found, name=person.name, note=person.note)

    def perps(self, who: str, protocol: str) -> tuple[Perp, ...]:
        """Return the perpetuals of an address, an ENS name, or `@NAME` of the book in use; none without a position.

        Raises:
            InvalidAddress, UnknownName: nobody or nothing of that name.
            DataError: they could not be read.
        """
        person = only_person(who, book_in_use(self._session.settings) if who.startswith("@") else None)
        owner = person.address or resolve(self._session, str(person.name))
        found = read_perps(self._session, [owner], protocol=protocol)
        return tuple(Perp(self._session, each, name=person.name, note=person.note) for each in found)

    def book(self, path: StrPath | None = None) -> Book:
        """Read everybody in a book file, or in the book in use when `path` is left out.

        Nodes that the file names for its chains are not asked: this connection is.

        Raises:
            ConfigurationError, InvalidAddress, KeyFailure: see `load_book_file`.
            UnknownName: no book is in use, or an overlay is of an asset that no market has.
            UsageError: nobody of the book is on this chain.
            DataError: nothing could be read. What could not be read beside others is in `failures`.
        """
        settings = self._session.settings
        file = book_in_use(settings) if path is None else load_book_file(Path(path))
        if file is None:
            raise UnknownName("no book file is in use", fix="give its path, or set DEFILEV_BOOK")
        asked = people([f"@{EVERYBODY}"], file)
        whose = tuple((person, person.address) for person in asked if person.address is not None)
        (reading,), _ = read_chains(Chains((self._session,)), whose, file.markets)
        report = health_report(
            [reading],
            [],
            asked={address: person for person, address in whose if person.is_on(self.chain)},
            overlays=overlays_of(file, asked),
            now=int(time.time()),
            is_book=True,
        )
        return Book(file, reading, report)

    def close(self) -> None:
        """Let go of the node."""
        self._session.close()


def connect(
    url: str | Sequence[str] | None = None,
    *,
    block: int | str = "latest",
    chain: str | None = None,
    address_book: StrPath | Sequence[StrPath] = (),
) -> Connection:
    """Connect to a node; what is left out comes from the settings, as it does for the command `defilev`.

    Args:
        url: the node's, or several nodes' of one chain; secrets, shown nowhere.
        block: a number, `latest`, `finalized` or `safe`.
        chain: the chain that is expected, by name or id; another is refused.
        address_book: files laid over the shipped address books.

    Raises:
        ConfigurationError, KeyFailure: settings that cannot be used, or no node at all.
        InvalidNumber, UnknownName: a block or chain that is none.
        DataError: the node does not answer, or is of another chain.
    """
    books = [address_book] if isinstance(address_book, str | Path) else list(address_book)
    flags = {"rpc_url": url, "block": block, "chain": chain, "address_book": tuple(str(book) for book in books)}
    return Connection(open_session(load_settings(flags).values))
