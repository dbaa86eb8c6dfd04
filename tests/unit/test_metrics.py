"""Metrics of a guard, over HTTP and in a file, read back with the parser of Prometheus's own client."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from defilev.errors import ConfigurationError, ExtraMissing, UsageError
from defilev.model.guard import Acted, Alert, TickReport
from defilev.report.guard_metrics import GuardMetrics
from defilev.report.serving import parse_address, serving, write_metrics
from tests.support.decisions import a_decision


def a_report(**change: Any) -> TickReport:
    """Return the report of a tick that acted on one of two accounts."""
    usual: dict[str, Any] = {
        "number": 1,
        "block": a_decision().block,
        "is_leader": True,
        "is_broadcasting": False,
        "decisions": (a_decision(), a_decision(account="spare", health_factor=None, verdict="nothing")),
        "acted": (Acted("main", "dry-run", "planned and tried"),),
        "alerts": (Alert("warning", "acting", "main", "health factor 1.21 is below 1.3"),),
        "missed": 2,
        "rpc_calls": 3,
        "milliseconds": 250,
        "next_at": 1_767_225_612,
    }
    return TickReport(**(usual | change))


def read(text: str) -> dict[str, float]:
    """Return the samples of an exposition by name and labels."""
    return {
        "/".join((sample.name, *sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_tick_is_served() -> None:
    """Counts since the start, figures of the newest tick by account, and no health where nothing is owed."""
    metrics = GuardMetrics()
    metrics.ticked(a_report())
    metrics.ticked(a_report(missed=0))
    with serving(metrics, ("127.0.0.1", 0)) as port:
        found = read(httpx.get(f"http://127.0.0.1:{port}/metrics").text)

    assert (2, 2, 0) == tuple(
        found[f"defilev_guard_{name}_total"] for name in ("ticks", "missed_ticks", "unreadable_ticks")
    )
    assert 1.21 == found["defilev_guard_health_factor/main"]
    assert "defilev_guard_health_factor/spare" not in found
    assert (1, 0) == (found["defilev_guard_verdict/main/act"], found["defilev_guard_verdict/main/nothing"])
    assert 2 == found["defilev_guard_actions_total/main/dry-run"]
    assert 2 == found["defilev_guard_alerts_total/acting/warning"]
    assert (1, 0, 0.25, 3) == tuple(
        found[f"defilev_guard_{name}"] for name in ("leader", "broadcasting", "tick_seconds", "rpc_calls")
    )


def test_a_tick_that_read_nothing_has_no_figures() -> None:
    """What was read before it is not served as if it were new."""
    metrics = GuardMetrics()
    metrics.ticked(a_report())
    metrics.ticked(a_report(block=None, decisions=(), acted=(), next_at=None))
    with serving(metrics, ("127.0.0.1", 0)) as port:
        found = read(httpx.get(f"http://127.0.0.1:{port}/metrics").text)

    assert (0, 1) == (found["defilev_guard_readable"], found["defilev_guard_unreadable_ticks_total"])
    assert not [name for name in found if "health_factor" in name or "block" in name]


def test_a_file_has_the_same(tmp_path: Path) -> None:
    """For the node exporter after a single tick; it replaces the one before it whole."""
    path, metrics = tmp_path / "defilev.prom", GuardMetrics()
    path.write_text("old")
    metrics.ticked(a_report())
    write_metrics(metrics, path)

    assert 1.21 == read(path.read_text())["defilev_guard_health_factor/main"]
    assert [path] == list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """In a folder that does not exist."""
    with pytest.raises(ConfigurationError, match="No such file"):
        write_metrics(GuardMetrics(), tmp_path / "nowhere" / "defilev.prom")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9464", ("127.0.0.1", 9464)),
        (":9464", ("127.0.0.1", 9464)),
        ("0.0.0.0:9464", ("0.0.0.0", 9464)),  # noqa: S104 - asked for by name
        ("[::1]:9464", ("::1", 9464)),
    ],
)
def test_an_address_is_of_this_machine_unless_said(text: str, expected: tuple[str, int]) -> None:
    """A bare port listens on loopback."""
    assert expected == parse_address(text)


@pytest.mark.parametrize("text", ["", "here", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:٣"])
def test_what_is_no_address_is_refused(text: str) -> None:
    """Names, missing and impossible ports."""
    with pytest.raises(UsageError):
        parse_address(text)


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says which extra to install."""
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(ExtraMissing) as caught, serving(GuardMetrics(), ("127.0.0.1", 0)):
        pass
    assert "defilev[metrics]" in caught.value.fix
