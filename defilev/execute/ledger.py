"""What the sender tells before and after each side effect; a journal stands behind it."""

from __future__ import annotations

from typing import Protocol

from defilev.execute.flight import Purpose
from defilev.execute.handing_over import Handed
from defilev.execute.transaction import TransactionFields
from defilev.model.execution import SentStep, SignedStep
from defilev.model.plan import Step
from defilev.model.request import Block

__all__ = ["Ledger"]


class Ledger(Protocol):
    """Each method is durable when it returns, or raises, and then nothing more is signed or sent."""

    def reserve(self, step: Step, fields: TransactionFields, *, at: Block) -> None:
        """Reserve a nonce before anything is signed for it; raises `AttemptOpen` when it is not free."""
        ...

    def signed(self, signed: SignedStep, *, purpose: Purpose) -> None:
        """Keep signed bytes before anybody is handed them."""
        ...

    def handed_over(self, transaction: str, handed: Handed) -> None:
        """Remember what came of a send call."""
        ...

    def included(self, sent: SentStep) -> None:
        """Keep a canonical receipt."""
        ...

    def reorganised(self, nonce: int, *, why: str) -> None:
        """Remember that a receipt is no longer on the chain."""
        ...

    def confirmed(self, nonce: int, *, depth: int) -> None:
        """Remember that a receipt has that many blocks on top of its own."""
        ...

    def foreign(self, nonce: int, *, by: str | None) -> None:
        """Remember that another's transaction, `by` if it was found, used the nonce."""
        ...
