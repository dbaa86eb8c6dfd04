"""A whole book at one block."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from defilev.abi import parse_address
from defilev.errors import DefilevError, UnknownName
from defilev.library.account import Account
from defilev.library.perp import Perp
from defilev.model.account import LendingAccount
from defilev.model.book_file import BookFile
from defilev.model.request import Address, Block
from defilev.pipeline.everywhere import Reading
from defilev.pipeline.isolated import is_called
from defilev.protocols import PROTOCOLS
from defilev.report.health_json import health_document
from defilev.report.health_report import Failure, HealthReport
from defilev.report.records import health_records
from defilev.report.total import OverlayView, TotalView

__all__ = ["Book"]


class Book:
    """The accounts of all owners of a book file, on every market of one chain, at one block.

    `book["main", "aave-v3"]` is one account, `book["main", "aave-v3", "prime"]` that of another market; an address may
    stand for the name. `file` is what was written down, `report` everything that `defilev health @all` shows.
    """

    def __init__(self, file: BookFile, reading: Reading, report: HealthReport) -> None:
        self.file = file
        self.report = report
        self._reading = reading

    def __repr__(self) -> str:
        session = self._reading.session
        held = len(self.accounts)
        return f"<Book {self.file.source}: {held} accounts on {session.book.chain_name} at block {self.block.number}>"

    def __getitem__(self, place: tuple[str, str] | tuple[str, str, str]) -> Account:
        """Return the account of an owner in a protocol's only or `main` market, or in the market that is named.

        Of isolated markets it is the only one with a position; they are named by label, id, or an id's beginning.

        Raises:
            UnknownName: no such owner, protocol or market, or several that it could be.
            DataError: the account could not be read.
        """
        who, protocol, *rest = place
        owner, market = self._owner(who), rest[0] if rest else None
        held = [each for each in self._reading.accounts if (each.owner, each.protocol) == (owner, protocol)]
        found = [each for each in held if market is None or is_called(each, market)]
        if not found:
            raise self._missing(owner, protocol, market, held)
        chosen = found if len(found) == 1 else _usual(found)
        if len(chosen) != 1:
            raise UnknownName(f"{who} has several accounts on {protocol}", fix=f"name one of {_markets(held)}")
        return self._account(chosen[0])

    @property
    def block(self) -> Block:
        """The block that everything was read at."""
        return self._reading.session.block

    @property
    def accounts(self) -> tuple[Account, ...]:
        """The accounts with a position, by owner and then by market."""
        return tuple(self._account(each) for each in self._reading.accounts if not each.is_empty)

    @property
    def perps(self) -> tuple[Perp, ...]:
        """The perpetuals, by owner and then by market."""
        session = self._reading.session
        return tuple(Perp(session, view.account, name=view.name, note=view.note) for view in self.report.perps)

    @property
    def overlays(self) -> tuple[OverlayView, ...]:
        """What the file has and no chain shows, with its figures."""
        return self.report.overlays

    @property
    def total(self) -> TotalView | None:
        """Sums over all accounts and overlays; `None` when there are none."""
        return self.report.total

    @property
    def failures(self) -> tuple[Failure, ...]:
        """What could not be read or priced: nothing else counts it."""
        return self.report.failures

    def to_records(self) -> list[dict[str, Any]]:
        """Return a flat record for each loan and each perpetual, for a data frame; see `report.records`."""
        return health_records(self.report)

    def to_json(self) -> str:
        """Return the `defilev/health@1` document."""
        return json.dumps(health_document(self.report), ensure_ascii=False, allow_nan=False)

    def _account(self, value: LendingAccount) -> Account:
        owner = next(owner for owner in self.file.owners if owner.address == value.owner)
        return Account(self._reading.session, value, name=owner.name, note=owner.note)

    def _owner(self, who: str) -> Address:
        named = self.file.owner(who.removeprefix("@"))
        if named is not None:
            return named.address
        names = ", ".join(owner.name for owner in self.file.owners)
        if not who.startswith("0x"):
            raise UnknownName(f"the book {self.file.source} names no {who}", fix=f"name one of {names}")
        address = parse_address(who)
        if all(owner.address != address for owner in self.file.owners):
            raise UnknownName(f"the book {self.file.source} has no owner {address}", fix=f"name one of {names}")
        return address

    def _missing(
        self, owner: Address, protocol: str, market: str | None, held: Sequence[LendingAccount]
    ) -> DefilevError:
        """Return why there is no such account: it could not be read, or there is no such market."""
        is_isolated = protocol in PROTOCOLS and PROTOCOLS[protocol].is_isolated
        for failure in self.failures:
            is_theirs = failure.protocol == protocol and failure.owner in {None, owner}
            if is_theirs and (market is None or is_isolated or failure.market == market):
                return failure.error
        if held:
            return UnknownName(f"{protocol} has no market {market!r} here", fix=f"name one of {_markets(held)}")
        known = sorted({each.protocol for each in self._reading.accounts})
        return UnknownName(f"nothing was read of {protocol!r} here", fix=f"name one of {', '.join(known)}")


def _usual(accounts: Sequence[LendingAccount]) -> list[LendingAccount]:
    """Return what is meant when no market is named: the main one, or those isolated ones with a position."""
    return [each for each in accounts if (not each.is_empty if each.deployment else each.market == "main")]


def _markets(accounts: Sequence[LendingAccount]) -> str:
    return ", ".join(account.market_name for account in accounts)
