"""Whom a guard tells what: sinks, pauses between the same alert, silence, escalation, a heartbeat. Holds no secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from defilev.model.guard import Alert, Severity

__all__ = ["SEVERITIES", "AlertRules", "HeartbeatRule", "QuietRule", "SinkRule", "UrlPlace", "rank"]

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
"""From what can wait to what cannot."""


def rank(severity: Severity) -> int:
    """Return how severe it is, from zero."""
    return SEVERITIES.index(severity)


@dataclass(frozen=True, slots=True)
class UrlPlace:
    """Where a URL is kept, which is a secret: in a private `file`, or in a systemd credential of that name."""

    file: str | None = None
    credential: str | None = None


@dataclass(frozen=True, slots=True)
class SinkRule:
    """Where alerts go: those of at least that severity, or with `only_escalated` those that nobody saw to in time.

    `url` is `None` for `log`, which has none.
    """

    name: str
    kind: Literal["log", "webhook", "apprise"]
    url: UrlPlace | None = None
    least: Severity = "info"
    only_escalated: bool = False


@dataclass(frozen=True, slots=True)
class QuietRule:
    """Alerts that are not told: those of lower severity than `below`, of any of the kinds and accounts, at that time.

    No kinds are all of them, and so are no accounts. `between` are two minutes of the day in UTC, the first included;
    the second may be the smaller one, on the day after; `None` is always. Critical alerts are always told.
    """

    below: Severity
    kinds: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    between: tuple[int, int] | None = None

    def covers(self, alert: Alert, *, minute: int) -> bool:
        """Tell whether the alert is not told at that minute of the day."""
        if rank(alert.severity) >= rank(self.below):
            return False
        if self.kinds and alert.kind not in self.kinds:
            return False
        if self.accounts and alert.account not in self.accounts:
            return False
        if self.between is None:
            return True
        begins, ends = self.between
        return begins <= minute < ends if begins <= ends else (minute >= begins or minute < ends)


@dataclass(frozen=True, slots=True)
class HeartbeatRule:
    """A URL that is asked for every so many seconds while all is well: whoever watches it misses it when it stops."""

    url: UrlPlace
    every: int = 60


def _cool_downs() -> Mapping[Severity, int]:
    return {"info": 6 * 3600, "warning": 3600, "critical": 600}


@dataclass(frozen=True, slots=True)
class AlertRules:
    """All that a guard was told about telling people.

    `cool_down`: by severity, the seconds in which the same thing is not told twice. `escalate_after`: the seconds after
    which what was not seen to is told again, to everybody.
    """

    sinks: tuple[SinkRule, ...] = ()
    quiet: tuple[QuietRule, ...] = ()
    cool_down: Mapping[Severity, int] = field(default_factory=_cool_downs)
    escalate_after: int = 900
    heartbeat: HeartbeatRule | None = None

    @property
    def reaches_people(self) -> bool:
        """Whether a critical alert goes anywhere but into a log."""
        return any(sink.kind != "log" and not sink.only_escalated for sink in self.sinks)
