"""A feed's rounds: which are asked for, and the candles that they make."""

from __future__ import annotations

import pytest

from defilev.abi import interface
from defilev.errors import HistoryUnusable
from defilev.model.request import Address, Batch, CallResult, Results
from defilev.observe.drive import drive
from defilev.observe.rounds import FeedRounds, read_rounds
from defilev.risk.rounds import Round, history_from_rounds

FEED = Address("0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419")
PHASE = 6 << 64
HOUR = 3600


def word(value: int) -> bytes:
    return (value % 2**256).to_bytes(32, "big")


class Chain:
    """A node that answers for one feed with a round an hour; the third was never answered, the fourth reverts."""

    def __init__(self, newest: int) -> None:
        self.newest = newest
        self.batches: list[Batch] = []

    def fetch(self, batch: Batch) -> Results:
        self.batches.append(batch)
        return [self.answer(call.data) for call in batch]

    def answer(self, data: bytes) -> CallResult:
        functions = interface("price_feed")
        if data == functions["decimals"].encode():
            return CallResult(success=True, data=word(8))
        latest = data == functions["latestRoundData"].encode()
        number = self.newest if latest else int.from_bytes(data[4:], "big") - PHASE
        if number == 4:
            return CallResult(success=False, data=b"")
        answer = 0 if number == 3 else number * 10**8
        return CallResult(True, b"".join(word(value) for value in (PHASE + number, answer, 0, number * HOUR, 0)))


def test_rounds_of_the_present_aggregator_in_two_round_trips() -> None:
    """Of five rounds all are asked for, and no older aggregator's; unanswered and reverted ones are left out."""
    chain = Chain(newest=5)
    told = drive(read_rounds(FEED, since=0, most=50), chain.fetch)
    assert FeedRounds((Round(5.0, 5 * HOUR), Round(2.0, 2 * HOUR), Round(1.0, HOUR)), is_whole=True) == told
    assert [2, 5] == [len(batch) for batch in chain.batches]


@pytest.mark.parametrize(
    ("since", "most", "batches", "oldest"),
    [
        (2_600 * HOUR, 10_000, [2, 500], 2_501),
        (2_000 * HOUR, 10_000, [2, 500, 500, 500], 1_501),
        (0, 700, [2, 500, 200], 2_301),
    ],
)
def test_rounds_are_read_in_pages_and_no_further_than_needed(
    since: int, most: int, batches: list[int], oldest: int
) -> None:
    """Pages of 500 until one reaches back far enough, or until as many were read as are allowed."""
    chain = Chain(newest=3_000)
    told = drive(read_rounds(FEED, since=since, most=most), chain.fetch)
    assert batches == [len(batch) for batch in chain.batches]
    assert (oldest * HOUR, False) == (told.rounds[-1].updated_at, told.is_whole)


@pytest.mark.parametrize("answer", [CallResult(success=False, data=b""), CallResult(success=True, data=b"\1")])
def test_a_contract_without_rounds_is_refused(answer: CallResult) -> None:
    """Something that is no feed is a typed error that says where else prices may come from."""
    with pytest.raises(HistoryUnusable, match="no rounds") as caught:
        drive(read_rounds(FEED, since=0, most=5), lambda batch: [answer for _ in batch])
    assert "--prices" in caught.value.fix


def test_candles_are_the_answers_that_stood() -> None:
    """Open and close are the answers standing at the bounds; high and low those in between, the standing one too."""
    rounds = [Round(100.0, 0), Round(90.0, 1800), Round(95.0, 3000), Round(120.0, 4000), Round(110.0, 3 * HOUR)]
    found = history_from_rounds("ETH", rounds[::-1])
    assert [(100.0, 100.0, 90.0, 95.0), (95.0, 120.0, 95.0, 120.0), (120.0, 120.0, 110.0, 110.0)] == [
        tuple(float(column[row]) for column in (found.open, found.high, found.low, found.close)) for row in range(3)
    ]


def test_an_answer_past_its_heartbeat_makes_no_candle() -> None:
    """A feed that was silent longer than its heartbeat leaves candles missing: nothing is filled."""
    rounds = [Round(100.0 + hour, hour * HOUR) for hour in (0, 1, 2, 10, 11, 12)]
    found = history_from_rounds("ETH", rounds, heartbeat=2 * HOUR)
    assert [0, 1, 2, 3, 9, 10, 11] == [int(time) // HOUR for time in found.opens_at]
    with pytest.raises(HistoryUnusable, match="no two candles"):
        history_from_rounds("ETH", rounds[:1])
    with pytest.raises(HistoryUnusable, match="no two candles"):
        history_from_rounds("ETH", [])
