"""Signing and sending with the journal: open, look at what is open, write down, act, write down what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from defilev.errors import AttemptOpen, DefilevError
from defilev.execute.desk import Event, Progress
from defilev.execute.sending import Sending
from defilev.execute.signer import Signer
from defilev.journal import Journal, OpenAttempt, open_journal, place_of
from defilev.model.execution import SignedStep
from defilev.model.plan import Plan, Step
from defilev.model.request import Address
from defilev.pipeline.acting import Outcome, Retried, broadcast, desk_for, sign_first
from defilev.pipeline.reconciling import reconcile
from defilev.pipeline.recording import Recording, chain_identity
from defilev.pipeline.scheduling import sending_for
from defilev.pipeline.session import Session
from defilev.pipeline.spending import JournalSpent
from defilev.pipeline.taking_up import LazySigner, take_up
from defilev.pipeline.unfinished import Unfinished, find_unfinished

__all__ = ["Ready", "bring_in", "ready_to_act", "ready_to_take_up"]


@dataclass(frozen=True, slots=True)
class Ready:
    """An open journal, in which nothing keeps the account from acting."""

    journal: Journal
    chain: str
    epoch: int = 0
    """Of the guard's lease, 0 for a person at the command line."""

    def send(
        self, retried: Retried, plan: Plan, signer: Signer, *, tell: Progress, sending: Sending | None = None
    ) -> tuple[Outcome, int]:
        """Send a plan as `acting.broadcast` does, and return the run's number too; raises as it does.

        Raises:
            JournalUnusable: something cannot be written down; nothing more is signed or sent.
            AttemptOpen: another process acts for the account.
        """
        session, account = retried.session, retried.account
        sending = sending or sending_for(session, account, plan)
        recording = Recording.begin(
            self.journal, retried, plan, chain=self.chain, mode="broadcast", at=sending.at, epoch=self.epoch
        )
        with _told(recording):
            spent = JournalSpent(self.journal)
            desk = desk_for(session, account, plan, signer, ledger=recording, tell=tell, sending=sending, spent=spent)
            outcome = broadcast(retried, plan, desk)
        recording.finish(outcome, node=session.node)
        sending.at("finished")
        return outcome, recording.run

    def sign(self, retried: Retried, plan: Plan, signer: Signer) -> tuple[SignedStep, int]:
        """Sign the plan's next transaction as `acting.sign_first` does, and return the run's number too."""
        session, account = retried.session, retried.account
        sending = sending_for(session, account, plan)
        recording = Recording.begin(self.journal, retried, plan, chain=self.chain, mode="sign-only", at=sending.at)
        with _told(recording):
            spent = JournalSpent(self.journal)
            desk = desk_for(
                session, account, plan, signer, ledger=recording, tell=_nobody, sending=sending, spent=spent
            )
            signed = sign_first(retried, plan, desk)
        recording.signed_only()
        return signed, recording.run

    def unfinished(self, session: Session, *, owner: Address, protocol: str, market: str) -> Unfinished | None:
        """Return the run of a position that stopped halfway, `None` when there is none."""
        return find_unfinished(
            self.journal, session.node, chain=self.chain, owner=owner, protocol=protocol, market=market
        )


def _nobody(step: Step, event: Event) -> None:
    """Tell nobody."""
    del step, event


@contextmanager
def ready_to_act(session: Session, *, account: Address) -> Iterator[Ready]:
    """Open the journal that the settings name, and bring what it knows of `account` up to the chain's truth.

    Raises:
        JournalUnusable, JournalDamaged, ExtraMissing: there is no journal to write to.
        AttemptOpen, ForeignTransaction: what was signed before keeps the account from acting.
    """
    with _reconciled(session, account) as (ready, still_open):
        if still_open:
            raise AttemptOpen(
                f"a transaction of journal #{still_open[0].run} may still land",
                transaction=still_open[0].hash,
                nonce=still_open[0].nonce,
            )
        yield ready


@contextmanager
def ready_to_take_up(
    session: Session,
    *,
    account: Address,
    open_signer: Callable[[], Signer],
    tell: Progress,
    sending: Sending | None = None,
) -> Iterator[Ready]:
    """Open the journal as `ready_to_act` does, and bring what an earlier process left on its way to its end.

    Args:
        open_signer: is asked only when fees must rise, or a transaction is no longer wanted.

    Raises:
        JournalUnusable, JournalDamaged, ExtraMissing: there is no journal to write to.
        ForeignTransaction: another transaction used a nonce.
        NotConfirmed: a nonce is still open when time is up.
    """
    with open_journal(place_of(session.settings.journal)) as journal:
        ready = Ready(journal, chain_identity(session))
        bring_in(ready, session, account=account, open_signer=open_signer, tell=tell, sending=sending)
        yield ready


def bring_in(
    ready: Ready,
    session: Session,
    *,
    account: Address,
    open_signer: Callable[[], Signer],
    tell: Progress,
    sending: Sending | None = None,
) -> bool:
    """Bring what an earlier process or tick left on its way to its end; tell whether there was anything.

    Raises as `ready_to_take_up` does.
    """
    still_open = reconcile(ready.journal, session.node, chain=ready.chain, account=account)
    if still_open:
        take_up(ready.journal, session, still_open, LazySigner(account, open_signer), tell=tell, sending=sending)
    return bool(still_open)


@contextmanager
def _reconciled(session: Session, account: Address) -> Iterator[tuple[Ready, tuple[OpenAttempt, ...]]]:
    with open_journal(place_of(session.settings.journal)) as journal:
        chain = chain_identity(session)
        yield Ready(journal, chain), reconcile(journal, session.node, chain=chain, account=account)


@contextmanager
def _told(recording: Recording) -> Iterator[None]:
    """Write down why a run ends early; the error says in which run."""
    try:
        yield
    except BaseException as error:
        try:
            recording.stop(error)
        except DefilevError as unwritten:
            error.add_note(f"and it was not written down: {unwritten.fact}")
        if isinstance(error, DefilevError):
            error.facts.setdefault("journal", f"#{recording.run}")
        raise
