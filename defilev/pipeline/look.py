"""Reading accounts on one chain, all markets and owners together; what cannot be read is told, and hides nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from defilev.config.cache import MetadataCache
from defilev.errors import (
    DataError,
    Infeasible,
    LayoutUnknown,
    NoSuchMarket,
    NotDeployed,
    RpcMalformed,
    SearchIncomplete,
    UnknownName,
)
from defilev.model.account import LendingAccount
from defilev.model.book import MarketEntry
from defilev.model.book_file import MarketChoice
from defilev.model.perp import PerpAccount
from defilev.model.request import Address, Read
from defilev.pipeline.isolated import is_called, isolated_markets
from defilev.pipeline.markets import (
    Asked,
    is_deployment,
    lenders_of,
    not_there,
    nothing_there,
    require_known,
    require_multicall3,
    whole_market,
    without_code,
)
from defilev.pipeline.sequencing import driven_with_sequencer, noticed
from defilev.pipeline.session import Session
from defilev.pipeline.tickers import perps_of
from defilev.protocols import PERPS, PROTOCOLS, AccountsRead, PerpsRead

__all__ = ["Looked", "Unread", "look", "read_account", "read_accounts"]

_ELSEWHERE = (NotDeployed, LayoutUnknown)
"""What a market raises when its entry points do not lead to it: nothing there answers in no layout at all."""


@dataclass(frozen=True, slots=True)
class Unread:
    """What could not be read, and why; `owner` is `None` when it is the market, whoever asks."""

    market: MarketEntry
    owner: Address | None
    error: DataError


@dataclass(frozen=True, slots=True)
class Looked:
    """What a chain answered at the session's block.

    `accounts` are by owner and then by market, empty ones too; `perps` likewise, without empty ones. `absent` are
    markets that nobody named and that are not there at the block: not yet, or by a wrong address or id.
    """

    accounts: tuple[LendingAccount, ...]
    perps: tuple[PerpAccount, ...] = ()
    absent: tuple[MarketEntry, ...] = ()
    unread: tuple[Unread, ...] = ()


@dataclass(frozen=True, slots=True)
class _Answer:
    """One read of a market, and what it returned or raised."""

    market: MarketEntry
    owners: tuple[Address, ...]
    found: AccountsRead | PerpsRead | DataError

    @property
    def is_somebodys(self) -> bool:
        """Whether it failed in a way that may be the matter of one of several owners."""
        failed = isinstance(self.found, DataError) and not isinstance(self.found, NotDeployed)
        return failed and len(self.owners) > 1


def look(session: Session, owners: Sequence[Address], asked: Sequence[Asked], *, is_named: bool) -> Looked:
    """Read the accounts of `owners` in all markets of `asked` at once; what fails hides nothing else.

    Of isolated markets those are read that the address book names or that logs tell of. A market that fails for
    several owners is read once more for each of them apart, so that only those whom it fails for are missing.

    Args:
        session: the chain and the block.
        owners: whose accounts.
        asked: see `markets_of`.
        is_named: whether somebody named the markets: then one that is not there is `unread`, and not `absent`.

    Raises:
        UnknownName: an isolated market was asked for by a name that none of these accounts has.
        RpcError: the node does not answer, or the block was replaced meanwhile.
    """
    cache = None if session.is_anvil else _cache(session)
    markets, failed = _expanded(session, owners, asked, cache)
    answers = _answers(session, [(market, tuple(owners)) for market in markets], cache)
    apart = [(answer.market, (owner,)) for answer in answers if answer.is_somebodys for owner in owners]
    answers = [answer for answer in answers if not answer.is_somebodys] + _answers(session, apart, cache)
    session.reader.verify()
    for answer in answers:
        if cache is not None and not isinstance(answer.found, DataError):
            cache.store(answer.market, answer.found.metadata)
    failed += [answer for answer in answers if isinstance(answer.found, DataError)]
    absent = [] if is_named else [each.market for each in failed if _is_absent(session, each)]
    unread = [told for told in _unread(session, failed, owners) if told.market not in absent]
    loans, perps = _ordered(answers, owners, markets)
    accounts = _called(session, loans, asked, is_whole=not unread)
    return Looked(tuple(accounts), tuple(perps), tuple(absent), tuple(unread))


def read_accounts(
    session: Session, owners: Sequence[Address], *, protocols: Collection[str] = (), market: str | None = None
) -> list[LendingAccount]:
    """Return the loans of `owners` in every market asked for, by owner and then by market; empty ones too.

    Args:
        session: the chain and the block.
        owners: whose accounts.
        protocols: names of lending protocols; all of the address book when empty.
        market: the name of a market, the id of an isolated one or the beginning of it, or what people call it; all
            when `None`.

    Raises:
        UnknownName: a protocol or market that the address book does not have.
        UsageError: a protocol of perpetuals.
        DataError: something could not be read; `NotDeployed` when no market is there at all, `SearchIncomplete` when
            markets may be missing, unless the named one was found.
    """
    asked = lenders_of(session, [MarketChoice(protocol, market) for protocol in protocols or (None,)])
    looked = look(session, owners, asked, is_named=market is not None)
    is_found = market is not None and bool(looked.accounts)
    for unread in looked.unread:
        if not (is_found and isinstance(unread.error, SearchIncomplete)):
            raise unread.error
    if not looked.accounts and looked.absent:
        raise nothing_there(session, asked)
    return list(looked.accounts)


def read_account(session: Session, owner: Address, *, protocol: str, market: str | None = None) -> LendingAccount:
    """Return the one account of `owner` in a market; the protocol's only or `main` one when `market` is `None`.

    Of isolated markets it is the only one in which the owner has a position.

    Raises:
        UnknownName: no such protocol or market, or several that it could be.
        Infeasible: the owner has no position in any of the isolated markets.
        DataError: see `read_accounts`.
    """
    asked = lenders_of(session, [MarketChoice(protocol, market)])
    if asked and PROTOCOLS[protocol].is_isolated:
        return _only(read_accounts(session, [owner], protocols=[protocol], market=market), owner, protocol)
    chosen = whole_market(session, protocol, market)
    return read_accounts(session, [owner], protocols=[protocol], market=chosen.market)[0]


def _expanded(
    session: Session, owners: Sequence[Address], asked: Sequence[Asked], cache: MetadataCache | None
) -> tuple[list[MarketEntry], list[_Answer]]:
    """Return the markets to read, isolated ones each by itself, and the searches for them that failed or fell short."""
    markets: list[MarketEntry] = []
    failed: list[_Answer] = []
    for each in asked:
        entry, known = each.entry, len(session.shortfalls)
        found = [entry]
        if entry.first_block > session.block.number:
            found = []
            later = NoSuchMarket(f"{entry.protocol} {entry.market} begins with block {entry.first_block}")
            failed.append(_Answer(entry, tuple(owners), later))
        elif is_deployment(entry):
            try:
                found = isolated_markets(session, entry, owners, market=each.market, cache=cache)
            except DataError as error:
                found = []
                failed.append(_Answer(entry, tuple(owners), error))
        markets += (market for market in found if market not in markets)
        failed += (_Answer(entry, tuple(owners), shortfall) for shortfall in session.shortfalls[known:])
    return markets, failed


def _answers(
    session: Session, asked: Sequence[tuple[MarketEntry, tuple[Address, ...]]], cache: MetadataCache | None
) -> list[_Answer]:
    """Read each market for its owners; all reads share batches."""
    perps = perps_of(session) if any(market.protocol in PERPS for market, _ in asked) else {}
    reads: list[Read[AccountsRead | PerpsRead]] = [
        (perps.get(market.protocol) or PROTOCOLS[market.protocol]).read_accounts(
            market,
            owners,
            chain_id=session.chain_id,
            block=session.block,
            metadata=None if cache is None else cache.load(market),
        )
        for market, owners in asked
    ]
    try:
        found, sequencing = driven_with_sequencer(session, reads, [market for market, _ in asked])
    except RpcMalformed:
        require_multicall3(session)
        raise
    return [
        _Answer(market, owners, noticed(result, market, sequencing))
        for (market, owners), result in zip(asked, found, strict=True)
    ]


def _is_absent(session: Session, answer: _Answer) -> bool:
    """Tell whether a market is not there; an isolated one was named by its id, and is missing then."""
    if answer.market.deployment:
        return False
    if isinstance(answer.found, NoSuchMarket):
        return True
    return isinstance(answer.found, _ELSEWHERE) and bool(without_code(session, answer.market))


def _unread(session: Session, failed: Sequence[_Answer], owners: Sequence[Address]) -> Iterator[Unread]:
    """Yield the failures, market by market; one that is the same for every owner is the market's own."""
    for place, market in enumerate(answer.market for answer in failed):
        if any(answer.market == market for answer in failed[:place]):
            continue
        of_it = [answer for answer in failed if answer.market == market]
        errors = [(answer.owners, answer.found) for answer in of_it if isinstance(answer.found, DataError)]
        if len(errors) == len(owners) > 1 and len({error.fact for _, error in errors}) == 1:
            errors = [((), errors[0][1])]
        for whose, error in errors:
            is_gone = isinstance(error, LayoutUnknown) and without_code(session, market)
            told = not_there(session, market, error) if is_gone or isinstance(error, NotDeployed) else error
            yield Unread(market, whose[0] if len(whose) == 1 < len(owners) else None, told)


def _ordered(
    answers: Sequence[_Answer], owners: Sequence[Address], markets: Sequence[MarketEntry]
) -> tuple[list[LendingAccount], list[PerpAccount]]:
    """Return the loans and the perpetuals that were read, by owner and then by market."""
    place = {owner: number for number, owner in enumerate(owners)}
    reads = [each.found for market in markets for each in answers if each.market == market]
    loans = [account for read in reads if isinstance(read, AccountsRead) for account in read.accounts]
    perps = [account for read in reads if isinstance(read, PerpsRead) for account in read.accounts]
    return sorted(loans, key=lambda each: place[each.owner]), sorted(perps, key=lambda each: place[each.owner])


def _called(
    session: Session, accounts: Sequence[LendingAccount], asked: Sequence[Asked], *, is_whole: bool
) -> list[LendingAccount]:
    """Return the accounts without those in isolated markets that are called otherwise than was asked."""
    names: dict[tuple[str, str], list[str | None]] = {}
    for each in asked:
        names.setdefault((each.entry.protocol, each.entry.market), []).append(each.market)
    found = [
        account
        for account in accounts
        for wanted in [names.get((account.protocol, account.deployment), [None])]
        if any(name in (None, account.deployment) or is_called(account, str(name)) for name in wanted)
    ]
    called = [each.market for each in asked if each.market is not None]
    if not found and called and is_whole:
        known = {account.market_name for account in accounts}
        require_known(called[0], known, f"market of these accounts on {session.book.chain_name}")
    return found


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


def _cache(session: Session) -> MetadataCache:
    genesis = session.node.block(0)
    return MetadataCache(session.settings.cache_dir, chain_id=session.chain_id, genesis_hash=genesis.hash)
