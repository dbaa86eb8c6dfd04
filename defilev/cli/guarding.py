"""The stages of `defilev guard`: rules, the chain, keys, the journal, and then tick after tick."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Literal

from defilev.cli.consent import require_own_settings
from defilev.cli.guard_outside import Outside, require_heard, tell_of_end
from defilev.cli.keys import keystore_path, password_for, remote_signer, unlock
from defilev.cli.who import names_in_book
from defilev.config.guard_rules import load_guard_rules
from defilev.config.values import parse_duration
from defilev.errors import ConditionBreached, DataError, KeyFailure, Refused, UnknownName, UsageError
from defilev.guard.acting import Hands, require_two_words
from defilev.guard.checking import require_meant, rules_of_chain
from defilev.guard.installing import cron_line, systemd_units
from defilev.guard.leases import Leases
from defilev.guard.memory import looks_from, scope_of
from defilev.guard.running import run_ticks
from defilev.guard.schedule import Schedule, parse_cron
from defilev.guard.tick import Guard
from defilev.journal import (
    EVERYTHING,
    GuardJournal,
    Switch,
    decisions_of,
    leases_of,
    memories_of,
    open_for_reading,
    open_journal,
    place_of,
    switches_of,
)
from defilev.journal.sealing import now
from defilev.model.guard import TickReport
from defilev.pipeline.recording import chain_identity
from defilev.pipeline.session import Session, connect
from defilev.report.execution_text import event_text
from defilev.report.guard_json import switch_document, tick_document
from defilev.report.guard_text import tick_text

if TYPE_CHECKING:
    from defilev.cli.context import Run
    from defilev.execute.signer import Signer
    from defilev.model.guard_rules import AccountRule, GuardRules
    from defilev.model.request import Address

__all__ = ["Guarding", "checked", "explained", "installed", "looked_up", "schedule_of", "switch"]

SHORTEST_LEASE, LONGEST_LEASE = 3.0, 20.0


def schedule_of(*, every: str | None, cron: str | None, on_block: bool) -> Schedule:
    """Return when to look; raises `UsageError` for a time that is none, or for several schedules."""
    given = [name for name, value in (("every", every), ("cron", cron), ("on-block", on_block)) if value]
    if len(given) > 1:
        raise UsageError(f"--{given[0]} and --{given[1]} contradict each other", fix="give one of them")
    seconds = None if every is None else parse_duration(every, what="--every")
    return Schedule(seconds, None if cron is None else parse_cron(cron), on_block)


def checked(run: Run, file: Path) -> tuple[GuardRules, bool]:
    """Return the rules, and whether they were held against a chain; raises `RulesInvalid` or `DataError`."""
    rules = load_guard_rules(file, names=names_in_book(run))
    settings = run.load().values
    if not settings.rpc_url:
        return rules, False
    session = connect(settings)
    try:
        require_meant(session, rules_of_chain(rules, session))
    finally:
        session.close()
    return rules, True


def looked_up(run: Run, file: Path) -> tuple[GuardRules, dict[str, Any]]:
    """Return the rules, and what the journal knows of them."""
    rules = load_guard_rules(file, names=names_in_book(run))
    found = open_for_reading(place_of(run.load().values.journal))
    if found is None:
        return rules, {"decisions": {}, "looks": {}, "leases": [], "switches": []}
    with found:
        newest = {rule.name: decisions_of(found, name=rule.name, last=1) for rule in rules.accounts}
        return rules, {
            "decisions": {name: json.loads(rows[0]["document"]) for name, rows in newest.items() if rows},
            "looks": looks_from(memories_of(found)),
            "leases": leases_of(found),
            "switches": [(each.name, each.state, each.why, each.at) for each in switches_of(found)],
        }


def switch(run: Run, account: str | None, *, state: Literal["paused", "halted"] | None, why: str = "") -> None:
    """Throw a switch, or take it back, and say so."""
    name = account or EVERYTHING
    with open_journal(place_of(run.load().values.journal)) as journal:
        guarding = GuardJournal(journal)
        if state is not None:
            guarding.switch(Switch(name, state, why, now()))
        elif not guarding.release(name):
            raise UnknownName(
                f"nothing holds {account or 'the guard'}", fix="`defilev guard status` shows what is held"
            )
    shown = "every account" if account is None else account
    if run.output.json:
        run.output.document(switch_document(name, state or "running"))
    else:
        run.output.result(f"{shown} is {state}: nothing new is begun" if state else f"{shown} goes on")


def explained(run: Run, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the decision that led to a run, and the run; raises `UnknownName`."""
    found = open_for_reading(place_of(run.load().values.journal))
    if found is None:
        raise UnknownName("there is no journal yet", fix="the guard makes one at its first tick")
    with found:
        decisions = decisions_of(found, run=number)
        record = found.run(number)["run"]
    if not decisions:
        raise UnknownName(
            f"no decision of the guard led to run {number}", fix=f"`defilev journal show {number}` has the run"
        )
    return json.loads(decisions[-1]["document"]), record


def installed(run: Run, kind: str, *, rules: Path, is_broadcasting: bool, password_file: Path | None) -> str:
    """Return the text of a unit or a crontab line; raises `UsageError` for another kind."""
    program = Path(sys.argv[0]).absolute()
    digest = load_guard_rules(rules, names=names_in_book(run)).digest if is_broadcasting else None
    acting = ["--broadcast", "--confirm-rules", digest] if digest else []
    command = [str(program), "--no-input", "guard", "run", "--rules", str(rules.absolute()), *acting]
    if kind == "systemd":
        return systemd_units([*command, "--json"], password_file=password_file)
    if kind == "cron":
        return cron_line(command)
    raise UsageError(f"nothing is installed for {kind!r}", fix="choose systemd or cron")


@dataclass(frozen=True, slots=True)
class Guarding:
    """One run of `guard run`."""

    run: Run
    file: Path
    schedule: Schedule
    is_once: bool
    is_broadcasting: bool
    confirmed: str | None
    outside: Outside = field(default_factory=Outside)

    def run_all(self) -> None:
        """Tick until told to stop; raises a `DefilevError` at whatever forbids going on."""
        loaded = self.run.load()
        rules = load_guard_rules(self.file, names=names_in_book(self.run))
        if self.is_broadcasting:
            require_own_settings(loaded, unused=frozenset())
        try:
            session = connect(loaded.values)
            try:
                self._with(session, rules)
            finally:
                session.close()
        except (DataError, KeyFailure) as error:
            tell_of_end(rules, place_of(loaded.values.journal), error, is_json=self.run.output.json)
            raise

    def _with(self, session: Session, rules: GuardRules) -> None:
        mine = rules_of_chain(rules, session)
        rules = replace(rules, accounts=mine)
        needed = require_two_words(session, rules) if self.is_broadcasting else None
        self._require_reviewed(session, rules)
        require_meant(session, mine)
        signers = self._signers(session, mine) if self.is_broadcasting else {}
        chain = chain_identity(session)
        with open_journal(place_of(session.settings.journal)) as journal:
            leases = Leases(
                GuardJournal(journal),
                chain=scope_of(chain, is_broadcasting=self.is_broadcasting),
                seconds=_lease_seconds(self.schedule, mine),
            )
            hands = Hands(signers, tell=lambda step, event: self._note(event_text(step, event, steps=None)))
            another = partial(connect, session.settings)
            guard = Guard(session, rules, journal, chain, hands, leases, needed, another, is_patient=self.is_once)
            try:
                with self.outside.telling(rules, journal, chain_id=session.chain_id, out=self.run.output) as tell:
                    self._tick(guard, tell)
            finally:
                leases.release(self.run.output.warning)

    def _tick(self, guard: Guard, tell: Callable[[TickReport], None]) -> None:
        fired = False
        with _stopped_by_signals() as stop:
            for report in run_ticks(guard, self.schedule, stop=stop, is_once=self.is_once):
                self._say(report)
                tell(report)
                fired = fired or any(decision.verdict != "nothing" for decision in report.decisions)
        if self.is_once and not self.is_broadcasting and fired:
            raise ConditionBreached(
                "a trigger fires, and this was a dry run", fix="look at the account, or run it with --broadcast"
            )

    def _say(self, report: TickReport) -> None:
        out = self.run.output
        if out.json:
            out.has_document = True
            out.result(json.dumps(tick_document(report), ensure_ascii=False, allow_nan=False))
        else:
            out.result(tick_text(report, ink=out.ink))
        sys.stdout.flush()

    def _note(self, text: str) -> None:
        self.run.output.note(text)

    def _require_reviewed(self, session: Session, rules: GuardRules) -> None:
        """Raise `Refused` unless the rules are those that were reviewed; a local test chain asks for nothing."""
        if self.confirmed is not None and self.confirmed != rules.digest:
            raise Refused(
                "--confirm-rules is not the hash of these rules",
                fix="review them with `defilev guard check`, then confirm their own hash",
                confirmed=self.confirmed,
                rules=rules.digest,
            )
        is_test = session.is_anvil and session.is_loopback
        if self.is_broadcasting and not is_test:
            require_heard(rules)
        if self.is_broadcasting and self.confirmed is None and not is_test:
            raise Refused(
                "the rules were not confirmed, and the guard would sign by them unattended",
                fix=f"review them with `defilev guard check`, then add --confirm-rules {rules.digest}",
            )

    def _signers(self, session: Session, rules: tuple[AccountRule, ...]) -> dict[Address, Callable[[], Signer]]:
        """Open every key now: a guard that cannot sign must not look as if it could."""
        found: dict[Address, Callable[[], Signer]] = {}
        for rule in rules:
            for actor in rule.keys.keys() - found.keys():
                signer = self._opened(session, rule, actor)
                found[actor] = lambda signer=signer: signer  # type: ignore[misc]
        return found

    def _opened(self, session: Session, rule: AccountRule, actor: Address) -> Signer:
        place = rule.keys[actor]
        if place.signer is not None:
            return remote_signer(Path(place.signer).expanduser(), owner=actor, tell=self._note)
        named = None if place.keystore is None else Path(place.keystore).expanduser()
        keystore = keystore_path(session.settings, owner=actor, account=None, keystore=named)
        file = None if place.password_file is None else Path(place.password_file).expanduser()
        try:
            password = password_for(keystore, password_file=file, may_ask=not self.run.options.no_input)
        except UsageError as error:
            raise KeyFailure(
                f"account {rule.name}: {error.fact}", fix="name password_file in the rules, or a credential"
            ) from None
        with self.run.output.stage("unlock"):
            return unlock(keystore, owner=actor, password=password)


def _lease_seconds(schedule: Schedule, rules: tuple[AccountRule, ...]) -> float:
    """Return how long a lease lasts: a standby that ticks as often takes over with its second tick."""
    often = min(tier.every for rule in rules for tier in rule.tiers.values())
    return min(max(1.5 * min(schedule.every or often, often), SHORTEST_LEASE), LONGEST_LEASE)


@contextmanager
def _stopped_by_signals() -> Iterator[Event]:
    """Set the event at SIGTERM, which ends the guard between two ticks; the earlier handler comes back afterwards."""
    stop = Event()
    before = signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        yield stop
    finally:
        signal.signal(signal.SIGTERM, before)
