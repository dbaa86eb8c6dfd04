"""What a tick gathers, and what it says of it; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from defilev.errors import DefilevError
from defilev.guard.deciding import Judged
from defilev.guard.memory import Memory
from defilev.guard.reading import Reading, Spending
from defilev.guard.triggers import key_of
from defilev.journal import Held, Switch
from defilev.model.guard import Acted, Alert, Decision, Severity
from defilev.model.guard_rules import AccountRule
from defilev.model.request import Address
from defilev.pipeline.unfinished import Unfinished

__all__ = ["Due", "Known", "Told", "is_news", "newest", "outcome_of", "trouble", "urgency"]

_SEVERITIES: dict[str, Severity] = {"done": "info", "dry-run": "warning"}


@dataclass
class Told:
    """What one tick has to say and to remember, gathered while it runs."""

    decisions: list[Decision] = field(default_factory=list)
    acted: list[Acted] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    memories: list[tuple[Held, str, str]] = field(default_factory=list)

    def add(self, other: Told) -> None:
        """Add what another has to say."""
        self.decisions += other.decisions
        self.acted += other.acted
        self.alerts += other.alerts
        self.memories += other.memories


@dataclass(frozen=True, slots=True)
class Known:
    """What holds for every account of one tick: leases, switches, what each reserve lacks, and which keys are at work.

    `busy` has for each such key the names of the accounts that it is at work for.
    """

    held: Mapping[Address, Held]
    switches: Sequence[Switch]
    lacking: Mapping[str, tuple[Alert, ...]]
    busy: Mapping[Address, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Due:
    """An account that is to be acted for: what was decided, on what, under which leases, and what is to be finished."""

    rule: AccountRule
    memory: Memory
    spent: Spending
    judged: Judged
    lease: Held
    epochs: Mapping[Address, int]
    unfinished: Unfinished | None


def urgency(reading: Reading | None) -> Decimal:
    """Return what accounts are sorted by: the health, infinite where nothing is owed or known."""
    health = None if reading is None else reading.health
    return Decimal("Infinity") if health is None else health


def newest(decisions: Iterable[Decision]) -> tuple[Decision, ...]:
    """Return of each account the decision at the highest block, the last one of several; the lowest health first."""
    found: dict[str, Decision] = {}
    for decision in decisions:
        before = found.get(decision.account)
        if before is None or decision.block.number >= before.block.number:
            found[decision.account] = decision
    unowed = float("inf")
    return tuple(sorted(found.values(), key=lambda one: unowed if one.health_factor is None else one.health_factor))


def is_news(decision: Decision, before: Memory) -> bool:
    """Tell whether a decision is worth writing down: it, or the triggers behind it, are not those of the last tick."""
    keys = tuple(key_of(fired) for fired in decision.fired if fired.kind != "parameter-change")
    changed = any(fired.kind == "parameter-change" for fired in decision.fired)
    return changed or decision.verdict != before.verdict or keys != before.fired


def trouble(account: str, kind: str, error: DefilevError) -> Alert:
    """Return what people are told of an error about an account."""
    facts = tuple((name, str(value)) for name, value in error.facts.items())
    return Alert("critical", kind, account, error.fact, (("error", type(error).__name__), *facts))


def outcome_of(acted: Acted) -> Alert:
    """Return what people are told of what came of an action."""
    facts = (("outcome", acted.outcome), ("way", acted.way or "none"), ("transactions", ", ".join(acted.transactions)))
    severity = _SEVERITIES.get(acted.outcome, "critical")
    return Alert(severity, "action-" + acted.outcome, acted.account, acted.text, facts)
