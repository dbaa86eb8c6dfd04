"""What Prometheus is told of watched accounts; docs/watch.md describes every series."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from defilev.report.perp import PerpView, View
from defilev.report.watch import Watched, as_of
from defilev.units import to_decimal

if TYPE_CHECKING:
    from prometheus_client.core import GaugeMetricFamily, Metric

__all__ = ["WatchMetrics"]

_LABELS = ("chain_id", "protocol", "market", "address", "name")
_STATUSES = ("OK", "LOW", "DANGER", "LIQUIDATABLE")
_FIGURES = {
    "health_factor": "Health factor; absent when nothing is owed.",
    "collateral_value": "Collateral in the market's quote currency.",
    "debt_value": "Debt in the market's quote currency.",
    "equity_value": "Equity in the market's quote currency.",
    "leverage": "Collateral, or the notional of a perpetual, over equity; absent without equity.",
    "margin_value": "Margin of a perpetual in its quote currency.",
    "notional": "What the legs of a perpetual are worth at the mark, whatever their side.",
}


class WatchMetrics:
    """A collector. Figures of accounts are there while they are fresh, and absent else: a stale one never looks new.

    Args:
        limit: seconds after a look until the next one must have ended.
        clock: Unix time.
    """

    def __init__(self, *, limit: int, clock: Callable[[], float] = time.time) -> None:
        self._limit = limit
        self._clock = clock
        self._known: Watched | None = None
        self._readings = 0
        self._failures: Counter[str] = Counter()

    def watched(self, watched: Watched) -> None:
        """Take what is known now."""
        if watched.failure is None:
            self._readings += 1
        else:
            self._failures[type(watched.failure).__name__] += 1
        self._known = watched

    def collect(self) -> Iterator[Metric]:
        """Yield every series."""
        from prometheus_client.core import CounterMetricFamily

        yield CounterMetricFamily("defilev_readings", "Good readings.", value=self._readings)
        failures = CounterMetricFamily(
            "defilev_failures", "Looks that failed, by the class of error.", labels=["error"]
        )
        for name, count in sorted(self._failures.items()):
            failures.add_metric([name], count)
        yield failures
        if self._known is not None:
            known = as_of(self._known, now=int(self._clock()), limit=self._limit)
            yield from _chain(known)
            yield from _accounts(known)


def _chain(known: Watched) -> Iterator[GaugeMetricFamily]:
    block = known.chain.block
    yield _gauge("defilev_fresh", "1 while the newest look succeeded and blocks come.", int(known.failure is None))
    yield _gauge("defilev_block_number", "Block of the newest good reading.", block.number)
    yield _gauge("defilev_block_timestamp_seconds", "Its time by the chain's clock.", block.timestamp)
    yield _gauge("defilev_looked_at_seconds", "Time of the newest look.", known.looked_at)


def _accounts(known: Watched) -> Iterator[GaugeMetricFamily]:
    from prometheus_client.core import GaugeMetricFamily

    views = () if known.failure is not None else known.report.all_views
    figures = {name: GaugeMetricFamily(f"defilev_{name}", text, labels=_LABELS) for name, text in _FIGURES.items()}
    status = GaugeMetricFamily("defilev_status", "1 for the status it has.", labels=(*_LABELS, "status"))
    for view in views:
        labels = _labels(view)
        for name, value in _figures_of(view).items():
            if value is not None:
                figures[name].add_metric(labels, float(value))
        for word in _STATUSES:
            status.add_metric([*labels, word], int(view.status == word))
    yield from (*figures.values(), status)


def _figures_of(view: View) -> dict[str, Any]:
    if isinstance(view, PerpView):
        return {
            "health_factor": view.health_factor,
            "equity_value": view.balance.equity_value,
            "leverage": view.balance.leverage,
            "margin_value": view.balance.margin_value,
            "notional": view.balance.notional,
        }
    account, balance = view.account, view.balance
    return {
        "health_factor": view.health_factor,
        "collateral_value": to_decimal(account.collateral_value, account.quote_decimals),
        "debt_value": to_decimal(account.debt_value, account.quote_decimals),
        "equity_value": balance.equity_value,
        "leverage": balance.leverage,
    }


def _labels(view: View) -> list[str]:
    account = view.account
    return [str(account.chain_id), account.protocol, account.market, account.owner, view.name or ""]


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    from prometheus_client.core import GaugeMetricFamily

    return GaugeMetricFamily(name, text, value=value)
