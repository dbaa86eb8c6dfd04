"""Signing and sending with the journal: open, look at what is open, write down, act, write down what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from defilev.errors import DefilevError
from defilev.execute.broadcast import Progress
from defilev.execute.signer import Signer
from defilev.journal import Journal, open_journal, place_of
from defilev.model.execution import SignedStep
from defilev.model.plan import Plan
from defilev.model.request import Address
from defilev.pipeline.acting import Outcome, Retried, broadcast, sign_first
from defilev.pipeline.reconciling import reconcile
from defilev.pipeline.recording import Recording, chain_identity
from defilev.pipeline.session import Session

__all__ = ["Ready", "ready_to_act"]


@dataclass(frozen=True, slots=True)
class Ready:
    """An open journal, in which nothing keeps the account from acting."""

    journal: Journal
    chain: str

    def send(self, retried: Retried, plan: Plan, signer: Signer, *, on_progress: Progress) -> tuple[Outcome, int]:
        """Send a plan as `acting.broadcast` does, and return the run's number too; raises as it does.

        Raises:
            JournalUnusable: something cannot be written down; nothing more is signed or sent.
            AttemptOpen: another process acts for the account.
        """
        recording = Recording.begin(self.journal, retried, plan, chain=self.chain, mode="broadcast")
        with _told(recording):
            outcome = broadcast(
                retried,
                plan,
                recording.signing(signer),
                record=recording.record,
                on_progress=recording.handed_over(on_progress),
            )
        recording.finish(outcome, node=retried.session.node)
        return outcome, recording.run

    def sign(self, retried: Retried, plan: Plan, signer: Signer) -> tuple[SignedStep, int]:
        """Sign the plan's next transaction as `acting.sign_first` does, and return the run's number too."""
        recording = Recording.begin(self.journal, retried, plan, chain=self.chain, mode="sign-only")
        with _told(recording):
            signed = sign_first(retried, plan, recording.signing(signer))
            recording.record(signed)
        recording.signed_only()
        return signed, recording.run


@contextmanager
def ready_to_act(session: Session, *, account: Address) -> Iterator[Ready]:
    """Open the journal that the settings name, and bring what it knows of `account` up to the chain's truth.

    Raises:
        JournalUnusable, JournalDamaged, ExtraMissing: there is no journal to write to.
        AttemptOpen, ForeignTransaction: what was signed before keeps the account from acting.
    """
    with open_journal(place_of(session.settings.journal)) as journal:
        chain = chain_identity(session)
        reconcile(journal, session.node, chain=chain, account=account)
        yield Ready(journal, chain)


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
