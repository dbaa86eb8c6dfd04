"""Signing and sending with the journal: open, look at what is open, write down, act, write down what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from defilev.errors import AttemptOpen, DataError, DefilevError, NotConfirmed
from defilev.execute.desk import Event, Progress
from defilev.execute.sending import Sending
from defilev.execute.signer import Signer
from defilev.journal import Journal, OpenAttempt, Reserved, open_journal, place_of
from defilev.model.execution import SignedStep
from defilev.model.plan import Plan, Step
from defilev.model.request import Address
from defilev.pipeline.acting import Outcome, Retried, broadcast, desk_for, off_course, sign_first
from defilev.pipeline.reconciling import reconcile
from defilev.pipeline.recording import Recording, chain_identity
from defilev.pipeline.scheduling import sending_for
from defilev.pipeline.session import Session
from defilev.pipeline.signing_again import sign_again
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

        A guard, which plans anew whatever is left, begins no round that no longer fits the account, and never borrows.

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
            if self.epoch > 0:
                desk = replace(desk, policy=replace(desk.policy, max_leverage=None))
                desk = replace(desk, off_course=lambda step: off_course(session, plan, step))
            outcome = broadcast(retried, plan, desk)
        _finished(recording, outcome, session)
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

    def reconciled(self, session: Session, account: Address) -> tuple[OpenAttempt, ...]:
        """Return what was sent for `account` and may still land, once the chain was asked of everything."""
        return reconcile(self.journal, session.endpoints, chain=self.chain, account=account)

    def reserved(self, account: Address) -> tuple[Reserved, ...]:
        """Return the nonces of `account` that may have been signed for, without a signature that is written down."""
        return self.journal.reserved(chain=self.chain, account=account)

    def left_by_its_own(self, account: Address) -> tuple[Reserved, ...]:
        """Return those that may be signed for again: a guard leaves a person's, whose process may still be asking."""
        found = self.reserved(account)
        if self.epoch == 0:
            return found
        return tuple(each for each in found if self.journal.run(each.run)["run"]["kind"] == "guard")

    def unfinished(self, session: Session, *, owner: Address, protocol: str, market: str) -> Unfinished | None:
        """Return the run of a position that stopped halfway, `None` when there is none; its end is written down."""
        found = find_unfinished(
            self.journal, session.node, chain=self.chain, owner=owner, protocol=protocol, market=market
        )
        if found is not None and found.is_left_open:
            self.journal.stop(found.run, "its process ended; the rest is planned anew")
        return found


def _finished(recording: Recording, outcome: Outcome, session: Session) -> None:
    """Write down what came of a run, all of which is on the chain by now."""
    try:
        recording.finish(outcome, node=session.node)
    except DataError as error:
        raise NotConfirmed(
            f"every transaction was included, and the outcome was not written down: {error.fact}",
            fix="see to the journal, then close the run with `defilev rebalance … --resume --broadcast`",
            journal=f"#{recording.run}",
            done=", ".join(sent.hash for sent in outcome.execution.steps),
        ) from error


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
    with _opened(session) as ready:
        for attempt in ready.reconciled(session, account):
            raise AttemptOpen(
                f"a transaction of journal #{attempt.run} may still land", transaction=attempt.hash, nonce=attempt.nonce
            )
        for reserved in ready.reserved(account):
            raise AttemptOpen(
                f"journal #{reserved.run} ended while a transaction was signed for",
                fix="finish it with `defilev rebalance --resume --broadcast`",
                nonce=reserved.nonce,
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
        open_signer: is asked only when fees must rise, a transaction is no longer wanted, or a signature was lost.

    Raises:
        JournalUnusable, JournalDamaged, ExtraMissing: there is no journal to write to.
        ForeignTransaction: another transaction used a nonce.
        NotConfirmed: a nonce is still open when time is up.
    """
    with _opened(session) as ready:
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
    signer = LazySigner(account, open_signer)
    still_open = ready.reconciled(session, account)
    if reserved := ready.left_by_its_own(account):
        sign_again(ready.journal, session.at("latest"), reserved, signer, tell=tell, sending=sending)
        still_open = ready.reconciled(session, account)
    if still_open:
        take_up(ready.journal, session, still_open, signer, tell=tell, sending=sending, levers=ready.epoch == 0)
    return bool(reserved or still_open)


@contextmanager
def _opened(session: Session) -> Iterator[Ready]:
    with open_journal(place_of(session.settings.journal)) as journal:
        yield Ready(journal, chain_identity(session))


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
