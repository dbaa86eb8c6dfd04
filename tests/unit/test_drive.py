"""Reads driven side by side."""

from __future__ import annotations

from collections.abc import Sequence

from defilev.model.request import Address, Batch, Call, CallResult, Read, Results
from defilev.observe.drive import drive_all

TARGET = Address("0x" + "22" * 20)


def asking(*batches: Batch) -> Read[list[Results]]:
    """A read that asks for `batches` and returns what it was sent."""
    sent = []
    for batch in batches:
        sent += [(yield batch)]
    return sent


class Counter:
    """A contract whose `set` changes what `get` answers."""

    def __init__(self) -> None:
        self.batches: list[Sequence[Call]] = []

    def fetch(self, batch: Batch) -> list[CallResult]:
        self.batches.append(batch)
        state = b""
        answers = []
        for call in batch:
            state = call.data if call.data != b"get" else state
            answers.append(CallResult(success=True, data=state))
        return answers


def test_a_call_that_several_reads_make_is_made_once() -> None:
    """Reads side by side share round trips and equal calls; each gets its own answers in its own order."""
    one, two, three = (Call(TARGET, bytes([number])) for number in (1, 2, 3))
    contract = Counter()

    first, second = drive_all([asking([one, two], [three]), asking([two, one])], contract.fetch)

    assert [[result.data for result in batch] for batch in first] == [[b"\x01", b"\x02"], [b"\x03"]]
    assert [[result.data for result in batch] for batch in second] == [[b"\x02", b"\x01"]]
    assert contract.batches == [[one, two], [three]]


def test_chained_calls_keep_what_they_build_on() -> None:
    """The same call chained to two different ones is two calls, each answered on its own state."""
    get = Call(TARGET, b"get", chained=True)
    contract = Counter()

    first, second, third = drive_all(
        [asking([Call(TARGET, b"a"), get]), asking([Call(TARGET, b"b"), get]), asking([Call(TARGET, b"a"), get])],
        contract.fetch,
    )

    assert (first[0][1].data, second[0][1].data, third[0][1].data) == (b"a", b"b", b"a")
    assert [len(batch) for batch in contract.batches] == [4]
