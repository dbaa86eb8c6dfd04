"""What is seen of a guard from outside: alerts to people, metrics, the report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from defilev import __version__
from defilev.cli.who import names_in_book
from defilev.config.guard_rules import load_guard_rules
from defilev.config.values import parse_duration
from defilev.errors import ConfigurationError, DataError, DefilevError, Refused, UnknownName, UsageError
from defilev.guard.alerting import Alerting, built, built_heartbeat, try_out
from defilev.journal import (
    Alerted,
    Journal,
    Place,
    alerted,
    alerts_of,
    decisions_of,
    open_for_reading,
    open_journal,
    place_of,
)
from defilev.model.guard import Alert, TickReport
from defilev.report.guard_html import Footer, guard_html
from defilev.report.guard_metrics import GuardMetrics
from defilev.report.guard_story import Story, guard_story
from defilev.report.serving import parse_address, serving, write_metrics

if TYPE_CHECKING:
    from defilev.cli.context import Run
    from defilev.cli.output import Output
    from defilev.model.guard_rules import GuardRules

__all__ = ["Outside", "report_of", "require_heard", "tell_of_end", "tried_alerts", "write_page"]

_REMEMBERED = 86_400
"""Seconds; older alerts hold nothing back any more."""


@dataclass(frozen=True, slots=True)
class Outside:
    """Where the ticks of a guard are told: metrics at an address, metrics in a file; `None` for neither."""

    metrics: str | None = None
    metrics_file: Path | None = None

    @contextmanager
    def telling(
        self, rules: GuardRules, journal: Journal, *, chain_id: int, out: Output
    ) -> Iterator[Callable[[TickReport], None]]:
        """Yield what is told of every tick.

        Raises:
            KeyFailure, ConfigurationError, UsageError: a sink, the heartbeat or the metrics cannot be set up.
        """
        alerting = _alerting(rules, journal, chain_id=chain_id, is_json=out.json)
        metrics = GuardMetrics()
        with ExitStack() as stack:
            if self.metrics is not None:
                stack.enter_context(serving(metrics, parse_address(self.metrics)))

            def tell(report: TickReport) -> None:
                alerting.ticked(report)
                metrics.ticked(report)
                self._write(metrics, out)

            yield tell

    def _write(self, metrics: GuardMetrics, out: Output) -> None:
        """Write the file of metrics; a disk that refuses costs the metrics, and not the guard."""
        if self.metrics_file is None:
            return
        try:
            write_metrics(metrics, self.metrics_file)
        except ConfigurationError as error:
            out.warning(error.fact)


def tell_of_end(rules: GuardRules, place: Place, error: DefilevError, *, is_json: bool) -> None:
    """Tell every sink that the guard could not begin or go on; a journal that cannot be used keeps nobody from it."""
    facts = tuple((name, str(value)) for name, value in error.facts.items())
    alert = Alert("critical", "guard-ended", None, error.fact, (("error", type(error).__name__), *facts))
    try:
        with open_journal(place) as journal:
            _alerting(rules, journal, chain_id=None, is_json=is_json).tell(alert)
    except DataError:
        sinks = built(rules.alerts, is_json=is_json)
        Alerting(rules.alerts, sinks, record=lambda _: None).tell(alert)


def require_heard(rules: GuardRules) -> None:
    """Raise `Refused` when a critical alert would reach nobody: nobody would know that the guard needs help."""
    if not rules.alerts.reaches_people:
        raise Refused(
            "the guard would sign unattended, and its alerts reach nobody",
            fix="name a sink of kind webhook or apprise under [alerts], and try it with `defilev guard test-alert`",
            rules=rules.source,
        )


def tried_alerts(run: Run, file: Path) -> dict[str, str]:
    """Send a test to every sink of the rules, and to the heartbeat; return what came of it by name.

    Raises:
        UsageError: the rules name none.
    """
    rules = load_guard_rules(file, names=names_in_book(run)).alerts
    sinks = built(rules, is_json=run.output.json)
    if (heartbeat := built_heartbeat(rules)) is not None:
        sinks["heartbeat"] = heartbeat
    if not sinks:
        raise UsageError("the rules name nobody to tell", fix="name a sink under [alerts]; docs/alerts.md shows how")
    return try_out(sinks)


def report_of(run: Run, since: str | None) -> tuple[Story, Footer]:
    """Return what guards did since so long ago, from the beginning when that is `None`.

    Raises:
        UnknownName: there is no journal yet.
    """
    seconds = None if since is None else parse_duration(since, what="--since")
    found = open_for_reading(place_of(run.load().values.journal))
    if found is None:
        raise UnknownName("there is no journal yet", fix="the guard makes one at its first tick")
    with found:
        decisions, alerts = decisions_of(found), alerts_of(found)
        runs = sorted({row["run"] for row in decisions if row["run"] is not None})
        times = [row["block_time"] for row in decisions]
        now = int(time.time())
        begins = min(times, default=now) if seconds is None else now - seconds
        ends = max(times, default=now) if seconds is None else now
        story = guard_story(
            decisions, alerts, [found.run(number) for number in runs], since=begins, until=max(ends, begins + 60)
        )
        return story, Footer(found.shown, found.head(), __version__)


def write_page(path: Path, story: Story, footer: Footer) -> None:
    """Write the page to a file, replacing what was there; raises `ConfigurationError` when it cannot."""
    try:
        path.write_text(guard_html(story, footer), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}", fix="choose another file") from None


def _alerting(rules: GuardRules, journal: Journal, *, chain_id: int | None, is_json: bool) -> Alerting:
    def record(told: Alerted) -> None:
        alerted(journal, Alerted(told.alert, told.state, told.deliveries, chain_id))

    alerting = Alerting(
        rules.alerts,
        built(rules.alerts, is_json=is_json),
        heartbeat=built_heartbeat(rules.alerts),
        record=record,
    )
    alerting.recall(alerts_of(journal, since=_iso(time.time() - _REMEMBERED)))
    return alerting


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")
