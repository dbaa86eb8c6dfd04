"""Holding the leases of this process, and keeping them while an action takes longer than they last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event, Lock, Thread
from time import monotonic

from defilev.errors import DefilevError
from defilev.guard.holders import is_gone, new_holder
from defilev.journal import GuardJournal, Held, leases_of
from defilev.model.guard_rules import AccountRule
from defilev.model.request import Address

__all__ = ["Leases", "lease_name", "lease_names"]

LONGEST_TICK = 1800.0
"""Seconds after which a tick that has not ended counts as hung: its leases are no longer renewed."""


class Leases:
    """The leases of one process start; its holder is unique.

    A thread renews what is held while a tick is at work. It stops with the process, and a process that was stopped and
    woken finds at its next write that the epoch has risen.
    """

    def __init__(self, journal: GuardJournal, *, chain: str, seconds: float) -> None:
        self.holder = new_holder()
        self.seconds = seconds
        self._journal, self._chain = journal, chain
        self._wanted: tuple[Address, ...] = ()
        self._held: dict[Address, Held] = {}
        self._lock, self._ended = Lock(), Event()
        self._began = monotonic()
        self._thread: Thread | None = None

    def take(self, accounts: Sequence[Address]) -> dict[Address, Held]:
        """Take or renew the lease of each account; return those that this process holds. Raises `JournalUnusable`."""
        self._wanted, self._began = tuple(dict.fromkeys(accounts)), monotonic()
        held = self._renew()
        if len(held) < len(self._wanted) and self._bury():
            held = self._renew()
        if self._thread is None:
            self._thread = Thread(target=self._keep, name="leases", daemon=True)
            self._thread.start()
        return held

    def held(self, account: Address) -> Held | None:
        """Return the lease of an account as it was last renewed, `None` when this process does not hold it."""
        with self._lock:
            return self._held.get(account)

    def release(self, tell: Callable[[str], None]) -> None:
        """Stop renewing, and end every lease so that a standby need not wait."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(timeout=self.seconds)
        try:
            self._journal.let_go(holder=self.holder)
        except DefilevError as error:
            tell(f"the leases were not ended: {error.fact}; they expire by themselves")

    def _bury(self) -> bool:
        """End the leases of processes of this host that are no more, and tell whether there were any.

        The one that was started after a crash need not wait for what the dead one left to expire.
        """
        gone = {lease["holder"] for lease in leases_of(self._journal.journal) if is_gone(lease["holder"])}
        for holder in gone:
            self._journal.let_go(holder=holder)
        return bool(gone)

    def _renew(self) -> dict[Address, Held]:
        found = self._journal.hold(chain=self._chain, accounts=self._wanted, holder=self.holder, seconds=self.seconds)
        with self._lock:
            self._held = {held.account: held for held in found}
            return dict(self._held)

    def _keep(self) -> None:
        while not self._ended.wait(self.seconds / 3):
            if monotonic() - self._began > LONGEST_TICK:
                continue
            try:
                self._renew()
            except DefilevError:
                continue  # a lease that cannot be renewed expires, and the fence stops what comes after


def lease_name(rule: AccountRule) -> Address:
    """Return whose lease an account is decided on under: its key's, or the owner's where nothing is ever signed."""
    return rule.actor or rule.owner


def lease_names(rule: AccountRule) -> tuple[Address, ...]:
    """Return what must be leased before an account is looked at: every key that may sign for it."""
    return tuple(rule.keys) or (rule.owner,)
