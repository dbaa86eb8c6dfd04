"""Reading accounts: which markets to ask, and what may be remembered about them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from difflib import get_close_matches

from defilev.config.cache import MetadataCache
from defilev.errors import Infeasible, NotDeployed, UnknownName
from defilev.model.account import LendingAccount
from defilev.model.book import MarketEntry
from defilev.model.request import Address, Read
from defilev.observe.drive import drive_all
from defilev.pipeline.isolated import is_called, isolated_markets
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

    A market that nobody named and that has no contract at this block is left out. Of isolated markets those are read
    that the address book names or that logs tell of.

    Args:
        session: the chain and the block; what could not be searched is among its `shortfalls`.
        owners: whose accounts.
        protocols: names of protocols; all of the address book when empty.
        market: the name of a market, the id of an isolated one or the beginning of it, or what people call it; all
            when `None`.

    Raises:
        UnknownName: a protocol or market that the address book does not have.
        DataError: see `LendingProtocol.read_accounts`; `NotDeployed` when no market is there at all.
    """
    entries = markets_of(session, protocols=protocols, market=market)
    cache = None if session.is_anvil else _cache(session)
    markets = [each for entry in entries for each in _markets(session, entry, owners, market, cache)]
    reads = [_optional(_read(session, entry, owners, cache), entry, named=entry.market == market) for entry in markets]
    found = [(entry, result) for entry, result in zip(markets, drive_all(reads, session.fetch), strict=True) if result]
    if markets and not found:
        raise NotDeployed(
            f"none of the {len(markets)} markets of {session.book.chain_name} exists at block {session.block.number}"
        )
    session.reader.verify()
    for entry, result in found:
        if cache is not None:
            cache.store(entry, result.metadata)
    accounts = [result.accounts[place] for place in range(len(owners)) for _, result in found]
    return accounts if market is None else _called(accounts, market, session)


def read_account(session: Session, owner: Address, *, protocol: str, market: str | None = None) -> LendingAccount:
    """Return the one account of `owner` in a market; the protocol's only or `main` one when `market` is `None`.

    Of isolated markets it is the only one in which the owner has a position.

    Raises:
        UnknownName: no such protocol or market, or several that it could be.
        Infeasible: the owner has no position in any of the isolated markets.
        DataError: see `read_accounts`.
    """
    entries = markets_of(session, protocols=[protocol], market=market)
    if PROTOCOLS[protocol].is_isolated:
        return _only(read_accounts(session, [owner], protocols=[protocol], market=market), owner, protocol)
    names = [entry.market for entry in entries]
    if len(entries) > 1 and "main" not in names:
        raise UnknownName(
            f"{protocol} has several markets here", fix="choose one with --market", known=", ".join(names)
        )
    chosen = entries[0].market if len(entries) == 1 else "main"
    return read_accounts(session, [owner], protocols=[protocol], market=chosen)[0]


def markets_of(session: Session, *, protocols: Collection[str], market: str | None) -> list[MarketEntry]:
    """Return the entries of the address book that were asked for and that defilev has rules for.

    A name that no market has may be that of an isolated one, or of a deployment: then all deployments are returned.

    Raises:
        UnknownName: there is none.
    """
    known = [entry for entry in session.book.markets if entry.protocol in PROTOCOLS]
    for protocol in protocols:
        _require_known(protocol, {entry.protocol for entry in known}, f"protocol on {session.book.chain_name}")
    chosen = [entry for entry in known if not protocols or entry.protocol in protocols]
    if market is None:
        return chosen
    deployments = [entry for entry in chosen if PROTOCOLS[entry.protocol].is_isolated]
    if named := [entry for entry in chosen if entry.market == market and entry not in deployments]:
        return named
    if not deployments:
        _require_known(market, {entry.market for entry in chosen}, f"market on {session.book.chain_name}")
    return deployments


def _markets(
    session: Session, entry: MarketEntry, owners: Sequence[Address], market: str | None, cache: MetadataCache | None
) -> list[MarketEntry]:
    if not PROTOCOLS[entry.protocol].is_isolated:
        return [entry]
    if entry.first_block > session.block.number:
        return []
    return isolated_markets(session, entry, owners, market=market, cache=cache)


def _called(accounts: Sequence[LendingAccount], market: str, session: Session) -> list[LendingAccount]:
    named = [account for account in accounts if market == account.deployment or is_called(account, market)]
    if not named:
        known = {account.market_name for account in accounts}
        _require_known(market, known, f"market of these accounts on {session.book.chain_name}")
    return named


def _only(accounts: Sequence[LendingAccount], owner: Address, protocol: str) -> LendingAccount:
    """Return the one account with a position, or the one that there is."""
    held = [account for account in accounts if not account.is_empty]
    chosen = held if len(accounts) > 1 else accounts
    if len(chosen) > 1:
        raise UnknownName(
            f"{owner} has positions in several markets of {protocol}",
            fix=f"choose one: --market {chosen[0].market_name}, or its id",
            known=", ".join(f"{account.market_name} ({account.market})" for account in chosen),
        )
    if not chosen:
        raise Infeasible(f"{owner} has no position on {protocol}", fix="check WHO, or name a market with --market ID")
    return chosen[0]


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


def _optional(read: Read[AccountsRead], entry: MarketEntry, *, named: bool) -> Read[AccountsRead | None]:
    """Return `None` for a market that nobody named and that is not there; an isolated one was named by its id."""
    if named or entry.deployment:
        return (yield from read)
    with suppress(NotDeployed):
        return (yield from read)
    return None


def _cache(session: Session) -> MetadataCache:
    genesis = session.node.block(0)
    return MetadataCache(session.settings.cache_dir, chain_id=session.chain_id, genesis_hash=genesis.hash)
