"""The sequencer of a rollup is read together with the accounts, and every account says what is to know of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeAlias, TypeVar

from defilev.errors import DataError, SequencerDown
from defilev.model.account import LendingAccount, Notice
from defilev.model.book import MarketEntry
from defilev.model.perp import PerpAccount
from defilev.model.request import Address, Read
from defilev.observe.drive import drive_each
from defilev.pipeline.session import Session
from defilev.protocols import AccountsRead, PerpsRead
from defilev.protocols.sequencer import NOT_UP, Sequencing, read_sequencing

__all__ = ["driven_with_sequencer", "noticed", "require_sequencer"]

Found: TypeAlias = AccountsRead | PerpsRead
Account = TypeVar("Account", LendingAccount, PerpAccount)
PROVIDER = "pool_addresses_provider"


def driven_with_sequencer(
    session: Session, reads: Sequence[Read[Found]], markets: Sequence[MarketEntry]
) -> tuple[list[Found | DataError], Sequencing]:
    """Return what each of `reads` returns, and what there is to know of the sequencer, in the same round trips.

    Nothing is asked on a chain whose address book names no uptime feed.
    """
    feed = session.book.sequencer_uptime_feed
    if feed is None or not reads:
        return drive_each(reads, session.fetch), Sequencing()
    providers = [address for market in markets if (address := _provider(market)) is not None]
    sequencer: Read[Any] = read_sequencing(feed, list(dict.fromkeys(providers)), block=session.block)
    *found, sequencing = drive_each([*reads, sequencer], session.fetch)
    if isinstance(sequencing, DataError):
        raise sequencing
    return found, sequencing


def noticed(found: Found | DataError, market: MarketEntry, sequencing: Sequencing) -> Found | DataError:
    """Return what was read of a market, its accounts with what is to know of the sequencer."""
    notices = sequencing.of(_provider(market))
    if isinstance(found, DataError) or not notices:
        return found
    if isinstance(found, PerpsRead):
        return replace(found, accounts=tuple(_with(account, notices) for account in found.accounts))
    return replace(found, accounts=tuple(_with(account, notices) for account in found.accounts))


def _with(account: Account, notices: Sequence[Notice]) -> Account:
    return replace(account, warnings=(*account.warnings, *notices))


def require_sequencer(account: LendingAccount) -> None:
    """Raise `SequencerDown` unless the sequencer was up at the account's block, where there is one."""
    for notice in account.warnings:
        if notice.name in NOT_UP:
            raise SequencerDown(notice.text, block=account.block.number)


def _provider(market: MarketEntry) -> Address | None:
    return market.entry_points.get(PROVIDER)
