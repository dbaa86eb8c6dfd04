"""What the journal tells of a position before it is decided on: what was done lately, and what was cut off."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from defilev.guard.memory import Memory
from defilev.guard.reading import Reading, Spending
from defilev.journal import Held, Journal, guard_reverts, guard_spending
from defilev.model.guard_rules import AccountRule
from defilev.pipeline.journalled import Ready
from defilev.pipeline.session import Session
from defilev.pipeline.unfinished import Unfinished

__all__ = ["History"]

DAY = 86_400
LATELY = 600
"""Seconds in which reverts add up."""


@dataclass(frozen=True, slots=True)
class History:
    """Asks the journal about the positions of one chain."""

    journal: Journal
    chain: str

    def spent(
        self, rule: AccountRule, reading: Reading, memory: Memory, unfinished: Unfinished | None
    ) -> tuple[Spending, Memory]:
        """Return what the last day saw; an action that was cut off before it was remembered counts as well.

        One that is to be finished does not: that is no new action, and neither hysteresis nor cool-down holds it.
        """
        if rule.actor is None:
            return Spending(), memory
        position = (rule.owner, rule.protocol, rule.market)
        but = None if unfinished is None else unfinished.run
        found = guard_spending(self.journal, chain=self.chain, position=position, since=reading.now - DAY, but=but)
        value = Decimal(found.repaid).scaleb(-reading.account.quote_decimals)
        if unfinished is not None:
            memory = replace(memory, acted_at=None, is_armed=True)
        elif found.last_at is not None and found.last_at > (memory.acted_at or 0):
            memory = replace(memory, acted_at=found.last_at, is_armed=False)
        return Spending(found.runs, value, found.gas), memory

    def reverts(self, rule: AccountRule, reading: Reading) -> int:
        """Return how many transactions for a position were included and reverted lately."""
        position = (rule.owner, rule.protocol, rule.market)
        return guard_reverts(self.journal, chain=self.chain, position=position, since=reading.now - LATELY)

    def unfinished(self, session: Session, rule: AccountRule, reading: Reading, lease: Held) -> Unfinished | None:
        """Return the guard's own run of a position that stopped halfway; one whose goal is reached is closed."""
        ready = Ready(self.journal, self.chain, epoch=lease.epoch)
        found = ready.unfinished(session, owner=rule.owner, protocol=rule.protocol, market=rule.market)
        if found is None or not self._is_ours(found, rule):
            return None
        if found.is_over(reading.account):
            self.journal.stop(found.run, "its goal is reached", stage="DONE")
            return None
        return found

    def _is_ours(self, found: Unfinished, rule: AccountRule) -> bool:
        """Tell whether a run was a guard's, with this key: what a person began is a person's to finish."""
        return found.plan.actor in rule.keys and self.journal.run(found.run)["run"]["kind"] == "guard"
