"""Alerts of a guard on their way to people: told once, again after a while, escalated when nobody saw to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from defilev.guard.alerting.delivering import SENT, deliver, message_of
from defilev.guard.alerting.quieting import Told, about, stands
from defilev.guard.alerting.redaction import redacted
from defilev.guard.alerting.sinks import Sink
from defilev.journal.alerting import Alerted, AlertState
from defilev.model.alerting import AlertRules, SinkRule, rank
from defilev.model.guard import Alert, Decision, Severity, TickReport

__all__ = ["Alerting"]

_UNSOLVED = frozenset({"act", "wait", "held"})
"""Verdicts that say that an account should not be as it is."""

HEARTBEAT_DEADLINE = 3.0
"""Seconds that a heartbeat may keep the guard waiting."""


class Alerting:
    """Tells people what a guard has to say. No sink and no heartbeat can make it fail; `record` may.

    Args:
        rules: whom to tell, and how often.
        sinks: by name, as `built` makes them.
        heartbeat: what is sent something while all is well, as often as the rules say.
        record: is told every alert after it was handed to its sinks; the journal's `alerted`.
        clock: Unix time.
    """

    def __init__(
        self,
        rules: AlertRules,
        sinks: Mapping[str, Sink],
        *,
        heartbeat: Sink | None = None,
        record: Callable[[Alerted], Any],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._rules = rules
        self._sinks = dict(sinks)
        self._by_name: dict[str, SinkRule] = {rule.name: rule for rule in rules.sinks}
        self._heartbeat = heartbeat
        self._record = record
        self._clock = clock
        self._told: dict[str, Told] = {}
        self._since: dict[str, int] = {}
        self._escalated: dict[str, int] = {}
        self._beat_at = 0

    def recall(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take up what earlier processes told, as the journal's `alerts_of` gives it: a new start repeats nothing."""
        for row in sorted(rows, key=lambda row: int(row["id"])):
            alert = Alert(row["severity"], row["kind"], row["account"], row["text"])
            at = int(datetime.fromisoformat(row["at"]).timestamp())
            self._told[about(alert)] = Told(at, alert.severity)
            self._recall_account(alert, row["state"], at)

    def ticked(self, report: TickReport) -> None:
        """Tell what a tick has to say, then what nobody has seen to, and that the guard is alive."""
        for alert in report.alerts:
            self.tell(alert)
        for decision in report.decisions:
            self._see_to(decision)
        self._forget()
        if report.block is not None:
            self._beat()

    def tell(self, alert: Alert) -> None:
        """Tell one alert, unless the same was told a short while ago or the rules keep it quiet."""
        shown, now = redacted(alert), int(self._clock())
        key = about(shown)
        last = self._told.get(key)
        state = stands(shown, last, self._rules, now=now)
        if state is None:
            if last is not None:
                self._told[key] = Told(last.at, last.severity, last.held_back + 1)
            return
        self._told[key] = Told(now, shown.severity)
        self._send(shown, state, held_back=0 if last is None else last.held_back)

    def _send(self, alert: Alert, state: AlertState, *, held_back: int = 0) -> None:
        chosen = {name: sink for name, sink in self._sinks.items() if self._goes_to(name, alert.severity, state)}
        failed = self._hand_over(alert, state, chosen, held_back=held_back)
        for name, why in failed.items():
            self._tell_of_sink(name, why)

    def _hand_over(
        self, alert: Alert, state: AlertState, sinks: Mapping[str, Sink], *, held_back: int = 0
    ) -> dict[str, str]:
        """Deliver and record; return by sink what failed."""
        message = message_of(alert, state=state, at=int(self._clock()), held_back=held_back)
        deliveries = deliver(message, sinks)
        self._record(Alerted(alert, state, deliveries))
        return {name: said for name, said in deliveries.items() if said != SENT}

    def _tell_of_sink(self, name: str, why: str) -> None:
        """Tell the other sinks that one fails, as seldom as anything else; whether they fail too is not told."""
        alert = Alert("warning", "sink-failed", None, f"alerts do not reach {name}", (("why", why),))
        now, key = int(self._clock()), about(alert)
        state = stands(alert, self._told.get(key), self._rules, now=now)
        if state is not None:
            self._told[key] = Told(now, alert.severity)
            self._hand_over(alert, state, {other: sink for other, sink in self._sinks.items() if other != name})

    def _goes_to(self, name: str, severity: Severity, state: AlertState) -> bool:
        rule = self._by_name.get(name)
        if rule is None or state in ("escalated", "resolved"):
            return True
        return not rule.only_escalated and rank(severity) >= rank(rule.least)

    def _see_to(self, decision: Decision) -> None:
        """Escalate what has lasted too long, and say when it is over."""
        name, now = decision.account, int(self._clock())
        if decision.verdict not in _UNSOLVED:
            self._since.pop(name, None)
            if self._escalated.pop(name, None) is not None:
                self._send(Alert("info", "unresolved", name, f"it is over: {decision.reason}"), "resolved")
            return
        since = self._since.setdefault(name, now)
        last = self._escalated.get(name)
        due = since + self._rules.escalate_after if last is None else last + self._rules.cool_down["critical"]
        if now >= due:
            self._escalated[name] = now
            minutes = (now - since) // 60
            text = f"not seen to for {minutes} min: {decision.reason}"
            self._send(redacted(Alert("critical", "unresolved", name, text, _facts(decision))), "escalated")

    def _forget(self) -> None:
        """Let go of what may be told again anyhow."""
        oldest = self._clock() - max(self._rules.cool_down.values())
        self._told = {key: told for key, told in self._told.items() if told.at >= oldest}

    def _recall_account(self, alert: Alert, state: str, at: int) -> None:
        name = alert.account
        if name is None:
            return
        if alert.kind == "unresolved":
            if state == "escalated":
                self._escalated[name] = at
            else:
                self._escalated.pop(name, None)
        if alert.kind == "trigger-cleared" or state == "resolved":
            self._since.pop(name, None)
        elif alert.kind.startswith(("acting", "action-", "unresolved")):
            self._since.setdefault(name, at)

    def _beat(self) -> None:
        rule, now = self._rules.heartbeat, int(self._clock())
        if rule is None or self._heartbeat is None or now - self._beat_at < rule.every:
            return
        self._beat_at = now
        alive = message_of(Alert("info", "heartbeat", None, "the guard is alive"), state="raised", at=now)
        said = deliver(alive, {"heartbeat": self._heartbeat}, deadline=HEARTBEAT_DEADLINE)["heartbeat"]
        if said != SENT:
            failed = "the URL of the heartbeat does not answer as it should"
            self.tell(Alert("warning", "heartbeat-failed", None, failed, (("why", said),)))


def _facts(decision: Decision) -> tuple[tuple[str, str], ...]:
    health = decision.health_factor
    stated = "no debt" if health is None else f"{health / 10**18:.4f}"
    return (("health", stated), ("block", str(decision.block.number)), ("verdict", decision.verdict))
