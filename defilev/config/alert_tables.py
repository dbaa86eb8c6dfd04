"""The `[alerts]` table of a rules file as it is written, and what it says."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from defilev.config.values import parse_duration, written
from defilev.model.alerting import AlertRules, HeartbeatRule, QuietRule, SinkRule, UrlPlace
from defilev.model.guard import Severity

__all__ = ["AlertsTable"]

_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")

Seconds = Annotated[int, written(lambda text: parse_duration(text, what="duration"))]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]+(?:[-_][a-z0-9]+)*$", max_length=40)]
Credential = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$", max_length=100)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _WithUrl(_Table):
    """A URL by reference: it holds a key more often than not, and a rules file is shown to others."""

    url_file: str | None = Field(default=None, min_length=1)
    credential: Credential | None = None

    @property
    def place(self) -> UrlPlace | None:
        if self.url_file is None and self.credential is None:
            return None
        return UrlPlace(file=self.url_file, credential=self.credential)


class SinkTable(_WithUrl):
    """One `[[alerts.sink]]`."""

    name: Name
    kind: Literal["log", "webhook", "apprise"]
    least: Severity = "info"
    only_escalated: bool = False

    @model_validator(mode="after")
    def _with_its_url(self) -> Self:
        given = [place for place in (self.url_file, self.credential) if place is not None]
        if self.kind == "log" and given:
            raise ValueError("a log has no URL")
        if self.kind != "log" and len(given) != 1:
            raise ValueError(f"a sink of kind {self.kind} needs one of url_file and credential")
        return self


class QuietTable(_Table):
    """One `[[alerts.quiet]]`."""

    below: Severity = "critical"
    kinds: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    between: str | None = None

    @model_validator(mode="after")
    def _with_a_time(self) -> Self:
        if self.between is not None and not _TIME.fullmatch(self.between):
            raise ValueError("between is not a time of the day in UTC; write it as 22:00-07:00")
        if self.below == "info":
            raise ValueError("nothing is below info")
        return self

    @property
    def minutes(self) -> tuple[int, int] | None:
        """The minutes of the day."""
        found = _TIME.fullmatch(self.between or "")
        if found is None:
            return None
        begins, ends = int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
        return begins, ends


class CoolDownTable(_Table):
    """`[alerts.cool_down]`."""

    info: Seconds = 6 * 3600
    warning: Seconds = 3600
    critical: Annotated[Seconds, Field(le=3600)] = 600


class HeartbeatTable(_WithUrl):
    """`[alerts.heartbeat]`."""

    every: Seconds = 60

    @model_validator(mode="after")
    def _with_its_url(self) -> Self:
        if (self.url_file is None) == (self.credential is None):
            raise ValueError("a heartbeat needs one of url_file and credential")
        return self


class AlertsTable(_Table):
    """`[alerts]`."""

    sink: tuple[SinkTable, ...] = ()
    quiet: tuple[QuietTable, ...] = ()
    cool_down: CoolDownTable = CoolDownTable()
    escalate_after: Annotated[Seconds, Field(ge=60, le=24 * 3600)] = 900
    heartbeat: HeartbeatTable | None = None

    @model_validator(mode="after")
    def _each_name_once(self) -> Self:
        names = [sink.name for sink in self.sink]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"two sinks are called {twice}")
        return self

    def rules(self) -> AlertRules:
        """Return what the table says."""
        beat = self.heartbeat
        return AlertRules(
            sinks=tuple(
                SinkRule(sink.name, sink.kind, sink.place, sink.least, only_escalated=sink.only_escalated)
                for sink in self.sink
            ),
            quiet=tuple(QuietRule(rule.below, rule.kinds, rule.accounts, rule.minutes) for rule in self.quiet),
            cool_down={
                "info": self.cool_down.info,
                "warning": self.cool_down.warning,
                "critical": self.cool_down.critical,
            },
            escalate_after=self.escalate_after,
            heartbeat=None if beat is None or beat.place is None else HeartbeatRule(beat.place, beat.every),
        )
