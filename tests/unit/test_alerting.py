"""Alerts on their way to a real web server: delivered, held back, escalated, and never a reason to stop."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from defilev.errors import ConfigurationError, ExtraMissing, KeystoreInsecure, KeystoreInvalid, UsageError
from defilev.guard.alerting import Alerting, built, built_heartbeat, try_out
from defilev.guard.alerting.delivering import deliver, message_of
from defilev.guard.alerting.sinks import LogSink, Message, WebhookSink
from defilev.journal import Alerted, alerted, alerts_of, open_journal, place_of
from defilev.model.alerting import AlertRules, HeartbeatRule, QuietRule, SinkRule, UrlPlace
from defilev.model.guard import Alert, Decision, TickReport
from tests.support.decisions import a_decision
from tests.support.hooks import Hook, hook
from tests.support.schemas import schema_problems

CRITICAL = Alert("critical", "trigger-fired", "main", "health is 1.2, past 1.3", (("figure", "1.2"),))
CLEARED = Alert("info", "trigger-cleared", "main", "health no longer fires")


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Broken:
    """A sink with a defect."""

    def send(self, message: Message) -> None:
        """Fail as nothing should."""
        raise RuntimeError("https://host/SECRET is broken")


@pytest.fixture
def server() -> Iterator[Hook]:
    """Serve what a webhook leads to."""
    with hook() as running:
        yield running


@pytest.fixture
def second() -> Iterator[Hook]:
    """Serve another one."""
    with hook() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def records() -> list[Alerted]:
    """Return what was written down."""
    return []


def webhooks(**rules: str) -> tuple[SinkRule, ...]:
    """Return rules of webhooks by name, each with its least severity, or `escalated`."""
    return tuple(
        SinkRule(name, "webhook", UrlPlace(file=name), only_escalated=True)
        if least == "escalated"
        else SinkRule(name, "webhook", UrlPlace(file=name), least)  # type: ignore[arg-type]
        for name, least in rules.items()
    )


def tick(*decisions: Decision, alerts: tuple[Alert, ...] = (), is_read: bool = True) -> TickReport:
    """Return the report of a tick."""
    return TickReport(
        number=1,
        block=a_decision().block if is_read else None,
        is_leader=True,
        is_broadcasting=False,
        decisions=decisions,
        acted=(),
        alerts=alerts,
        missed=0,
        rpc_calls=3,
        milliseconds=100,
        next_at=None,
    )


def states(server: Hook) -> list[str]:
    """Return what was told to a web server, and as what."""
    return [f"{document['kind']} {document['state']}" for document in server.documents]


def test_a_webhook_is_sent_the_document(server: Hook) -> None:
    """One POST with the published document; the log has the same on a line."""
    log = io.StringIO()
    message = message_of(CRITICAL, state="raised", at=1)
    found = deliver(message, {"ops": WebhookSink(server.url), "log": LogSink(log)})

    assert {"ops": "sent", "log": "sent"} == found
    (document,) = server.documents
    assert [] == schema_problems(document)
    assert "CRITICAL main: health is 1.2, past 1.3" == document["text"]
    assert "CRITICAL main: health is 1.2, past 1.3 (figure: 1.2)\n" == log.getvalue()


def test_a_log_may_be_lines_of_json(server: Hook) -> None:
    """Programs read the same document from it."""
    log = io.StringIO()
    LogSink(log, is_json=True).send(message_of(CRITICAL, state="raised", at=1))

    assert [] == schema_problems(json.loads(log.getvalue()))


@pytest.mark.parametrize(
    ("change", "expected"),
    [({"status": 503}, "failed: HTTP 503"), ({"status": 302, "location": "http://127.0.0.1:9/"}, "failed: HTTP 302")],
)
def test_a_webhook_that_refuses_has_not_taken_it(server: Hook, change: dict[str, Any], expected: str) -> None:
    """Only a status of success counts, and no redirection is followed: it would be sent to somebody else."""
    for name, value in change.items():
        setattr(server, name, value)

    assert expected == deliver(message_of(CRITICAL, state="raised", at=1), {"ops": WebhookSink(server.url)})["ops"]


def test_nobody_is_waited_for(server: Hook, second: Hook) -> None:
    """A sink that does not answer costs the deadline once, and the others nothing."""
    server.delay = 3.0
    sinks = {"slow": WebhookSink(server.url), "slower": WebhookSink(server.url), "fast": WebhookSink(second.url)}
    began = time.monotonic()
    found = deliver(message_of(CRITICAL, state="raised", at=1), sinks, deadline=0.5)

    assert {"slow": "failed: no answer within 0 s", "slower": "failed: no answer within 0 s", "fast": "sent"} == found
    assert time.monotonic() - began < 1.5


def test_what_a_broken_sink_says_is_not_repeated() -> None:
    """A defect of a sink is named by its class; its words may hold a secret."""
    nowhere = WebhookSink("http://127.0.0.1:9/SECRET")
    found = deliver(message_of(CRITICAL, state="raised", at=1), {"broken": Broken(), "nowhere": nowhere})

    assert {"broken": "failed: RuntimeError", "nowhere": "failed: no connection: ConnectError"} == found


def test_alerts_go_to_whom_they_concern(server: Hook, second: Hook, clock: Clock, records: list[Alerted]) -> None:
    """A sink takes its least severity and what is above; what was told is written down with every delivery."""
    rules = AlertRules(sinks=webhooks(all="info", pager="critical"))
    sinks = {"all": WebhookSink(server.url), "pager": WebhookSink(second.url)}
    alerting = Alerting(rules, sinks, record=records.append, clock=clock)
    alerting.tell(CLEARED)
    alerting.tell(CRITICAL)

    assert ["trigger-cleared raised", "trigger-fired raised"] == states(server)
    assert ["trigger-fired raised"] == states(second)
    assert [{"all": "sent"}, {"all": "sent", "pager": "sent"}] == [record.deliveries for record in records]


def test_the_same_is_not_told_twice(server: Hook, clock: Clock, records: list[Alerted]) -> None:
    """Within the cool-down it is counted, and the count is told with the next one."""
    alerting = Alerting(AlertRules(sinks=webhooks(ops="info")), {"ops": WebhookSink(server.url)}, record=records.append,
                        clock=clock)  # fmt: skip
    for figure in (1.21, 1.2, 1.19):
        alerting.tell(replace(CRITICAL, text=f"health is {figure}, past 1.3"))
        clock.now += 60
    clock.now += 600
    alerting.tell(CRITICAL)

    assert ["trigger-fired raised", "trigger-fired repeated"] == states(server)
    assert [0, 2] == [document["held_back"] for document in server.documents]
    assert 2 == len(records)


def test_silence_is_kept_and_not_written_down(server: Hook, clock: Clock, records: list[Alerted]) -> None:
    """What a rule keeps quiet reaches nobody, and comes when the rule no longer holds."""
    rules = AlertRules(sinks=webhooks(ops="info"), quiet=(QuietRule("critical", ("trigger-cleared",)),))
    alerting = Alerting(rules, {"ops": WebhookSink(server.url)}, record=records.append, clock=clock)
    alerting.tell(CLEARED)
    alerting.tell(CRITICAL)

    assert ["trigger-fired raised"] == states(server)
    assert 1 == len(records)


def test_a_failing_sink_is_told_to_the_others(server: Hook, second: Hook, clock: Clock, records: list[Alerted]) -> None:
    """Once, and not again with every alert; the alert itself has arrived elsewhere."""
    server.status = 500
    rules = AlertRules(sinks=webhooks(ops="info", spare="info"))
    sinks = {"ops": WebhookSink(server.url), "spare": WebhookSink(second.url)}
    alerting = Alerting(rules, sinks, record=records.append, clock=clock)
    alerting.tell(CRITICAL)
    alerting.tell(CLEARED)

    assert ["trigger-fired raised", "sink-failed raised", "trigger-cleared raised"] == states(second)
    assert "alerts do not reach ops" in second.documents[1]["text"]
    assert {"ops": "failed: HTTP 500", "spare": "sent"} == records[0].deliveries


def test_everything_may_fail(clock: Clock, records: list[Alerted]) -> None:
    """When no sink works the guard goes on, and the journal says that nobody was reached."""
    alerting = Alerting(AlertRules(), {"one": Broken(), "two": Broken()}, record=records.append, clock=clock)
    alerting.ticked(tick(alerts=(CRITICAL,)))

    assert {"one": "failed: RuntimeError", "two": "failed: RuntimeError"} == records[0].deliveries


def test_what_nobody_sees_to_is_escalated(server: Hook, second: Hook, clock: Clock, records: list[Alerted]) -> None:
    """After its time everybody is told, also who hears of nothing else; again after a while; and when it is over."""
    rules = AlertRules(sinks=webhooks(ops="critical", boss="escalated"), escalate_after=900)
    sinks = {"ops": WebhookSink(server.url), "boss": WebhookSink(second.url)}
    alerting = Alerting(rules, sinks, record=records.append, clock=clock)
    waiting = a_decision(verdict="wait", reason="the budget of the day is used up")
    for _ in range(5):
        alerting.ticked(tick(waiting))
        clock.now += 450
    alerting.ticked(tick(a_decision(verdict="nothing", reason="no trigger fires")))
    alerting.ticked(tick(a_decision(verdict="nothing", reason="no trigger fires")))

    told = ["unresolved escalated", "unresolved escalated", "unresolved resolved"]
    assert told == states(second) == states(server)
    assert "not seen to for 15 min: the budget of the day is used up" in second.documents[0]["text"]


def test_what_is_seen_to_in_time_is_not_escalated(server: Hook, clock: Clock, records: list[Alerted]) -> None:
    """An account that is well again starts anew."""
    alerting = Alerting(AlertRules(), {"ops": WebhookSink(server.url)}, record=records.append, clock=clock)
    for verdict in ("act", "act", "nothing", "act", "act"):
        alerting.ticked(tick(a_decision(verdict=verdict)))
        clock.now += 500

    assert [] == states(server)


def test_a_new_start_repeats_nothing(server: Hook, clock: Clock, tmp_path: Path) -> None:
    """What the journal has of earlier alerts holds back the same one, and an escalation keeps its time."""
    clock.now = time.time()
    waiting = a_decision(verdict="wait")
    with open_journal(place_of(tmp_path / "journal.db")) as journal:
        for minutes in (0, 5, 9, 2):
            clock.now += 60 * minutes
            alerting = Alerting(AlertRules(), {"ops": WebhookSink(server.url)}, clock=clock,
                                record=lambda told: alerted(journal, told))  # fmt: skip
            alerting.recall(alerts_of(journal))
            acting = Alert("warning", "acting", "main", "health factor 1.21 is below 1.3")
            alerting.ticked(tick(waiting, alerts=(acting,)))

        assert ["acting raised", "unresolved escalated"] == states(server)
        assert 2 == len(alerts_of(journal))


def test_a_heartbeat_says_that_all_is_well(server: Hook, clock: Clock, records: list[Alerted]) -> None:
    """Asked for as often as the rules say, while the chain can be read, and not when it cannot."""
    rules = AlertRules(heartbeat=HeartbeatRule(UrlPlace(credential="beat"), every=60))
    heartbeat = WebhookSink(server.url)
    alerting = Alerting(rules, {}, heartbeat=heartbeat, record=records.append, clock=clock)
    for is_read in (True, True, False, True, False, True):
        alerting.ticked(tick(is_read=is_read))
        clock.now += 30

    assert 3 == len(server.received)
    assert [] == records


def test_a_heartbeat_that_fails_is_told(server: Hook, second: Hook, clock: Clock, records: list[Alerted]) -> None:
    """It stops nothing; people learn that nobody would notice if the guard stopped."""
    server.status = 404
    rules = AlertRules(heartbeat=HeartbeatRule(UrlPlace(credential="beat"), every=60))
    alerting = Alerting(rules, {"ops": WebhookSink(second.url)}, heartbeat=WebhookSink(server.url),
                        record=records.append, clock=clock)  # fmt: skip
    alerting.ticked(tick())

    assert ["heartbeat-failed raised"] == states(second)


def test_memory_does_not_grow(clock: Clock, records: list[Alerted]) -> None:
    """What may be told again anyhow is forgotten."""
    alerting = Alerting(AlertRules(), {}, record=records.append, clock=clock)
    for number in range(200):
        clock.now += 600
        alerting.ticked(tick(alerts=(Alert("warning", "action-done", "main", f"repaid {number}"),)))

    assert len(alerting._told) <= 37


def private(path: Path, content: str) -> str:
    """Write a file for its owner alone."""
    path.write_text(content)
    path.chmod(0o600)
    return str(path)


def test_sinks_are_built_from_private_places(server: Hook, tmp_path: Path) -> None:
    """URLs come from a private file and from a systemd credential; a test reaches every sink."""
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "spare").write_text(f"json://{server.url.removeprefix('http://')}/spare\n")
    (tmp_path / "credentials" / "beat").write_text(f"{server.url}/beat")
    rules = AlertRules(
        sinks=(
            SinkRule("ops", "webhook", UrlPlace(file=private(tmp_path / "ops", f"{server.url}/ops\n"))),
            SinkRule("spare", "apprise", UrlPlace(credential="spare")),
            SinkRule("log", "log"),
        ),
        heartbeat=HeartbeatRule(UrlPlace(credential="beat")),
    )
    environment, log = {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")}, io.StringIO()
    sinks = built(rules, environment=environment, log=log)
    heartbeat = built_heartbeat(rules, environment=environment)
    assert heartbeat is not None
    heartbeat.send(message_of(CRITICAL, state="raised", at=1))

    assert {"ops": "sent", "spare": "sent", "log": "sent"} == try_out(sinks)
    assert {"/ops", "/spare", "/beat"} == {path.rstrip("/") for _, path, _ in server.received}
    assert "this is a test" in log.getvalue()


def test_a_url_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """It lets whoever has it write to people in the guard's name."""
    path = tmp_path / "ops"
    path.write_text("https://host/SECRET")
    path.chmod(0o644)

    with pytest.raises(KeystoreInsecure, match="0644"):
        built(AlertRules(sinks=(SinkRule("ops", "webhook", UrlPlace(file=str(path))),)))


@pytest.mark.parametrize(
    ("kind", "url", "error", "said"),
    [
        ("webhook", "SECRET", ConfigurationError, "is not an http or https URL"),
        ("webhook", "ftp://host/SECRET", ConfigurationError, "is not an http or https URL"),
        ("apprise", "nonsense://SECRET", UsageError, "knows no service"),
    ],
)
def test_a_url_that_leads_nowhere_is_refused(
    tmp_path: Path, kind: Any, url: str, error: type[Exception], said: str
) -> None:
    """The sink is named, and nothing of the URL."""
    place = UrlPlace(file=private(tmp_path / "ops", url))
    with pytest.raises(error, match=said) as caught:
        built(AlertRules(sinks=(SinkRule("ops", kind, place),)))

    assert "SECRET" not in str(caught.value)


def test_credentials_that_are_not_there_are_named(tmp_path: Path) -> None:
    """Without systemd, and without the file."""
    rules = AlertRules(sinks=(SinkRule("ops", "webhook", UrlPlace(credential="ops")),))
    with pytest.raises(ConfigurationError, match="systemd has given none"):
        built(rules, environment={})
    with pytest.raises(KeystoreInvalid, match="cannot be read"):
        built(rules, environment={"CREDENTIALS_DIRECTORY": str(tmp_path)})


def test_without_apprise_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says which extra to install."""
    import sys

    monkeypatch.setitem(sys.modules, "apprise", None)
    place = UrlPlace(file=private(tmp_path / "ops", "tgram://x/y"))
    with pytest.raises(ExtraMissing) as caught:
        built(AlertRules(sinks=(SinkRule("ops", "apprise", place),)))
    assert "defilev[alerts]" in caught.value.fix
