"""One look at every account of a rules file: take what was left to its end, read, decide, act, remember, tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from time import monotonic

from defilev.errors import DataError
from defilev.guard.acting import Acting, Hands
from defilev.guard.deciding import decide
from defilev.guard.following import Following, telling
from defilev.guard.history import History
from defilev.guard.leases import Leases, lease_name, lease_names
from defilev.guard.memory import Memory, after_action, memory_from, memory_text, scope_of
from defilev.guard.observing import read_rules
from defilev.guard.outcomes import Due, Known, Told, is_news, newest, outcome_of, trouble, urgency
from defilev.guard.reading import Reading
from defilev.guard.watching_reserve import reserves_of
from defilev.guard.working import Workers
from defilev.journal import (
    EVERYTHING,
    GuardJournal,
    Held,
    Journal,
    Switch,
    memory_of,
    switches_of,
)
from defilev.model.guard import Alert, TickReport
from defilev.model.guard_rules import AccountRule, GuardRules
from defilev.model.request import Address
from defilev.pipeline.journalled import Ready
from defilev.pipeline.session import Session

__all__ = ["Guard"]

MOST_REVERTS = 3
"""Transactions of an account that may revert within ten minutes before it is halted."""

_REVERTED = f"{MOST_REVERTS} of its transactions were included and reverted within ten minutes"
_NOTHING_KNOWN = Known({}, (), {}, {})
_CAME_TO_NOTHING = ("refused", "failed")
_ENDED = ("done", "partial", "bundled", "unconfirmed")


@dataclass
class Guard:
    """Everything that ticks share: the chain, the rules, the journal, the leases and the hands.

    `needed` nodes must agree before anything is signed; `None` in a dry run, in which nothing ever is. `scope` keeps
    the leases and the memory of a dry run apart from those of a guard that may sign. `another` opens one more
    connection to the same nodes, for an action of its own. A patient guard ends a tick when what the tick began has
    ended; another goes on looking meanwhile. `heard` is what has ended and was not told yet. `tried` has by account the
    hash of the block at which an action came to nothing: it is not begun again before there is another.
    """

    session: Session
    rules: GuardRules
    journal: Journal
    chain: str
    hands: Hands
    leases: Leases
    needed: int | None
    another: Callable[[], Session]
    is_patient: bool = False
    workers: Workers = field(default_factory=Workers)
    heard: Told = field(default_factory=Told)
    tried: dict[str, str] = field(default_factory=dict)

    @property
    def is_broadcasting(self) -> bool:
        return self.needed is not None

    def tick(self, number: int) -> TickReport:
        """Look at every account once.

        Raises:
            JournalUnusable, JournalDamaged: nothing can be written down, so nothing may be done.
            DataError: the chain cannot be read.
        """
        began, calls, told = monotonic(), _calls(self.session), Told()
        self._hear()
        self.session.endpoints.forget_claims()
        self.session = self.session.at("latest")
        hung = self.workers.hung()
        names = [name for rule in self.rules.accounts for name in lease_names(rule)]
        held = self.leases.take([name for name in names if name not in hung])
        mine = [rule for rule in self.rules.accounts if held.keys() >= set(lease_names(rule))]
        if mine:
            busy = self._take_up(mine, held, told)
            self._decide_all(mine, self._read(mine, told), replace(_NOTHING_KNOWN, held=held, busy=busy), told)
        return self._report(number, told, is_leader=len(mine) == len(self.rules.accounts), since=(began, calls))

    def finish(self, number: int) -> TickReport | None:
        """Wait until everything that is under way has ended; return what came of it, `None` when nothing was.

        Raises:
            JournalUnusable, JournalDamaged: something could not be written down.
        """
        self.workers.wait()
        if not self.workers.has_news() and self.heard == Told():
            return None
        return self._report(number, Told(), is_leader=True, since=(monotonic(), _calls(self.session)))

    def _report(self, number: int, told: Told, *, is_leader: bool, since: tuple[float, int]) -> TickReport:
        began, calls = since
        self._settle()
        self._hear()
        told.add(self.heard)
        self.heard = Told()
        return TickReport(
            number=number,
            block=self.session.block,
            is_leader=is_leader,
            is_broadcasting=self.is_broadcasting,
            decisions=newest(told.decisions),
            acted=tuple(told.acted),
            alerts=tuple(told.alerts),
            missed=0,
            rpc_calls=_calls(self.session) - calls,
            milliseconds=int((monotonic() - began) * 1000),
            next_at=None,
            in_flight=tuple(sorted(name for names in self.workers.busy().values() for name in names)),
        )

    def _hear(self) -> None:
        """Gather what has ended, and at which blocks it came to nothing."""
        self.workers.gather(self.heard)
        blocks = {decision.account: decision.block.hash for decision in self.heard.decisions}
        nothing = [acted.account for acted in self.heard.acted if acted.outcome in _CAME_TO_NOTHING]
        self.tried |= {name: blocks[name] for name in nothing}

    def _settle(self) -> None:
        """Wait for what was begun, when the guard is patient."""
        if self.is_patient:
            self.workers.wait()

    def held_by(self, rule: AccountRule, switches: Sequence[Switch] | None = None) -> str | None:
        """Return what keeps the guard from beginning anything for an account, `None` when nothing does.

        `switches` are those that were read for this tick; they are read anew when left out.
        """
        if self.rules.halt_file is not None and Path(self.rules.halt_file).expanduser().exists():
            return f"halted by the file {self.rules.halt_file}"
        for switch in switches_of(self.journal) if switches is None else switches:
            if switch.name in (EVERYTHING, rule.name):
                return f"{switch.state} since {switch.at[:19]}: {switch.why}"
        return None

    def _take_up(
        self, mine: list[AccountRule], held: Mapping[Address, Held], told: Told
    ) -> Mapping[Address, frozenset[str]]:
        """Bring what is on its way to its end, whatever holds the guard: a deleverage in flight is finished.

        Returns what is under way; what ended before is in the block that the session then has.
        """
        if not self.is_broadcasting:
            return {}
        self._following.take_up(self.session, mine, held, told)
        self._settle()
        busy = self.workers.busy()
        self.session = self.session.at("latest")
        return busy

    def _read(self, mine: list[AccountRule], told: Told) -> dict[str, Reading]:
        """Read all at once; one account that cannot be read does not hide the others."""
        try:
            return read_rules(self.session, mine)
        except DataError:
            if len(mine) == 1:
                raise
        found: dict[str, Reading] = {}
        for rule in mine:
            try:
                found |= read_rules(self.session, [rule])
            except DataError as error:
                told.alerts.append(trouble(rule.name, "account-unreadable", error))
        return found

    def _decide_all(self, mine: list[AccountRule], readings: Mapping[str, Reading], known: Known, told: Told) -> None:
        remembered = memory_of(self.journal, chain=self._scope)
        known = replace(known, switches=switches_of(self.journal), lacking=self._lacking(mine, readings, told))
        due: dict[Address, list[Due]] = {}
        order = [
            rule for rule in sorted(mine, key=lambda rule: urgency(readings.get(rule.name))) if rule.name in readings
        ]
        for rule in order:
            with telling(rule, told):
                memory = memory_from(remembered.get(rule.name))
                if (found := self._decide(rule, readings[rule.name], memory, known, told)) is not None:
                    due.setdefault(lease_name(rule), []).append(found)
        self._remember(told)
        for of_key in due.values():
            keys = {name for each in of_key for name in lease_names(each.rule)}
            self._following.begin(keys, [each.rule for each in of_key], partial(self._act_for, of_key))

    def _act_for(self, due: Sequence[Due], session: Session, told: Told) -> None:
        """Act for the accounts of one key one after another, the lowest health first."""
        for each in due:
            with telling(each.rule, told):
                self._act(each, session, told)

    def _lacking(
        self, mine: list[AccountRule], readings: Mapping[str, Reading], told: Told
    ) -> dict[str, tuple[Alert, ...]]:
        """Return by account what its reserve lacks; one that cannot be read keeps nobody from acting."""
        asked = [(rule, readings[rule.name]) for rule in mine if rule.payer is not None and rule.name in readings]
        found = reserves_of(self.session, asked) if asked else {}
        told.alerts += [
            trouble(name, "reserve-unreadable", lacks) for name, lacks in found.items() if isinstance(lacks, DataError)
        ]
        return {name: lacks for name, lacks in found.items() if not isinstance(lacks, DataError)}

    def _remember(self, told: Told) -> None:
        """Write down all that was not written at once, in one transaction; of an account that was lost, nothing."""
        for held, error in self._guarding.remember_all(told.memories):
            told.alerts.append(trouble(held, "lease-lost", error))

    def _decide(self, rule: AccountRule, reading: Reading, memory: Memory, known: Known, told: Told) -> Due | None:
        """Return what is to be done, `None` for nothing; of that the decision is told and remembered at once."""
        lease = self.leases.held(lease_name(rule)) or known.held[lease_name(rule)]
        held_by, at_work = self.held_by(rule, known.switches), _at_work(rule, known)
        may_finish = self.is_broadcasting and rule.actor is not None and held_by is None and at_work is None
        history = History(self.journal, self.chain)
        unfinished = history.unfinished(self.session, rule, reading, lease) if may_finish else None
        spent, memory = history.spent(rule, reading, memory, unfinished)
        judged = decide(rule, reading, memory, spent=spent, held_by=held_by, is_key_busy=at_work is not None)
        if may_finish and judged.decision.verdict == "act" and history.reverts(rule, reading) >= MOST_REVERTS:
            held_by, unfinished = self._following.halt(rule, _REVERTED, told), None
            judged = decide(rule, reading, memory, spent=spent, held_by=held_by)
        if rule.name in (at_work or ()) or self.tried.get(rule.name) == self.session.block.hash:
            told.decisions.append(judged.decision)
            return None
        lacking = known.lacking.get(rule.name, ())
        told.alerts += [*judged.alerts, *(alert for alert in lacking if alert.kind not in memory.standing)]
        judged = replace(judged, memory=replace(judged.memory, standing=tuple(alert.kind for alert in lacking)))
        if judged.decision.verdict == "act" or unfinished is not None:
            told.decisions.append(judged.decision)
            epochs = {name: (self.leases.held(name) or known.held[name]).epoch for name in rule.keys}
            return Due(rule, memory, spent, judged, lease, epochs, unfinished)
        if is_news(judged.decision, memory):
            self._guarding.decided(lease, judged.decision, rules=self.rules.digest)
        told.decisions.append(judged.decision)
        told.memories.append((lease, rule.name, memory_text(judged.memory)))
        return None

    def _act(self, due: Due, session: Session, told: Told) -> None:
        rule, lease = due.rule, due.lease
        number = self._guarding.decided(lease, due.judged.decision, rules=self.rules.digest)
        acting = Acting(
            session=session,
            rules=self.rules,
            rule=rule,
            memory=due.memory,
            spent=due.spent,
            hands=self.hands,
            needed=self.needed or 1,
            ready=Ready(self.journal, self.chain, epoch=lease.epoch) if self.is_broadcasting else None,
            epochs=due.epochs,
            held_by=lambda: self.held_by(rule),
        )
        again, acted = acting.act(due.unfinished)
        if acted.run is not None:
            self._guarding.led_to(number, acted.run)
        told.acted.append(acted)
        told.alerts.append(outcome_of(acted))
        told.decisions.append(replace(again.decision, run=acted.run))
        after = replace(again.memory, standing=due.judged.memory.standing)
        if acted.outcome in _ENDED:
            is_whole, at = acted.outcome == "done", again.decision.block.timestamp
            after = after_action(after, at=at, is_whole=is_whole, goes_on=acted.goes_on)
        elif acted.outcome == "failed":
            after = replace(after, goes_on=False)
        self._guarding.remember(lease, rule.name, memory_text(after))

    @property
    def _following(self) -> Following:
        return Following(self.journal, self.chain, self.hands, self.workers, self.another)

    @property
    def _scope(self) -> str:
        return scope_of(self.chain, is_broadcasting=self.is_broadcasting)

    @property
    def _guarding(self) -> GuardJournal:
        return GuardJournal(self.journal)


def _at_work(rule: AccountRule, known: Known) -> frozenset[str] | None:
    """Return the accounts that one of the keys of `rule` is at work for, `None` when none is."""
    return next((known.busy[name] for name in lease_names(rule) if name in known.busy), None)


def _calls(session: Session) -> int:
    return sum(session.node.rpc.round_trips.values())
