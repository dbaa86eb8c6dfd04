"""One nonce on its way into the chain: what was signed for it, what was seen of it, and what to do next; pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from defilev.execute.fees import Fees
from defilev.execute.handing_over import Handed
from defilev.execute.sending import Sending
from defilev.execute.transaction import TransactionFields
from defilev.model.execution import SentStep, SignedStep
from defilev.model.plan import Step

__all__ = ["Attempt", "Flight", "Move", "Purpose", "Seen", "next_move"]

Purpose: TypeAlias = Literal["act", "cancel"]
Move: TypeAlias = Literal["wait", "resend", "raise", "foreign", "give-up"]


@dataclass(slots=True)
class Attempt:
    """One signed transaction; `head` is the newest block's number and `at` the clock when it was signed."""

    signed: SignedStep
    fields: TransactionFields
    purpose: Purpose
    head: int
    at: float
    handed: list[Handed] = field(default_factory=list)

    @property
    def fees(self) -> Fees:
        """Its fees."""
        return Fees(self.fields.max_fee_per_gas, self.fields.max_priority_fee_per_gas)

    @property
    def is_underpriced(self) -> bool:
        """Whether some node finds its fees too low, and none has taken it."""
        results = {handed.result for handed in self.handed}
        return "UNDERPRICED" in results and not results & {"OK", "KNOWN"}


@dataclass(frozen=True, slots=True)
class Seen:
    """What the chain says at one block: its number, and how many transactions of the owner it includes.

    `in_pool` says whether a node shows one of the transactions while it waits.
    """

    head: int
    nonce: int
    in_pool: bool


@dataclass(slots=True)
class Flight:
    """A nonce, the step that it is for, and every transaction that was signed for it.

    Args:
        began: the clock when the first was handed over.
        handed_at: the clock when something was last handed over.
        is_taken: whether some node was seen to have one of them.
        is_capped: whether the fees may not rise any further.
        is_unwanted: whether the step must not be signed for any more.
        was_included: whether it had been included and a reorganisation took it back: only stored bytes are sent then.
        is_public: whether nodes beside a private relay have been handed it.
        spent_since: since when the nonce is spent without a receipt of ours.
        sent: the inclusion, `None` while there is none on the chain.
    """

    step: Step
    nonce: int
    began: float
    handed_at: float
    attempts: list[Attempt] = field(default_factory=list)
    is_taken: bool = False
    is_capped: bool = False
    is_unwanted: bool = False
    was_included: bool = False
    is_public: bool = False
    spent_since: float | None = None
    sent: SentStep | None = None

    @property
    def newest(self) -> Attempt:
        """The attempt with the highest fees."""
        return self.attempts[-1]

    @property
    def said(self) -> str:
        """The last thing that a node said against the newest attempt."""
        return next((handed.said for handed in reversed(self.newest.handed) if handed.said), "")

    def note(self, seen: Seen, *, now: float) -> None:
        """Remember what a look showed."""
        self.is_taken = self.is_taken or seen.in_pool
        if seen.nonce <= self.nonce:
            self.spent_since = None
        elif self.spent_since is None:
            self.spent_since = now

    def begin_again(self, *, now: float) -> None:
        """Forget an inclusion that a reorganisation took back: the stored bytes are handed over at the next look."""
        self.sent, self.was_included, self.spent_since = None, True, None
        self.began, self.handed_at = now, float("-inf")

    @property
    def may_be_resent(self) -> bool:
        """Whether the newest bytes may be handed over again: never those of a step that is no longer wanted."""
        return self.newest.purpose == "cancel" or not self.is_unwanted


def next_move(flight: Flight, seen: Seen, sending: Sending, *, now: float) -> Move:
    """Return what to do about a nonce that has no canonical receipt at the block that was seen.

    A spent nonce is never signed for again; only after some time without a receipt does it count as another's.
    Fees rise when they were refused as too low, or when blocks pass without inclusion; while no block passes they stay.
    """
    if seen.nonce > flight.nonce:
        since = flight.spent_since
        return "foreign" if since is not None and now - since >= sending.foreign_after else "wait"
    waited = now - flight.began
    if waited >= sending.timeout or (not flight.is_taken and waited >= sending.refused_timeout):
        return "give-up"
    if _may_rise(flight, sending) and _is_due(flight, seen, sending, now=now):
        return "raise"
    is_lost = not seen.in_pool and now - flight.handed_at >= sending.rebroadcast_after
    return "resend" if is_lost and flight.may_be_resent else "wait"


def _may_rise(flight: Flight, sending: Sending) -> bool:
    return not flight.is_capped and not flight.was_included and len(flight.attempts) < sending.most_attempts


def _is_due(flight: Flight, seen: Seen, sending: Sending, *, now: float) -> bool:
    newest = flight.newest
    if newest.is_underpriced:
        return True
    patience = sending.first_raise if len(flight.attempts) == 1 else sending.next_raise
    return seen.head > newest.head and now - newest.at >= patience
