"""Actions in threads of their own; what an earlier process left on its way is followed to its end in the same way."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from defilev.errors import (
    DataError,
    DefilevError,
    ForeignTransaction,
    Infeasible,
    JournalDamaged,
    JournalUnusable,
    LeaseLost,
)
from defilev.guard.acting import Hands
from defilev.guard.outcomes import Told, trouble
from defilev.guard.working import Workers
from defilev.journal import GuardJournal, Held, Journal, Switch
from defilev.journal.sealing import now
from defilev.model.guard import Alert
from defilev.model.guard_rules import AccountRule
from defilev.model.request import Address
from defilev.pipeline.journalled import Ready, bring_in
from defilev.pipeline.session import Session

__all__ = ["Following", "telling"]

_UNUSABLE = (JournalUnusable, JournalDamaged)


@dataclass(frozen=True, slots=True)
class Following:
    """Begins what is done with a key, and follows what was begun before this process."""

    journal: Journal
    chain: str
    hands: Hands
    workers: Workers
    another: Callable[[], Session]

    def begin(
        self, keys: Collection[Address], rules: Sequence[AccountRule], do: Callable[[Session, Told], None]
    ) -> None:
        """Do something with keys in a thread and over a connection of its own."""

        def alone(told: Told) -> None:
            with telling(rules[0], told):
                session = self.another()
                try:
                    do(session, told)
                finally:
                    session.close()

        self.workers.begin(keys, [rule.name for rule in rules], alone)

    def take_up(self, session: Session, rules: Sequence[AccountRule], held: Mapping[Address, Held], told: Told) -> None:
        """Write down what became of every key's transactions, and begin to follow those that may still land.

        Raises:
            JournalUnusable, JournalDamaged: nothing can be written down.
        """
        for actor in self._left(rules):
            of_actor = [rule for rule in rules if actor in rule.keys]
            ready = Ready(self.journal, self.chain, epoch=held[actor].epoch)
            with self._finishing(of_actor, told):
                if ready.reconciled(session, actor) or ready.left_by_its_own(actor):
                    self.begin([actor], of_actor, partial(self._bring_in, actor, of_actor, ready))

    def _left(self, rules: Sequence[AccountRule]) -> list[Address]:
        """Return whose keys have something on its way that no thread follows, or on the chain and not yet final."""
        opened = {attempt.account for attempt in self.journal.open_attempts(chain=self.chain)}
        opened |= {reserved.account for reserved in self.journal.reserved(chain=self.chain)}
        opened -= set(self.workers.busy())
        return [actor for actor in dict.fromkeys(actor for rule in rules for actor in rule.keys) if actor in opened]

    def _bring_in(
        self, actor: Address, rules: Sequence[AccountRule], ready: Ready, session: Session, told: Told
    ) -> None:
        with self._finishing(rules, told):
            bring_in(ready, session, account=actor, open_signer=self.hands.signers[actor], tell=self.hands.tell)

    @contextmanager
    def _finishing(self, rules: Sequence[AccountRule], told: Told) -> Iterator[None]:
        """Tell of what goes wrong with a key's own transactions; a foreign one halts every account of the key."""
        try:
            yield
        except _UNUSABLE:
            raise
        except ForeignTransaction as error:
            for rule in rules:
                self.halt(rule, error.fact, told, error=error)
        except DefilevError as error:
            told.alerts += [trouble(rule.name, "in-flight", error) for rule in rules]

    def halt(self, rule: AccountRule, why: str, told: Told, *, error: DefilevError | None = None) -> str:
        """Let nothing new begin for an account until a person says so, and call; return why."""
        GuardJournal(self.journal).switch(Switch(rule.name, "halted", why, now()))
        kind = "account-halted"
        told.alerts.append(trouble(rule.name, kind, error) if error else Alert("critical", kind, rule.name, why))
        return why


@contextmanager
def telling(rule: AccountRule, told: Told) -> Iterator[None]:
    """Tell people of what goes wrong with one account, and go on with the others."""
    try:
        yield
    except LeaseLost as error:
        told.alerts.append(trouble(rule.name, "lease-lost", error))
    except Infeasible as error:
        told.alerts.append(trouble(rule.name, "position-gone", error))
    except DataError as error:
        if isinstance(error, _UNUSABLE):
            raise
        told.alerts.append(trouble(rule.name, "nodes-disagree", error))
