"""When ticks come, and which were missed: by the chain's time, and never more than there were blocks."""

from __future__ import annotations

import pytest

from defilev.errors import UsageError
from defilev.guard.schedule import Schedule, missed_ticks, parse_cron, seconds_until_next
from defilev.model.guard import Decision
from tests.factories import BLOCK
from tests.support.guards import a_reading, a_rule
from tests.unit.test_guard_deciding import judged

NOON = 1_767_268_800
"""2026-01-01 12:00:00 UTC."""


def due_in(seconds: int, *, now: int) -> list[Decision]:
    """Return a decision that wants the next look so much later."""
    decision = judged(a_reading("60000", at=now - BLOCK.timestamp), a_rule()).decision
    assert now + 60 == decision.next_check
    return [decision] if seconds == 60 else []


@pytest.mark.parametrize(
    ("schedule", "seconds"),
    [
        (Schedule(), 60),
        (Schedule(every=12), 12),
        (Schedule(every=600), 60),
        (Schedule(on_block=True), 60),
        (Schedule(cron="* * * * *"), 30),
        (Schedule(cron="0 0 * * *"), 60),
    ],
)
def test_the_next_tick_is_the_earliest_of_what_was_asked_for(schedule: Schedule, seconds: int) -> None:
    """An interval, a cron time of the chain's clock (UTC), or what a health asks for: whichever comes first."""
    assert seconds == seconds_until_next(schedule, due_in(60, now=NOON + 30), now=NOON + 30)


def test_a_cron_time_is_the_next_one() -> None:
    """At a quarter past the next full hour is 45 minutes away; exactly at noon the next one is an hour away."""
    hourly = Schedule(cron="0 * * * *")

    assert [2700, 3600] == [seconds_until_next(hourly, [], now=now) for now in (NOON + 900, NOON)]
    with pytest.raises(UsageError, match="not a cron expression"):
        parse_cron("61 * * * *")


@pytest.mark.parametrize(
    ("since", "now", "interval", "blocks", "missed"),
    [
        (None, 1000, 12, 50, 0),
        (1000, 1012, 12, 1, 0),
        (1000, 1037, 12, 3, 0),
        (1000, 1120, 12, 10, 6),
        (1000, 1144, 12, 1, 0),
        (1000, 1144, 12, 2, 1),
        (1000, 990, 12, 1, 0),
        (1000, 4600, 60, 300, 58),
    ],
)
def test_missed_ticks_are_counted_by_chain_time_and_blocks(
    since: int | None, now: int, interval: int, blocks: int, missed: int
) -> None:
    """Late by more than a block's slack counts; a clock that went back does not, nor what no block could show."""
    assert missed == missed_ticks(since=since, now=now, interval=interval, slack=25, blocks=blocks)
