"""Tick after tick: waits, survives what the chain does, and ends between two ticks when it is asked to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from threading import Event
from time import monotonic

from defilev.errors import DataError, DefilevError, JournalDamaged, JournalUnusable
from defilev.guard.schedule import Schedule, missed_ticks, seconds_until_next
from defilev.guard.tick import Guard
from defilev.model.guard import Alert, TickReport
from defilev.pipeline.chains import block_seconds

__all__ = ["run_ticks"]

RETRY = 5
"""Seconds until the chain is looked at again after it could not be read."""

_POLL = 1.0
_LOCAL_POLL = 0.05
_STANDSTILL = 3


@dataclass(slots=True)
class _Last:
    """What the tick before left: the chain's time, seconds until the next, and since when the head has not moved."""

    at: int | None = None
    number: int = 0
    interval: int = RETRY
    head: str = ""
    moved: float = 0.0
    is_still: bool = False


def run_ticks(guard: Guard, schedule: Schedule, *, stop: Event, is_once: bool) -> Iterator[TickReport]:
    """Yield the report of each tick, until `stop` is set or after one; what is under way then is waited for and told.

    Raises:
        JournalUnusable, JournalDamaged: nothing can be written down.
        DataError: the chain cannot be read, and there is only this one tick.
    """
    last, number = _Last(moved=monotonic()), 0
    while not stop.is_set():
        number += 1
        report = _tick(guard, number, last, is_once=is_once)
        wait = (
            RETRY
            if report.block is None
            else seconds_until_next(schedule, report.decisions, now=report.block.timestamp)
        )
        last.interval = wait
        now = report.block.timestamp if report.block is not None else None
        yield replace(report, next_at=None if is_once or now is None else now + wait)
        if is_once:
            return
        _wait(guard, schedule, wait, stop)
    if (last_words := guard.finish(number + 1)) is not None:
        yield last_words


def _tick(guard: Guard, number: int, last: _Last, *, is_once: bool) -> TickReport:
    slack = 2 * int(block_seconds(guard.session.chain_id)) + 1
    try:
        report = guard.tick(number)
    except (JournalUnusable, JournalDamaged):
        raise
    except DataError as error:
        if is_once:
            raise
        return _unread(guard, number, error)
    assert report.block is not None  # noqa: S101 - a tick that returns has read a block
    now = report.block.timestamp
    blocks = report.block.number - last.number
    missed = missed_ticks(since=last.at, now=now, interval=last.interval, slack=slack, blocks=blocks)
    alerts = [*report.alerts, *_standing_still(guard, report, last)]
    if missed:
        alerts.append(Alert("warning", "tick-missed", None, f"{missed} ticks were missed", (("since", str(last.at)),)))
    last.at, last.number = now, report.block.number
    return replace(report, alerts=tuple(alerts), missed=missed)


def _unread(guard: Guard, number: int, error: DefilevError) -> TickReport:
    facts = tuple((name, str(value)) for name, value in error.facts.items())
    alert = Alert("critical", "chain-unreadable", None, error.fact, (("error", type(error).__name__), *facts))
    return TickReport(number, None, is_leader=False, is_broadcasting=guard.is_broadcasting, decisions=(), acted=(),
                      alerts=(alert,), missed=0, rpc_calls=0, milliseconds=0, next_at=None)  # fmt: skip


def _standing_still(guard: Guard, report: TickReport, last: _Last) -> Iterator[Alert]:
    """Yield once that the chain stands still; a test node that mines on demand may."""
    assert report.block is not None  # noqa: S101 - as above
    if report.block.hash != last.head:
        last.head, last.moved, last.is_still = report.block.hash, monotonic(), False
        return
    waited = monotonic() - last.moved
    is_late = waited > _STANDSTILL * float(block_seconds(guard.session.chain_id))
    if is_late and not last.is_still and not (guard.session.is_anvil and guard.session.is_loopback):
        last.is_still = True
        text = f"no block after {report.block.number} for {waited:.0f} s"
        yield Alert("critical", "chain-stands-still", None, text)


def _wait(guard: Guard, schedule: Schedule, seconds: int, stop: Event) -> None:
    """Wait for the next tick; it comes sooner when an action has ended, or with a block that the schedule asks for."""
    until, before = monotonic() + seconds, guard.session.block.hash
    pause = min(_POLL, max(float(block_seconds(guard.session.chain_id)) / 4, 0.1))
    if guard.session.is_anvil and guard.session.is_loopback:
        pause = _LOCAL_POLL
    while (left := until - monotonic()) > 0 and not stop.wait(min(pause, left)):
        if guard.workers.has_news():
            return
        try:
            if schedule.on_block and guard.session.node.block().hash != before:
                return
        except DataError:
            return
