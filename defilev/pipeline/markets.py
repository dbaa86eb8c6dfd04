"""Which markets of a chain's address book are meant, and whether their contracts are there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from defilev.abi import interface
from defilev.errors import DataError, NoSuchMarket, NotDeployed, UnknownName, UsageError
from defilev.model.book import MarketEntry
from defilev.model.book_file import MarketChoice
from defilev.pipeline.session import Session
from defilev.protocols import PERPS, PROTOCOLS

__all__ = [
    "Asked",
    "is_deployment",
    "lenders_of",
    "markets_of",
    "not_there",
    "nothing_there",
    "require_known",
    "require_multicall3",
    "whole_market",
    "without_code",
]

WORD = 32


@dataclass(frozen=True, slots=True)
class Asked:
    """An entry of the address book that is to be read; `market` is what one of its isolated markets was called."""

    entry: MarketEntry
    market: str | None = None


def markets_of(session: Session, choices: Sequence[MarketChoice] = ()) -> list[Asked]:
    """Return the entries of the address book that were chosen, all without a choice, and that defilev has rules for.

    A name that no market has may be that of an isolated one, or of a deployment: then all deployments are returned.

    Raises:
        UnknownName: there is none of a chosen name.
    """
    return _of(session, choices, [entry for entry in session.book.markets if entry.protocol in {*PROTOCOLS, *PERPS}])


def lenders_of(session: Session, choices: Sequence[MarketChoice] = ()) -> list[Asked]:
    """Return what `markets_of` returns, without perpetuals.

    Raises:
        UnknownName: there is none of a chosen name.
        UsageError: a protocol of perpetuals was chosen.
    """
    for choice in choices:
        if choice.protocol in PERPS:
            raise UsageError(
                f"{choice.protocol} has perpetuals, and this is for loans",
                fix=f"`defilev health WHO -p {choice.protocol}` shows them",
            )
    return _of(session, choices, [entry for entry in session.book.markets if entry.protocol in PROTOCOLS])


def _of(session: Session, choices: Sequence[MarketChoice], known: Sequence[MarketEntry]) -> list[Asked]:
    if not choices:
        return [Asked(entry) for entry in known]
    chosen = [asked for choice in choices for asked in _chosen(known, choice, session.book.chain_name)]
    return [asked for place, asked in enumerate(chosen) if asked not in chosen[:place]]


def whole_market(session: Session, protocol: str, market: str | None = None) -> MarketEntry:
    """Return the named market of a protocol; its only or `main` one when `market` is `None`.

    Raises:
        UnknownName: no such protocol or market, or several and none called main.
    """
    entries = [asked.entry for asked in lenders_of(session, [MarketChoice(protocol, market)])]
    for entry in entries:
        if len(entries) == 1 or entry.market == "main":
            return entry
    raise UnknownName(
        f"{protocol} has several markets here",
        fix="choose one with --market",
        known=", ".join(entry.market for entry in entries),
    )


def is_deployment(entry: MarketEntry) -> bool:
    """Tell whether an entry of the address book holds many isolated markets, each to be read by itself."""
    return entry.protocol in PROTOCOLS and PROTOCOLS[entry.protocol].is_isolated


def without_code(session: Session, market: MarketEntry) -> tuple[str, ...]:
    """Return the names of the entry points of `market` at which there is no code at the session's block."""
    entry_points = market.entry_points.items()
    return tuple(name for name, address in entry_points if not session.node.code(address, block=session.block))


def not_there(session: Session, market: MarketEntry, error: DataError) -> NotDeployed:
    """Return the error of a market that its entry points do not lead to: which of them, and what is wrong with it."""
    if isinstance(error, NoSuchMarket):
        return error
    missing = without_code(session, market)
    number = session.block.number
    name = (missing or tuple(market.entry_points))[0]
    what = f"has no code at block {number}" if missing else "is another contract"
    return NotDeployed(
        f"{market.protocol} {market.market} is not there: its {name} {market.entry_points[name]} {what}",
        fix=f"correct {name} in the address book" if not missing else error.fix,
        said=error.fact,
    )


def require_multicall3(session: Session) -> None:
    """Raise `NotDeployed` when the contract through which everything is read is another one than Multicall3."""
    address = session.book.multicall3
    answer = session.node.call(interface("multicall3")["getBlockNumber"].call(address), block=session.block)
    if not answer.success or len(answer.data) != WORD:
        raise NotDeployed(
            f"the multicall3 of {session.book.chain_name} is another contract",
            fix="correct multicall3 in the address book",
            multicall3=address,
        )


def nothing_there(session: Session, markets: Sequence[Asked]) -> NotDeployed:
    """Return the error of a block at which none of `markets` has a contract."""
    chain, number = session.book.chain_name, session.block.number
    if not markets:
        return NotDeployed(
            f"the address book of {chain} names no market that this version reads", fix="see `defilev protocols ls`"
        )
    if len(markets) > 1:
        return NotDeployed(f"none of the {len(markets)} markets of {chain} exists at block {number}")
    market = markets[0].entry
    missing = [f"{name} {market.entry_points[name]}" for name in without_code(session, market)]
    why = f"no code at its {', '.join(missing)}" if missing else f"it begins with block {market.first_block}"
    return NotDeployed(f"{market.protocol} {market.market} is not there at block {number}: {why}")


def require_known(name: str, known: Collection[str], what: str) -> None:
    """Raise `UnknownName` when `name` is none of `known`."""
    if name in known:
        return
    meant = get_close_matches(name, known, 1, 0.6)
    fix = f"did you mean {meant[0]}?" if meant else "choose one of those, or see `defilev protocols ls`"
    raise UnknownName(f"no {what} is called {name!r}", fix=fix, known=", ".join(sorted(known)) or "none")


def _chosen(known: Sequence[MarketEntry], choice: MarketChoice, chain: str) -> Iterator[Asked]:
    if choice.protocol is not None:
        require_known(choice.protocol, {entry.protocol for entry in known}, f"protocol on {chain}")
    entries = [entry for entry in known if choice.protocol in (None, entry.protocol)]
    if choice.market is None:
        yield from (Asked(entry) for entry in entries)
        return
    deployments = [entry for entry in entries if is_deployment(entry)]
    named = [entry for entry in entries if entry.market == choice.market and entry not in deployments]
    if not named and not deployments:
        require_known(choice.market, {entry.market for entry in entries}, f"market on {chain}")
    yield from (Asked(entry) for entry in named)
    if not named:
        yield from (Asked(entry, choice.market) for entry in deployments)
