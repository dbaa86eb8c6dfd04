"""What Prometheus is told of a guard, from the reports of its ticks; docs/alerts.md describes every series."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from defilev.model.guard import TickReport
from defilev.units import to_decimal

if TYPE_CHECKING:
    from prometheus_client.core import GaugeMetricFamily, Metric

__all__ = ["GuardMetrics"]

_VERDICTS = ("nothing", "alert", "act", "wait", "held")


class GuardMetrics:
    """A collector. Figures of accounts are those of the newest tick, and absent when it could not read the chain."""

    def __init__(self) -> None:
        self._last: TickReport | None = None
        self._counts: Counter[str] = Counter()
        self._alerts: Counter[tuple[str, str]] = Counter()
        self._actions: Counter[tuple[str, str]] = Counter()

    def ticked(self, report: TickReport) -> None:
        """Take the report of a tick."""
        self._last = report
        self._counts["ticks"] += 1
        self._counts["missed_ticks"] += report.missed
        self._counts["unreadable_ticks"] += report.block is None
        self._alerts.update((alert.kind, alert.severity) for alert in report.alerts)
        self._actions.update((acted.account, acted.outcome) for acted in report.acted)

    def collect(self) -> Iterator[Metric]:
        """Yield every series."""
        texts = {
            "ticks": "Ticks.",
            "missed_ticks": "Ticks that should have come and did not.",
            "unreadable_ticks": "Ticks that could not read the chain.",
        }
        for name, text in texts.items():
            yield from self._counter(name, text)
        yield self._labelled("alerts", "Alerts, before any is held back.", ("kind", "severity"), self._alerts)
        yield self._labelled("actions", "Actions by what came of them.", ("account", "outcome"), self._actions)
        if self._last is not None:
            yield from _process(self._last)
            yield from _accounts(self._last)

    def _counter(self, name: str, text: str) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily

        yield CounterMetricFamily(f"defilev_guard_{name}", text, value=self._counts[name])

    def _labelled(self, name: str, text: str, labels: tuple[str, str], counts: Counter[tuple[str, str]]) -> Metric:
        from prometheus_client.core import CounterMetricFamily

        family = CounterMetricFamily(f"defilev_guard_{name}", text, labels=labels)
        for values, count in sorted(counts.items()):
            family.add_metric(values, count)
        return family


def _process(last: TickReport) -> Iterator[GaugeMetricFamily]:
    yield _gauge("readable", "1 when the newest tick read the chain.", int(last.block is not None))
    yield _gauge("leader", "1 while this process holds every lease that it asks for.", int(last.is_leader))
    yield _gauge("broadcasting", "1 when it signs and sends, 0 in a dry run.", int(last.is_broadcasting))
    yield _gauge("tick_seconds", "What the newest tick took.", last.milliseconds / 1000)
    yield _gauge("rpc_calls", "Round trips of the newest tick.", last.rpc_calls)
    if last.block is not None:
        yield _gauge("block_number", "Block of the newest tick.", last.block.number)
        yield _gauge("block_timestamp_seconds", "Its time by the chain's clock.", last.block.timestamp)
    if last.next_at is not None:
        yield _gauge("next_tick_timestamp_seconds", "When the next tick is due, by the chain's clock.", last.next_at)


def _accounts(last: TickReport) -> Iterator[GaugeMetricFamily]:
    from prometheus_client.core import GaugeMetricFamily

    health = GaugeMetricFamily("defilev_guard_health_factor", "Absent when nothing is owed.", labels=("account",))
    debt = GaugeMetricFamily("defilev_guard_debt_value", "In the market's quote currency.", labels=("account",))
    verdicts = GaugeMetricFamily("defilev_guard_verdict", "1 for what was decided.", labels=("account", "verdict"))
    for decision in last.decisions:
        labels = [decision.account]
        if decision.health_factor is not None:
            health.add_metric(labels, float(to_decimal(decision.health_factor, 18)))
        debt.add_metric(labels, float(to_decimal(decision.debt_value, decision.quote_decimals)))
        for verdict in _VERDICTS:
            verdicts.add_metric([*labels, verdict], int(decision.verdict == verdict))
    yield from (health, debt, verdicts)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    from prometheus_client.core import GaugeMetricFamily

    return GaugeMetricFamily(f"defilev_guard_{name}", text, value=value)
