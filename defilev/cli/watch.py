"""`defilev watch`: the health of accounts, again on every new block. Reads only."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from defilev.cli.context import run_of
from defilev.cli.health import Market, Protocols, TickerSource, Who, choices_of, settings_with
from defilev.errors import UsageError

if TYPE_CHECKING:
    from defilev.cli.output import Output
    from defilev.report.watch import Watched

__all__ = ["watch"]

Every = Annotated[str, typer.Option("--every", metavar="TIME", help="How often to look for a new block.")]
Metrics = Annotated[
    str | None,
    typer.Option("--metrics", metavar="ADDR:PORT", help="Serve the figures to Prometheus there, at /metrics."),
]
Count = Annotated[int | None, typer.Option("--count", metavar="N", min=1, help="End after N readings.")]


def watch(
    ctx: typer.Context,
    who: Who,
    protocol: Protocols = None,
    market: Market = None,
    every: Every = "3s",
    metrics: Metrics = None,
    count: Count = None,
    tickers: TickerSource = None,
) -> None:
    """Show the health of accounts again on every new block, until Ctrl-C; a node that fails is asked again.

    Figures that are not fresh are never shown as if they were. With --json each reading is one line.

    Example: defilev watch 0xADDRESS --metrics 127.0.0.1:9464
    """
    from defilev.cli.watching import LONGEST_LOOK, SILENCE, Asked, Looker, watch as watch_readings
    from defilev.config.values import parse_duration
    from defilev.pipeline.nodes import node_of_one
    from defilev.pipeline.people import people

    seconds = parse_duration(every, what="--every")
    run = run_of(ctx)
    settings = settings_with(run, tickers)
    if isinstance(settings.block, int):
        raise UsageError("a watch follows the newest block, and --block names one", fix="leave --block out")
    book = run.book_for(who)
    asked = Asked(people(who, book), choices_of(protocol or (), market))
    node = node_of_one(settings, book, asked.people, is_url_given=run.is_url_given)
    looker = Looker(node, asked)
    silence = SILENCE[settings.block]
    limit = silence + seconds + LONGEST_LOOK
    readings = _until(watch_readings(looker, every=seconds, silence=silence), count)
    try:
        with _told(metrics, limit) as tell:
            _show(readings, run.output, tell, limit)
    finally:
        looker.close()


def _until(readings: Iterator[Watched], count: int | None) -> Iterator[Watched]:
    """Yield so many readings, all when `count` is `None`; raises the last one's failure at the end."""
    for number, watched in enumerate(readings, 1):
        yield watched
        if number == count:
            if watched.failure is not None:
                raise watched.failure
            return


def _show(readings: Iterator[Watched], out: Output, tell: Callable[[Watched], None], limit: int) -> None:
    if out.json or not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        for watched in readings:
            tell(watched)
            _print(watched, out)
        return
    _show_live(readings, out, tell, limit)


def _print(watched: Watched, out: Output) -> None:
    from defilev.report.watch import watch_lines
    from defilev.report.watch_json import watch_document

    now = int(time.time())
    if out.json:
        out.line(watch_document(watched, now=now))
    else:
        out.result("\n".join(watch_lines(watched, now=now, ink=out.ink)))
        sys.stdout.flush()


def _show_live(readings: Iterator[Watched], out: Output, tell: Callable[[Watched], None], limit: int) -> None:
    """Keep one table on the terminal; it is drawn again every second, so that its age is true while a node is slow."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from defilev.report.watch import as_of, watch_frame

    known = next(readings)
    tell(known)

    def frame() -> Text:
        now = int(time.time())
        text = watch_frame(as_of(known, now=now, limit=limit), now=now, width=out.width, ink=out.ink)
        return Text.from_ansi(text, no_wrap=True)

    with Live(get_renderable=frame, console=Console(highlight=False), refresh_per_second=1) as shown:
        for known in readings:
            tell(known)
            shown.refresh()


@contextmanager
def _told(address: str | None, limit: int) -> Iterator[Callable[[Watched], None]]:
    """Serve metrics while the command runs, and yield what is to be told of every reading."""
    if address is None:
        yield _nobody
        return
    from defilev.report.metrics import WatchMetrics
    from defilev.report.serving import parse_address, serving

    metrics = WatchMetrics(limit=limit)
    with serving(metrics, parse_address(address)):
        yield metrics.watched


def _nobody(_: Watched) -> None:
    """Tell nobody."""
