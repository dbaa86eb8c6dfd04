"""Searches logs for the isolated markets that owners have used: a bounded number of requests, to be taken up again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from defilev.errors import RpcBusy, RpcDenied, RpcMalformed, RpcRejected, RpcTimeout
from defilev.model.request import Address, LogFilter

__all__ = ["MOST_REQUESTS", "FetchLogs", "Found", "Search", "search_logs"]

FetchLogs: TypeAlias = Callable[[LogFilter, int, int], Sequence[Sequence[str]]]
"""Returns the topics of the logs that a filter lets through, from the first to the last of two blocks."""
Found: TypeAlias = Callable[[Sequence[str]], tuple[Address, str]]

MOST_REQUESTS = 400
"""What one search asks at most; where a node serves ten thousand blocks at a time, two million blocks of one chain."""

SMALLEST_SPAN = 250
_SHRINK, _GROW = 8, 2
_TOO_MANY = "results"
"""What nodes that have one code for both say of too many logs, and not of too many requests."""


@dataclass(frozen=True, slots=True)
class Search:
    """The ids of the markets that each owner has used, in all blocks up to `searched_to`."""

    markets: Mapping[Address, frozenset[str]]
    searched_to: int


def search_logs(
    filters: Sequence[LogFilter],
    found: Found,
    *,
    fetch: FetchLogs,
    first: int,
    last: int,
    most_requests: int = MOST_REQUESTS,
) -> Search:
    """Return what the logs from block `first` to `last` name; short of `last` when the requests do not suffice.

    The whole range is asked for first, and smaller parts of it when the node will not serve so many blocks at once.

    Raises:
        RpcError: the node does not serve even a small part.
    """
    markets: dict[Address, frozenset[str]] = {}
    span, start = last - first + 1, first
    left = most_requests
    while start <= last and left >= len(filters):
        end = min(start + span - 1, last)
        left -= len(filters)
        try:
            named = [found_topics for each in filters for found_topics in fetch(each, start, end)]
        except (RpcRejected, RpcTimeout) as refusal:
            if end - start < SMALLEST_SPAN or not _may_be_the_range(refusal):
                raise
            span = max((end - start + 1) // _SHRINK, SMALLEST_SPAN)
            continue
        for topics in named:
            owner, market = _decoded(found, topics)
            markets[owner] = markets.get(owner, frozenset()) | {market}
        start, span = end + 1, span * _GROW
    return Search(markets, start - 1)


def _may_be_the_range(refusal: RpcRejected | RpcTimeout) -> bool:
    """Return whether fewer blocks may be served: not by a node that denies the method, or has enough of requests."""
    if isinstance(refusal, RpcBusy):
        return _TOO_MANY in str(refusal.facts.get("message"))
    return not isinstance(refusal, RpcDenied)


def _decoded(found: Found, topics: Sequence[str]) -> tuple[Address, str]:
    try:
        return found(topics)
    except ValueError as error:
        raise RpcMalformed(f"the node answered with {error}") from None
