"""Looking at people on several chains at once, each at one block of its own; a chain that fails hides no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from defilev.config.settings import Settings
from defilev.errors import DataError, DefilevError, UnknownName, UsageError
from defilev.model.account import LendingAccount
from defilev.model.book import MarketEntry
from defilev.model.book_file import MarketChoice
from defilev.model.exposure import Exposure
from defilev.model.perp import PerpAccount
from defilev.model.request import Address
from defilev.pipeline.dollars import dollars_of
from defilev.pipeline.exposing import exposure_of, perp_exposure_of
from defilev.pipeline.look import Unread, look
from defilev.pipeline.markets import markets_of, nothing_there
from defilev.pipeline.names import resolve
from defilev.pipeline.people import Person
from defilev.pipeline.session import Session, connect

__all__ = ["ChainUnread", "Chains", "Reading", "connected", "read_chains", "resolved"]

S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ChainUnread:
    """A chain that could not be read at all, and why."""

    chain: str
    error: DataError


@dataclass(frozen=True, slots=True)
class Chains:
    """The chains that answered, and those that did not."""

    sessions: tuple[Session, ...]
    unread: tuple[ChainUnread, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What one chain answered; the rest is as in `Looked`.

    For each of `accounts` there are its linear forms in `exposures`, and in `dollars` what one unit of its quote
    currency is worth, `None` when nobody can be believed about it. `perp_exposures` are the forms of each of `perps`,
    which count in dollars.
    """

    session: Session
    accounts: tuple[LendingAccount, ...]
    exposures: tuple[Exposure, ...]
    dollars: tuple[Decimal | None, ...]
    absent: tuple[MarketEntry, ...] = ()
    unread: tuple[Unread, ...] = ()
    perps: tuple[PerpAccount, ...] = ()
    perp_exposures: tuple[Exposure, ...] = ()


@contextmanager
def connected(nodes: Sequence[Settings]) -> Iterator[Chains]:
    """Connect to all of `nodes` at once, and let go of them in the end.

    Raises:
        DataError: the only node does not answer. Of several, those that do not are in `unread`.
        UnknownName, ConfigurationError: see `connect`.
    """
    found = _at_once(_tried, nodes)
    sessions = tuple(each for each in found if isinstance(each, Session))
    try:
        yield Chains(sessions, tuple(_unread(nodes, found)))
    finally:
        for session in sessions:
            session.close()


def resolved(chains: Chains, asked: Sequence[Person]) -> tuple[tuple[Person, Address], ...]:
    """Return the people with their addresses, each address once; ENS names are resolved where there is a registry.

    Raises:
        NameNotResolved, InvalidAddress: see `names.resolve`.
    """
    found: dict[Address, Person] = {}
    for person in asked:
        address = person.address or _resolved(chains, str(person.name))
        if address not in found or found[address].name is None:
            found[address] = person
    return tuple((person, address) for address, person in found.items())


def read_chains(
    chains: Chains, asked: Sequence[tuple[Person, Address]], choices: Sequence[MarketChoice]
) -> tuple[tuple[Reading, ...], tuple[ChainUnread, ...]]:
    """Read everybody on every chain that they are looked for on, all chains at once.

    Args:
        chains: see `connected`.
        asked: see `resolved`.
        choices: the markets to look at, all when empty; of several chains not each must have all of them.

    Raises:
        UnknownName: there is a chosen market that no chain has.
        UsageError: nobody asked for is looked for there.
        NotDeployed: there is one chain, and none of its markets is there.
        DataError: there is one chain, and it does not answer.
    """
    is_one = len(chains.sessions) + len(chains.unread) == 1
    if not chains.unread:
        _require_somewhere(chains.sessions, choices)

    def read(session: Session) -> Reading | ChainUnread | UnknownName:
        owners = [address for person, address in asked if person.is_on(session.book.chain_name)]
        there = [choice for choice in choices if _unknown(session, choice) is None]
        try:
            return _read(session, owners, there or choices)
        except UnknownName as error:
            return error
        except DataError as error:
            if is_one:
                raise
            return ChainUnread(session.book.chain_name, error)

    found = _at_once(read, chains.sessions)
    unread = (*chains.unread, *(each for each in found if isinstance(each, ChainUnread)))
    readings = tuple(each for each in found if isinstance(each, Reading))
    for each in found:
        if isinstance(each, UnknownName) and not readings and not unread:
            raise each
    return readings, unread


def _require_somewhere(sessions: Sequence[Session], choices: Sequence[MarketChoice]) -> None:
    """Raise `UnknownName` for a chosen market that none of the chains' address books has."""
    for choice in choices:
        missing = [_unknown(session, choice) for session in sessions]
        if missing[0] is not None and all(missing):
            raise missing[0]


def _unknown(session: Session, choice: MarketChoice) -> UnknownName | None:
    """Return why the chain's address book has no market as chosen, `None` when it has one."""
    try:
        markets_of(session, [choice])
    except UnknownName as error:
        return error
    return None


def _read(session: Session, owners: Sequence[Address], choices: Sequence[MarketChoice]) -> Reading:
    if not owners:
        raise UsageError(f"the book looks at nobody asked for on {session.book.chain_name}", fix="see chains in it")
    markets = markets_of(session, choices)
    is_named = any(choice.market is not None for choice in choices)
    looked = look(session, owners, markets, is_named=is_named)
    if all(each.entry in looked.absent for each in markets) and not looked.accounts:
        raise nothing_there(session, markets)
    exposures = tuple(exposure_of(account, settings=session.settings) for account in looked.accounts)
    named = {market_id for entry in session.book.markets for market_id in entry.ids or ()}
    dollars = tuple(dollars_of(account, looked.accounts, named=named) for account in looked.accounts)
    perp_exposures = tuple(perp_exposure_of(account, settings=session.settings) for account in looked.perps)
    return Reading(
        session, looked.accounts, exposures, dollars, looked.absent, looked.unread, looked.perps, perp_exposures
    )


def _tried(settings: Settings) -> Session | DefilevError:
    try:
        return connect(settings)
    except DefilevError as error:
        return error


def _unread(nodes: Sequence[Settings], found: Sequence[Session | DefilevError]) -> Iterator[ChainUnread]:
    """Yield the chains that do not answer; raises what is no matter of a chain, or of the only one."""
    for node, each in zip(nodes, found, strict=True):
        if isinstance(each, DataError) and len(nodes) > 1:
            yield ChainUnread(str(node.chain), each)
        elif isinstance(each, DefilevError):
            raise each


def _resolved(chains: Chains, name: str) -> Address:
    if not chains.sessions:
        raise chains.unread[0].error
    with_registry = (session for session in chains.sessions if session.book.ens_registry is not None)
    return resolve(next(with_registry, chains.sessions[0]), name)


def _at_once(action: Callable[[S], T], items: Sequence[S]) -> list[T]:
    """Return what `action` returns for each of `items`, in order; several run in a thread each."""
    if len(items) == 1:
        return [action(items[0])]
    with ThreadPoolExecutor(max_workers=max(1, len(items))) as pool:
        return list(pool.map(action, items))
