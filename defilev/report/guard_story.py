"""What a guard did over some time, account by account, from the rows of its journal; pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from defilev.model.codec import from_document
from defilev.model.guard import Decision
from defilev.units import to_decimal

__all__ = ["Account", "Action", "Point", "Sent", "Story", "Told", "guard_story"]

Row = Mapping[str, Any]
_DRY_RUN = " dry-run"
"""How the chain of a dry run's decisions ends."""

_FIELDS = tuple(field.name for field in fields(Decision))


@dataclass(frozen=True, slots=True)
class Point:
    """A health factor that was read; `health` is `None` when nothing was owed. `at` is the chain's time."""

    at: int
    health: Decimal | None


@dataclass(frozen=True, slots=True)
class Sent:
    """A transaction of an action; `block` is `None` while it is in none."""

    step: int
    hash: str
    state: str
    block: int | None


@dataclass(frozen=True, slots=True)
class Action:
    """A run of the guard: promised against got, and what it cost. `at` is the chain's time of the decision for it.

    Costs are in the market's quote currency, against the oracle; the fee is in units of the native currency. `None`
    where the run did not come so far, and for health where nothing was owed (`is_done` tells them apart).
    """

    run: int
    at: int
    mode: str
    stage: str
    is_done: bool
    stopped_by: str | None
    promised_health: Decimal | None
    got_health: Decimal | None
    cost_expected: Decimal | None
    cost_got: Decimal | None
    fee: Decimal | None
    sent: tuple[Sent, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """One account of the rules: its decisions and actions in their order, and every health factor that is known.

    Decisions of a dry run, which signs nothing, are an account of their own.
    """

    name: str
    is_dry_run: bool
    decisions: tuple[Decision, ...]
    actions: tuple[Action, ...]
    points: tuple[Point, ...]

    @property
    def limits(self) -> tuple[Decimal, ...]:
        """The health factors below which triggers fired, the highest first."""
        fired = [fired for decision in self.decisions for fired in decision.fired if fired.kind == "health"]
        return tuple(sorted({Decimal(trigger.limit) for trigger in fired}, reverse=True))


@dataclass(frozen=True, slots=True)
class Told:
    """An alert; `deliveries` by sink. `at` is by the guard's own clock."""

    at: int
    severity: str
    state: str
    kind: str
    account: str | None
    text: str
    deliveries: Mapping[str, str]

    @property
    def reached(self) -> int:
        """How many sinks took it."""
        return sum(said == "sent" for said in self.deliveries.values())


@dataclass(frozen=True, slots=True)
class Story:
    """All of it, between two Unix times by the chain's clock; alerts the oldest first."""

    since: int
    until: int
    accounts: tuple[Account, ...]
    alerts: tuple[Told, ...]


def guard_story(
    decisions: Iterable[Row], alerts: Iterable[Row], records: Sequence[Mapping[str, Any]], *, since: int, until: int
) -> Story:
    """Return the story.

    Args:
        decisions: rows as the journal's `decisions_of` gives them.
        alerts: rows as its `alerts_of` gives them.
        records: of runs of the guard, as `JournalReader.run` gives them; those that no decision led to are left out.
        since: Unix time; what is older is left out.
        until: Unix time; what is newer is left out.
    """
    by_run = {int(record["run"]["id"]): record for record in records}
    found: dict[tuple[str, bool], list[tuple[Decision, int | None]]] = {}
    for row in sorted(decisions, key=lambda row: int(row["id"])):
        if since <= row["block_time"] <= until:
            document = json.loads(row["document"])
            decision = from_document(Decision, {name: document[name] for name in _FIELDS if name in document})
            key = (decision.account, row["chain"].endswith(_DRY_RUN))
            found.setdefault(key, []).append((decision, row["run"]))
    told = (_told(row) for row in sorted(alerts, key=lambda row: int(row["id"])))
    return Story(
        since=since,
        until=until,
        accounts=tuple(_account(name, found[name, dry], by_run, is_dry_run=dry) for name, dry in sorted(found)),
        alerts=tuple(alert for alert in told if since <= alert.at <= until),
    )


def _account(
    name: str,
    entries: Sequence[tuple[Decision, int | None]],
    by_run: Mapping[int, Mapping[str, Any]],
    *,
    is_dry_run: bool,
) -> Account:
    decisions = tuple(decision for decision, _ in entries)
    runs = {run: made.block.timestamp for made, run in entries if run is not None and run in by_run}
    points = {decision.block.timestamp: _health(decision.health_factor) for decision in decisions}
    for run in runs:
        points |= {seen["block_time"]: _health(seen["health_factor"]) for seen in by_run[run]["observation"]}
    return Account(
        name=name,
        is_dry_run=is_dry_run,
        decisions=decisions,
        actions=tuple(_action(by_run[run], at=began) for run, began in runs.items()),
        points=tuple(Point(at, points[at]) for at in sorted(points)),
    )


def _action(record: Mapping[str, Any], *, at: int) -> Action:
    run = record["run"]
    outcome: Row | None = next(iter(record["outcome"]), None)
    promise: Row | None = outcome or (record["plan"][-1] if record["plan"] else None)
    scale = 0 if outcome is None else int(outcome["quote_decimals"])
    return Action(
        run=int(run["id"]),
        at=at,
        mode=run["mode"],
        stage=run["stage"],
        is_done=outcome is not None,
        stopped_by=run["stopped_by"],
        promised_health=_health(promise["promised_health_factor"]) if promise else None,
        got_health=_health(outcome["got_health_factor"]) if outcome else None,
        cost_expected=_scaled(outcome["cost_expected"], scale) if outcome else None,
        cost_got=_scaled(outcome["cost_got"], scale) if outcome else None,
        fee=_scaled(outcome["fee_paid"], 18) if outcome else None,
        sent=tuple(_sent(record)),
    )


def _sent(record: Mapping[str, Any]) -> Iterable[Sent]:
    """Yield the transactions that were signed, in the order of their steps."""
    blocks = {receipt["hash"]: receipt["block_number"] for receipt in record["receipt"]}
    intents = {intent["id"]: intent for intent in record["intent"]}
    attempts = sorted(record["attempt"], key=lambda attempt: (intents[attempt["intent"]]["step"], attempt["number"]))
    for attempt in attempts:
        intent = intents[attempt["intent"]]
        state = "REPLACED" if attempt["settled"] == "replaced" else intent["state"]
        yield Sent(intent["step"], attempt["hash"], state, blocks.get(attempt["hash"]))


def _told(row: Row) -> Told:
    return Told(
        at=_unix(row["at"]),
        **{name: row[name] for name in ("severity", "state", "kind", "account", "text", "deliveries")},
    )


def _unix(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def _health(wad: int | None) -> Decimal | None:
    return None if wad is None else to_decimal(wad, 18)


def _scaled(value: int | None, decimals: int) -> Decimal | None:
    return None if value is None else Decimal(value).scaleb(-decimals)
