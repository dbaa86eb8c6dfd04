"""Isolated markets: which of a deployment's many to read, by id, from the address book, or from logs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from defilev.config.cache import MetadataCache
from defilev.errors import SearchIncomplete
from defilev.model.account import LendingAccount
from defilev.model.book import MarketEntry
from defilev.model.plan import Plan
from defilev.model.request import Address, LogFilter
from defilev.observe.discover import Search, search_logs
from defilev.observe.drive import drive
from defilev.pipeline.session import Session
from defilev.protocols import PROTOCOLS

__all__ = ["is_called", "isolated_markets"]

_ID = re.compile(r"0x[0-9a-f]{64}")
_PART_OF_ID = re.compile(r"0x[0-9a-f]{8,63}")
"""As much of an id as nobody can make another one for by the way."""

UNSETTLED = 64
"""Blocks at the head that are searched again next time: they may still be replaced."""


def isolated_markets(
    session: Session, entry: MarketEntry, owners: Sequence[Address], *, market: str | None, cache: MetadataCache | None
) -> list[MarketEntry]:
    """Return the entries of the isolated markets of a deployment that are to be read for `owners`.

    Args:
        session: the chain and the block.
        entry: of the address book.
        owners: whose markets are searched for, unless the book or `market` names them.
        market: what was asked for: an id, the beginning of one, a name, or nothing.
        cache: remembers how far the logs were searched; `None` where nothing is remembered.

    Raises:
        NotDeployed: nothing was found, and the deployment's contract is not there.
        RpcError: the logs cannot be searched.
    """
    wanted = "" if market is None else market.lower()
    if _ID.fullmatch(wanted):
        return [entry.isolated(wanted)]
    ids = entry.ids if entry.ids is not None else _searched(session, entry, owners, cache)
    chosen = [each for each in ids if each.startswith(wanted)] if _PART_OF_ID.fullmatch(wanted) else list(ids)
    if not ids:
        drive(PROTOCOLS[entry.protocol].identify(replace(entry, ids=None)), session.fetch)
    return [entry.isolated(each) for each in chosen]


def is_called(position: LendingAccount | Plan, wanted: str) -> bool:
    """Return whether the market of `position` is meant by `wanted`: its name or id, its label, or an id's beginning."""
    asked = wanted.casefold()
    if asked in (position.market.casefold(), position.market_label.casefold()):
        return True
    return bool(_PART_OF_ID.fullmatch(asked)) and position.market.startswith(asked)


def _searched(
    session: Session, entry: MarketEntry, owners: Sequence[Address], cache: MetadataCache | None
) -> list[str]:
    """Return the ids that logs name for `owners`; a search that stops short is a shortfall of the session."""
    protocol, last = PROTOCOLS[entry.protocol], session.block.number
    known = _known(entry, cache)
    first = min((known[owner]["to"] + 1 if owner in known else entry.first_block for owner in owners), default=last + 1)

    def fetch(wanted: LogFilter, start: int, end: int) -> list[tuple[str, ...]]:
        return [log.topics for log in session.node.logs(wanted, first=start, last=end)]

    search = search_logs(protocol.searches(entry, owners), protocol.found, fetch=fetch, first=first, last=last)
    ids = {owner: {*known.get(owner, {}).get("ids", ()), *search.markets.get(owner, ())} for owner in owners}
    if cache is not None:
        cache.store(
            entry, {"owners": {**known, **_progress(ids, known, settled=min(search.searched_to, last - UNSETTLED))}}
        )
    if search.searched_to < last:
        session.shortfalls.append(_shortfall(entry, search, last))
    return sorted(set().union(*ids.values()))


def _known(entry: MarketEntry, cache: MetadataCache | None) -> dict[str, Any]:
    remembered: Mapping[str, Any] | None = cache.load(entry) if cache is not None else None
    return dict(remembered["owners"]) if remembered else {}


def _progress(ids: Mapping[Address, set[str]], known: Mapping[str, Any], *, settled: int) -> dict[str, Any]:
    return {
        owner: {"to": max(settled, known.get(owner, {}).get("to", 0)), "ids": sorted(found)}
        for owner, found in ids.items()
    }


def _shortfall(entry: MarketEntry, search: Search, last: int) -> SearchIncomplete:
    return SearchIncomplete(
        f"markets of {entry.protocol} {entry.market} may be missing: the logs were searched to block "
        f"{search.searched_to} of {last}",
        searched_to=search.searched_to,
        block=last,
    )
