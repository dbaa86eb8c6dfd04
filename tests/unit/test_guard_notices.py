"""What an account says of itself is told once; a sequencer that is down is waited for, a stale price distrusted."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from defilev.guard.deciding import Judged, decide
from defilev.guard.memory import Memory, memory_from, memory_text
from defilev.guard.reading import Reading, Spending
from defilev.model.account import Notice
from defilev.model.plan import Goal
from tests.factories import BLOCK
from tests.support.guards import a_reading, a_rule

LOW = "100000"
"""A debt against 50 WETH at 3000: health 1.245, below the trigger of 1.3; the goal is 1.6."""

DOWN, UNKNOWN, BACK = (Notice(f"sequencer-{what}", what) for what in ("down", "unknown", "restarted"))


def judged(reading: Reading, memory: Memory | None = None) -> Judged:
    return decide(a_rule(), reading, memory or Memory(), spent=Spending())


@pytest.mark.parametrize("notice", [DOWN, UNKNOWN])
def test_nothing_is_begun_while_the_sequencer_is_not_up(notice: Notice) -> None:
    """What nobody can tell counts as down; people are called once."""
    first = judged(a_reading(LOW, notices=(notice,)))
    again = judged(a_reading(LOW, notices=(notice,)), first.memory)

    assert ("wait", notice.text) == (first.decision.verdict, first.decision.reason)
    assert ("critical", notice.name) in [(alert.severity, alert.kind) for alert in first.alerts]
    assert notice.name not in [alert.kind for alert in again.alerts]
    assert "wait" == again.decision.verdict


def test_the_first_look_after_an_outage_waits_for_nothing() -> None:
    """Neither hysteresis nor cool-down holds it, since liquidators wait for the grace period; later they hold again."""
    cooling = Memory(is_armed=False, acted_at=BLOCK.timestamp)
    held = judged(a_reading(LOW, at=60, notices=(DOWN,)), cooling)
    after = judged(a_reading(LOW, at=120, notices=(BACK,)), held.memory)
    later = judged(a_reading(LOW, at=180, notices=(BACK,)), replace(after.memory, acted_at=BLOCK.timestamp + 120))

    assert ["wait", "act", "wait"] == [each.decision.verdict for each in (held, after, later)]
    kinds = [alert.kind for alert in after.alerts]
    assert {"sequencer-restarted", "notice-cleared"} <= set(kinds)


def test_the_lower_of_two_prices_is_acted_on() -> None:
    """By the oracle the account is safe, by the market it is not: it is brought to the goal by the market's prices."""
    safe = a_reading("75000", notices=(Notice("stale-price", "old"),))
    fallen = replace(safe, market_health=Decimal("1.245"))

    assert ("nothing", Decimal("1.66")) == (judged(safe).decision.verdict, safe.health)
    decision = judged(fallen).decision
    assert ("act", "1.245") == (decision.verdict, decision.fired[0].figure)
    assert Goal("health-factor", Decimal("2.1334")) == decision.goal
    assert judged(a_reading("75000", market_health=Decimal(2))).decision.verdict == "nothing"


def test_notices_survive_the_journal() -> None:
    """What was told is remembered from one process to the next, and a memory without it is read as one."""
    memory = judged(a_reading(LOW, notices=(DOWN, Notice("price-capped", "of no interest")))).memory

    assert ("sequencer-down",) == memory.notices
    assert memory == memory_from(memory_text(memory))
    assert () == memory_from(memory_text(Memory()).replace(',"notices":[]', "")).notices
