"""Searching logs: in few requests, in as many blocks as the node serves, to be taken up again."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from defilev.chain.rejection import rejection
from defilev.errors import RpcBusy, RpcDenied, RpcError, RpcMalformed, RpcRejected, RpcTimeout
from defilev.model.request import Address, LogFilter
from defilev.observe.discover import SMALLEST_SPAN, Search, search_logs

OWNER, OTHER = Address("0x" + "01" * 20), Address("0x" + "02" * 20)
FILTERS = (LogFilter(OWNER, (("0xaa",),)), LogFilter(OWNER, (("0xbb",),)))


class Logs:
    """A node that serves up to `span` blocks at once; logs by block, each under the event that it is found by."""

    def __init__(self, logs: dict[int, tuple[str, Address, str]], *, span: int, refusal: RpcError) -> None:
        self.logs, self.span, self.refusal = logs, span, refusal
        self.asked: list[tuple[int, int]] = []

    def fetch(self, wanted: LogFilter, first: int, last: int) -> list[Sequence[str]]:
        """Return topics: the event, the owner, the market."""
        self.asked.append((first, last))
        if last - first + 1 > self.span:
            raise self.refusal
        return [
            log for block, log in self.logs.items() if first <= block <= last and log[0] in (wanted.topics[0] or ())
        ]


def found(topics: Sequence[str]) -> tuple[Address, str]:
    """Read a log of `Logs`."""
    if topics[0] not in ("0xaa", "0xbb"):
        raise ValueError("a log that was not asked for")
    return Address(topics[1]), topics[2]


def refused(code: int, message: str = "no") -> RpcRejected:
    """An answer of the node, in the class that the transport gives it."""
    return rejection("the node refuses", code=code, message=message)


TOO_LONG = [
    refused(-32602, "block range too large"),
    refused(-32005, "query returned more than 10000 results"),
    RpcTimeout("too slow"),
]


@pytest.mark.parametrize("refusal", TOO_LONG, ids=lambda refusal: type(refusal).__name__)
@pytest.mark.parametrize("span", [100_000, 10_000, 2_000, SMALLEST_SPAN])
def test_every_log_is_found_whatever_range_is_served(span: int, refusal: RpcError) -> None:
    """Markets of each owner, from the first block to the last, and no block left out or asked for twice."""
    logs = {
        100: ("0xaa", OWNER, "m1"), 101: ("0xbb", OWNER, "m2"),
        19_999: ("0xaa", OTHER, "m1"), 20_000: ("0xaa", OWNER, "m3"),
    }  # fmt: skip
    node = Logs(logs, span=span, refusal=refusal)

    search = search_logs(FILTERS, found, fetch=node.fetch, first=100, last=20_000)

    assert Search({OWNER: frozenset({"m1", "m2", "m3"}), OTHER: frozenset({"m1"})}, 20_000) == search
    served = [(first, last) for first, last in node.asked if last - first + 1 <= span]
    blocks = [block for first, last in served[::2] for block in range(first, last + 1)]
    assert list(range(100, 20_001)) == blocks
    assert served[::2] == served[1::2]


def test_a_long_chain_in_one_request_where_it_is_served() -> None:
    """The whole range is asked for first, once for each filter."""
    node = Logs({}, span=10**9, refusal=RpcTimeout("slow"))

    assert Search({}, 10**7) == search_logs(FILTERS, found, fetch=node.fetch, first=0, last=10**7)
    assert [(0, 10**7)] * 2 == node.asked


def test_a_search_stops_at_its_bound_and_is_taken_up_from_there() -> None:
    """Short of the end it says how far it got, and two parts together are the whole."""
    logs = {block: ("0xaa", OWNER, f"m{block}") for block in range(0, 5_000, 500)}
    node = Logs(logs, span=SMALLEST_SPAN, refusal=refused(-32602))

    part = search_logs(FILTERS, found, fetch=node.fetch, first=0, last=4_999, most_requests=20)
    rest = search_logs(FILTERS, found, fetch=node.fetch, first=part.searched_to + 1, last=4_999)

    assert 0 <= part.searched_to < 4_999
    assert frozenset(f"m{block}" for block in logs) == part.markets[OWNER] | rest.markets[OWNER]
    assert 4_999 == rest.searched_to


def test_nothing_is_asked_of_an_empty_range() -> None:
    """What was searched before is not searched again."""
    node = Logs({}, span=1, refusal=refused(-32602))

    assert Search({}, 99) == search_logs(FILTERS, found, fetch=node.fetch, first=100, last=99)
    assert [] == node.asked


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (refused(429), RpcBusy),
        (refused(-32005, "daily request count exceeded"), RpcBusy),
        (refused(-32601), RpcDenied),
        (refused(401), RpcDenied),
    ],
)
def test_a_node_that_has_enough_is_not_asked_again(refusal: RpcError, kind: type[RpcError]) -> None:
    """A rate limit or a method that is not served is an error at the first answer: fewer blocks would not help."""
    node = Logs({}, span=1, refusal=refusal)

    with pytest.raises(kind):
        search_logs(FILTERS, found, fetch=node.fetch, first=0, last=10**6)
    assert 1 == len(node.asked)


def test_a_node_that_serves_hardly_anything_is_an_error() -> None:
    """Below the smallest range its refusal is told, in place of thousands of requests."""
    node = Logs({}, span=1, refusal=refused(-32602, "block range too large"))

    with pytest.raises(RpcRejected):
        search_logs(FILTERS, found, fetch=node.fetch, first=0, last=10**6)
    assert len(node.asked) < 20


def test_a_log_that_was_not_asked_for_is_malformed() -> None:
    """A node that answers with another event is not believed."""
    with pytest.raises(RpcMalformed, match="not asked for"):
        search_logs(FILTERS, found, fetch=lambda *_: [("0xcc", OWNER, "m1")], first=0, last=1)
