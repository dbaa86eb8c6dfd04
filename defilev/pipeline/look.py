"""Reading accounts: which markets to ask, and what may be remembered about them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from difflib import get_close_matches

from defilev.config.cache import MetadataCache
from defilev.errors import NotDeployed, UnknownName
from defilev.model.account import LendingAccount
from defilev.model.book import MarketEntry
from defilev.model.request import Address, Read
from defilev.observe.drive import drive_all
from defilev.pipeline.session import Session
from defilev.protocols import PROTOCOLS, AccountsRead

__all__ = ["markets_of", "read_account", "read_accounts"]


def read_accounts(
    session: Session,
    owners: Sequence[Address],
    *,
    protocols: Collection[str] = (),
    market: str | None = None,
) -> list[LendingAccount]:
    """Return the accounts of `owners` in every market asked for, by owner and then by market; empty ones too.

    A market that nobody named and that has no contract at this block is left out.

    Args:
        session: the chain and the block.
        owners: whose accounts.
        protocols: names of protocols; all of the address book when empty.
        market: the name of a market; all when `None`.

    Raises:
        UnknownName: a protocol or market that the address book does not have.
        DataError: see `LendingProtocol.read_accounts`; `NotDeployed` when no market is there at all.
    """
    markets = markets_of(session, protocols=protocols, market=market)
    cache = None if session.is_anvil else _cache(session)
    reads = [_optional(_read(session, entry, owners, cache), named=market is not None) for entry in markets]
    found = [(entry, result) for entry, result in zip(markets, drive_all(reads, session.fetch), strict=True) if result]
    if not found:
        raise NotDeployed(
            f"none of the {len(markets)} markets of {session.book.chain_name} exists at block {session.block.number}"
        )
    session.reader.verify()
    for entry, result in found:
        if cache is not None:
            cache.store(entry, result.metadata)
    return [result.accounts[place] for place in range(len(owners)) for _, result in found]


def read_account(session: Session, owner: Address, *, protocol: str, market: str | None = None) -> LendingAccount:
    """Return the one account of `owner` in a market; the protocol's only or `main` one when `market` is `None`.

    Raises:
        UnknownName: no such protocol or market, or several and none called main.
        DataError: see `read_accounts`.
    """
    entries = markets_of(session, protocols=[protocol], market=market)
    names = [entry.market for entry in entries]
    if len(entries) > 1 and "main" not in names:
        raise UnknownName(
            f"{protocol} has several markets here", fix="choose one with --market", known=", ".join(names)
        )
    chosen = entries[0].market if len(entries) == 1 else "main"
    return read_accounts(session, [owner], protocols=[protocol], market=chosen)[0]


def markets_of(session: Session, *, protocols: Collection[str], market: str | None) -> list[MarketEntry]:
    """Return the markets of the address book that were asked for and that defilev has rules for.

    Raises:
        UnknownName: there is none.
    """
    known = [entry for entry in session.book.markets if entry.protocol in PROTOCOLS]
    for protocol in protocols:
        _require_known(protocol, {entry.protocol for entry in known}, f"protocol on {session.book.chain_name}")
    chosen = [entry for entry in known if not protocols or entry.protocol in protocols]
    if market is not None:
        _require_known(market, {entry.market for entry in chosen}, f"market on {session.book.chain_name}")
    return [entry for entry in chosen if market is None or entry.market == market]


def _require_known(name: str, known: Collection[str], what: str) -> None:
    if name in known:
        return
    meant = get_close_matches(name, known, 1, 0.6)
    fix = f"did you mean {meant[0]}?" if meant else "choose one of those, or see `defilev protocols ls`"
    raise UnknownName(f"no {what} is called {name!r}", fix=fix, known=", ".join(sorted(known)) or "none")


def _read(
    session: Session, entry: MarketEntry, owners: Sequence[Address], cache: MetadataCache | None
) -> Read[AccountsRead]:
    remembered = cache.load(entry) if cache is not None else None
    return PROTOCOLS[entry.protocol].read_accounts(
        entry, owners, chain_id=session.chain_id, block=session.block, metadata=remembered
    )


def _optional(read: Read[AccountsRead], *, named: bool) -> Read[AccountsRead | None]:
    if named:
        return (yield from read)
    with suppress(NotDeployed):
        return (yield from read)
    return None


def _cache(session: Session) -> MetadataCache:
    genesis = session.node.block(0)
    return MetadataCache(session.settings.cache_dir, chain_id=session.chain_id, genesis_hash=genesis.hash)
