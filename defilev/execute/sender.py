"""Brings nonces into the chain, one look after another; follows fees, pools, and inclusions that are taken back.

Each look asks the chain, never the memory of a call: a receipt on the chain, or the owner's count, decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from defilev.chain.values import Receipt
from defilev.errors import DataError, JournalDamaged, JournalUnusable
from defilev.execute.attempting import hand_over_flight, raise_fees, sign_attempt
from defilev.execute.desk import Desk
from defilev.execute.flight import Attempt, Flight, next_move
from defilev.execute.looking import find_inclusion, find_user, is_shown, see
from defilev.execute.transaction import TransactionFields
from defilev.model.execution import Remark, SentStep
from defilev.model.plan import Step
from defilev.model.request import Block

__all__ = ["FlightEnded", "Sender"]


SHORTEST_PAUSE = 0.25
"""Seconds between the first two looks."""


class FlightEnded(Exception):
    """A nonce is not followed any further; `why` is a sentence, `kind` what it means for the run."""

    def __init__(self, flight: Flight, why: str, kind: Literal["open", "foreign", "cancelled", "unconfirmed"]) -> None:
        super().__init__(why)
        self.flight = flight
        self.why = why
        self.kind = kind


@dataclass(slots=True)
class Sender:
    """The nonces of one run, in their order. `trouble` is the last thing that a node said against us."""

    desk: Desk
    flights: list[Flight] = field(default_factory=list)
    head: Block | None = None
    trouble: str = ""

    def launch(self, step: Step, fields: TransactionFields, *, at: Block) -> None:
        """Reserve the nonce of `fields`, sign them, write them down, and hand them over.

        Raises:
            AttemptOpen, JournalUnusable, PolicyViolation, KeyFailure: nothing was handed over.
        """
        desk, now = self.desk, self.desk.sending.clock()
        desk.ledger.reserve(step, fields, at=at)
        desk.sending.at("nonce_reserved")
        flight = Flight(step, fields.nonce, began=now, handed_at=now)
        sign_attempt(desk, flight, fields, "act", head=at.number)
        self.flights.append(flight)
        hand_over_flight(desk, flight)
        desk.tell(step, flight.newest.signed)

    def follow(self, flight: Flight) -> None:
        """Take up a nonce that was signed for before; its newest bytes are handed over at the first look."""
        self.flights.append(flight)

    def until_included(self) -> None:
        """Look until every nonce is on the chain, sooner at first than later. Raises `FlightEnded`."""
        pause = SHORTEST_PAUSE
        while True:
            self._look()
            if all(flight.sent for flight in self.flights):
                return
            self.desk.sending.sleep(min(pause, self.desk.sending.pause))
            pause *= 2

    def until_confirmed(self) -> None:
        """Look until every inclusion has its confirmations. Raises `FlightEnded` when they do not come in time."""
        sending, began = self.desk.sending, self.desk.sending.clock()
        if sending.confirmations == 0:
            return
        while self._shallowest() < sending.confirmations:
            if sending.clock() - began >= sending.timeout:
                why = f"{sending.confirmations} blocks on top of it did not come within {sending.timeout:g} s"
                raise FlightEnded(self.flights[-1], why, "unconfirmed")
            sending.sleep(sending.pause)
            self._look()
        for flight in self.flights:
            self.desk.ledger.confirmed(flight.nonce, depth=sending.confirmations)

    def _shallowest(self) -> int:
        """Return how many blocks every inclusion has on top of its own at least; -1 while one is missing."""
        if self.head is None or not all(flight.sent for flight in self.flights):
            return -1
        return self.head.number - max(flight.sent.block_number for flight in self.flights if flight.sent)

    def _look(self) -> None:
        """Look once at every nonce; what a node fails to say is waited for."""
        try:
            self._see_head(self.desk.node.block())
        except (JournalDamaged, JournalUnusable):
            raise
        except DataError as error:
            self.trouble = error.fact
        for flight in self.flights:
            if flight.sent is None:
                self._look_at(flight)

    def _see_head(self, head: Block) -> None:
        """Take note of a new block, and of inclusions that are no longer on its chain."""
        if self.head is not None and head.hash == self.head.hash:
            return
        for flight in self.flights:
            sent = flight.sent
            if sent is not None and self.desk.node.block(sent.block_number).hash != sent.block_hash:
                self._take_back(flight, sent)
        self.head = head

    def _take_back(self, flight: Flight, sent: SentStep) -> None:
        why = f"block {sent.block_number} is no longer the chain's"
        self.desk.ledger.reorganised(flight.nonce, why=why)
        flight.begin_again(now=self.desk.sending.clock())
        self.desk.tell(flight.step, Remark(flight.step.index, "reorganised", why))

    def _look_at(self, flight: Flight) -> None:
        try:
            found = find_inclusion(self.desk, flight)
            if found is None:
                self._move(flight)
        except (JournalDamaged, JournalUnusable):
            raise
        except DataError as error:
            self.trouble = error.fact
            self._require_time(flight)
            return
        if found is not None:
            self._include(flight, *found)

    def _include(self, flight: Flight, attempt: Attempt, receipt: Receipt) -> None:
        self.desk.sending.at("mined_seen")
        sent = _sent(attempt, receipt)
        self.desk.ledger.included(sent)
        self.desk.sending.at("mined_recorded")
        flight.sent = sent
        if attempt.purpose == "cancel":
            what = f"step {flight.step.index} ({flight.step.action.kind})"
            raise FlightEnded(flight, f"{what} was no longer wanted, and its nonce was taken for nothing", "cancelled")
        self.desk.tell(flight.step, sent)

    def _move(self, flight: Flight) -> None:
        """Do what is to be done about a nonce without a receipt."""
        desk, head = self.desk, self.head or self.desk.node.block()
        now = desk.sending.clock()
        seen = see(desk, flight, head=head)
        flight.note(seen, now=now)
        is_due = desk.private is not None and now - flight.began >= desk.sending.private_for
        if is_due and not flight.is_public and flight.may_be_resent:
            flight.is_public = True
            self._hand_over_again(flight, "published", "the private relay did not bring it in: every node has it now")
        match next_move(flight, seen, desk.sending, now=now):
            case "resend":
                self._hand_over_again(flight, "resent", "no node shows it: handed over again")
            case "raise":
                raise_fees(desk, flight, head=head)
            case "foreign":
                self._require_ours(flight, head)
            case "give-up":
                raise self._given_up(flight)
            case "wait":
                pass

    def _hand_over_again(self, flight: Flight, kind: Literal["resent", "published"], text: str) -> None:
        hand_over_flight(self.desk, flight)
        self.desk.tell(flight.step, Remark(flight.step.index, kind, f"{text} ({flight.newest.signed.hash})"))

    def _require_time(self, flight: Flight) -> None:
        """Raise `FlightEnded` when the nodes have failed to answer for too long."""
        if self.desk.sending.clock() - flight.began >= self.desk.sending.timeout:
            raise self._given_up(flight)

    def _require_ours(self, flight: Flight, head: Block) -> None:
        """Raise `FlightEnded` unless what used the nonce is ours, and the nodes only show no receipt of it yet."""
        owner, ours = self.desk.policy.actor, {attempt.signed.hash for attempt in flight.attempts}
        by = find_user(self.desk.node, owner, flight.nonce, since=flight.attempts[0].head, head=head.number)
        if by in ours or any(is_shown(self.desk.endpoints, transaction) for transaction in ours):
            return self._require_time(flight)
        self.desk.ledger.foreign(flight.nonce, by=by)
        what = f"another transaction used nonce {flight.nonce}" + (f": {by}" if by else "")
        raise FlightEnded(flight, what, "foreign")

    def _given_up(self, flight: Flight) -> FlightEnded:
        name = f"step {flight.step.index} ({flight.step.action.kind})"
        said = flight.said or self.trouble
        because = f"; the node said: {said}" if said else ""
        if flight.is_taken:
            waited = f"is not included after {self.desk.sending.timeout:g} s"
            return FlightEnded(flight, f"{name} was sent and {waited}{because}", "open")
        return FlightEnded(flight, f"{name} was handed to the node, which does not show it{because}", "open")


def _sent(attempt: Attempt, receipt: Receipt) -> SentStep:
    return SentStep(
        index=attempt.signed.index,
        hash=attempt.signed.hash,
        nonce=attempt.signed.nonce,
        status="included" if receipt.succeeded else "reverted",
        block_number=receipt.block_number,
        block_hash=receipt.block_hash,
        gas_used=receipt.gas_used,
        fee_paid=receipt.fee_paid,
    )
