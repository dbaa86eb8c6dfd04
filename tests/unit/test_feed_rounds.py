"""A feed's rounds: which are asked for, and the candles that they make."""

from __future__ import annotations

import pytest

from defilev.abi import interface
from defilev.errors import HistoryUnusable
from defilev.model.request import Address, Batch, CallResult, Results
from defilev.observe.drive import drive
from defilev.observe.rounds import read_rounds
from defilev.risk.rounds import Round, history_from_rounds

FEED = Address("0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419")
PHASE = 6 << 64
HOUR = 3600


def word(value: int) -> bytes:
    return (value % 2**256).to_bytes(32, "big")


class Chain:
    """A node that answers for one feed of five rounds; the third was never answered, the fourth reverts."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def fetch(self, batch: Batch) -> Results:
        self.batches.append(batch)
        return [self.answer(call.data) for call in batch]

    def answer(self, data: bytes) -> CallResult:
        functions = interface("price_feed")
        if data == functions["decimals"].encode():
            return CallResult(success=True, data=word(8))
        number = 5 if data == functions["latestRoundData"].encode() else int.from_bytes(data[4:], "big") - PHASE
        if number == 4:
            return CallResult(success=False, data=b"")
        answer = 0 if number == 3 else number * 10**8
        return CallResult(True, b"".join(word(value) for value in (PHASE + number, answer, 0, number * HOUR, 0)))


def test_rounds_of_the_present_aggregator_in_two_round_trips() -> None:
    """Five rounds exist: asking for fifty asks for five; unanswered and reverted ones are left out."""
    chain = Chain()
    rounds = drive(read_rounds(FEED, count=50), chain.fetch)
    assert (Round(5.0, 5 * HOUR), Round(2.0, 2 * HOUR), Round(1.0, HOUR)) == rounds
    assert [2, 5] == [len(batch) for batch in chain.batches]


def test_a_contract_without_rounds_is_refused() -> None:
    """Something that is no feed is a typed error."""
    with pytest.raises(HistoryUnusable, match="no rounds"):
        drive(read_rounds(FEED, count=5), lambda batch: [CallResult(success=False, data=b"") for _ in batch])


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
