"""What a watch shows: the newest good reading with its age, and, when it is not fresh, why there is no newer one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from defilev.errors import BlockUnavailable, DataError
from defilev.report import figures
from defilev.report.health_report import ChainView, HealthReport
from defilev.report.ink import Ink
from defilev.report.perp import View
from defilev.report.summary_text import account_lines
from defilev.report.table import Cell, flow

__all__ = ["Watched", "age_of", "as_of", "watch_frame", "watch_lines"]


@dataclass(frozen=True, slots=True)
class Watched:
    """What is known of some accounts.

    `report` is the newest good reading. `failure` is why it is not fresh: the newest look failed, or no block has come;
    `None` when it is. `failures` counts looks in a row that failed. `looked_at` is the Unix time of the newest look.
    """

    report: HealthReport
    looked_at: int
    failure: DataError | None = None
    failures: int = 0

    @property
    def chain(self) -> ChainView:
        """The one chain that is watched, at the block of the reading."""
        return self.report.chains[0]


def age_of(watched: Watched, *, now: int) -> int:
    """Return the seconds since the block of the newest good reading, by the clock of this machine."""
    return max(0, now - watched.chain.block.timestamp)


def as_of(watched: Watched, *, now: int, limit: int) -> Watched:
    """Return what is known, no longer as fresh when the last look was more than `limit` seconds ago: a look hangs."""
    if watched.failure is None and now - watched.looked_at > limit:
        return replace(watched, failure=BlockUnavailable(f"the node has not been heard of for over {limit} s"))
    return watched


def watch_lines(watched: Watched, *, now: int, ink: Ink) -> list[str]:
    """Return a line for each account when the reading is fresh, else one that says that there are no new figures."""
    at, block = figures.utc(watched.looked_at), _block(watched)
    if watched.failure is not None:
        last = f"the last good reading is of block {block}, {_ago(watched, now=now)}"
        return [f"{at}  {ink('NO NEW READING', 'DANGER')}  {_said(watched)}; {last}"]
    start = f"{at}  block {block}  "
    lines = [start + _account_line(view, ink=ink) for view in watched.report.all_views]
    lines += [f"{start}{owner}  no position" for owner in watched.report.without_position]
    return lines


def watch_frame(watched: Watched, *, now: int, width: int, ink: Ink) -> str:
    """Return the live table for a terminal of `width` columns, without a newline at its end."""
    report = watched.report
    block = f"block {_block(watched)}"
    age = _ago(watched, now=now)
    if watched.failure is None:
        head = [Cell(figures.clean(watched.chain.name), "strong"), Cell(block), Cell(age)]
        lines = flow(head, separator=" · ", width=width, ink=ink)
    else:
        words = _said(watched).split(" ")
        told = [Cell("NOT FRESH:", "DANGER"), *map(Cell, words), *map(Cell, f"— below is {block}, {age}".split(" "))]
        lines = flow(told, separator=" ", width=width, ink=ink)
    held = [view for view in report.all_views if not view.account.is_empty]
    lines += ["", *account_lines(report, width=width, ink=ink)] if held else []
    lines += _warnings(held, width=width, ink=ink)
    empty = [*report.without_position, *(view.account.owner for view in report.views if view.account.is_empty)]
    return "\n".join([*lines, *(f"  {owner}: no position" for owner in empty)])


def _account_line(view: View, *, ink: Ink) -> str:
    account = view.account
    place = f"{_named(view)}  {account.protocol} {figures.clean(account.market_name)}"
    if account.is_empty:
        return f"{place}  no position"
    health = f"health {figures.health(view.health_factor)} {ink(view.status, view.status)}"
    equity = f"equity {figures.worth(view.balance.equity_value, account.quote)}"
    warned = "".join(f"  {ink('warning', 'warning')} {figures.clean(notice.name)}" for notice in view.warnings)
    return f"{place}  {health}  leverage {figures.leverage(view.balance.leverage)}  {equity}{warned}"


def _warnings(views: list[View], *, width: int, ink: Ink) -> list[str]:
    lines = []
    for view in views:
        for notice in view.warnings:
            told = figures.clean(f"{_named(view)}: {notice.name}: {notice.text}").split(" ")
            lines += flow([Cell("  warning", "warning"), *map(Cell, told)], separator=" ", width=width, ink=ink)
    return ["", *lines] if lines else []


def _named(view: View) -> str:
    return figures.clean(view.name) if view.name else figures.short_address(view.account.owner)


def _block(watched: Watched) -> str:
    return figures.block_number(watched.chain.block.number)


def _ago(watched: Watched, *, now: int) -> str:
    return f"{figures.duration(age_of(watched, now=now))} old"


def _said(watched: Watched) -> str:
    assert watched.failure is not None  # noqa: S101 - asked for failures only
    times = f" ({figures.grouped(Decimal(watched.failures), 0)} times)" if watched.failures > 1 else ""
    return f"{figures.clean(watched.failure.fact)}{times}"
