"""When the next tick comes. Waiting is by seconds that never go back; what was missed is told by the chain's time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from defilev.errors import UsageError
from defilev.model.guard import Decision

__all__ = ["Schedule", "missed_ticks", "parse_cron", "seconds_until_next"]

SLOWEST = 3600
"""Seconds between two ticks at the most when nothing asks for less."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """`every` seconds at the most between ticks, at the times of `cron`, or `on_block`; without any, as rules ask."""

    every: int | None = None
    cron: str | None = None
    on_block: bool = False


def parse_cron(text: str) -> str:
    """Return a cron expression that is one; raises `UsageError`."""
    from cronsim import CronSim, CronSimError

    try:
        CronSim(text, datetime.fromtimestamp(0, UTC))
    except CronSimError as error:
        raise UsageError(
            f"--cron {text!r} is not a cron expression: {error}", fix="write it as '*/5 * * * *'"
        ) from None
    return text


def seconds_until_next(schedule: Schedule, decisions: Iterable[Decision], *, now: int) -> int:
    """Return after how many seconds the next tick is due, at least one.

    Accounts that are looked at more often as their health falls bring it forward; `now` is the chain's time.
    """
    due = min((decision.next_check - now for decision in decisions), default=SLOWEST)
    if schedule.on_block:
        return max(due, 1)
    if schedule.cron is not None:
        return max(min(_until_cron(schedule.cron, now), due), 1)
    return max(min(schedule.every or due, due), 1)


def missed_ticks(*, since: int | None, now: int, interval: int, slack: int, blocks: int) -> int:
    """Return how many ticks should have come between two by the chain's time; none when its clock went back.

    Between two blocks there is nothing to look at: no more are missed than blocks that nobody looked at.

    Args:
        since: the chain's time of the tick before, `None` for the first.
        now: of this one.
        interval: seconds that were to lie between them.
        slack: seconds that a block may be late.
        blocks: from the one of the tick before to this one.
    """
    if since is None or now <= since:
        return 0
    return max(min((now - since - slack) // max(interval, 1), blocks) - 1, 0)


def _until_cron(expression: str, now: int) -> int:
    from cronsim import CronSim

    following = next(CronSim(expression, datetime.fromtimestamp(now, UTC)))
    return int(following.timestamp()) - now
