"""Transactions that an earlier process signed and did not see included: brought to their end from what is stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING

from defilev.errors import ForeignTransaction, NotConfirmed
from defilev.execute.attempting import raise_fees
from defilev.execute.desk import Desk, Progress
from defilev.execute.flight import Attempt, Flight
from defilev.execute.preparing import calls_of
from defilev.execute.sender import FlightEnded, Sender
from defilev.execute.signer import Signer
from defilev.execute.transaction import TransactionFields, decode_signed
from defilev.journal import JournalReader, OpenAttempt
from defilev.model.codec import from_document, parse_json
from defilev.model.execution import SignedStep
from defilev.model.plan import Plan
from defilev.model.request import Address, Call
from defilev.pipeline.acting import desk_for
from defilev.pipeline.recording import Recording
from defilev.pipeline.trying import account_of

if TYPE_CHECKING:
    from defilev.execute.sending import Sending
    from defilev.journal import Journal
    from defilev.pipeline.session import Session

__all__ = ["LazySigner", "plan_of", "take_up"]


class LazySigner:
    """A signer that is opened only when something must be signed."""

    def __init__(self, address: Address, open_it: Callable[[], Signer]) -> None:
        self._address = address
        self._open = open_it
        self._calls: Sequence[Call] = ()

    @property
    def address(self) -> Address:
        return self._address

    @cached_property
    def opened(self) -> Signer:
        """Return the signer itself."""
        return self._open()

    def announce(self, calls: Sequence[Call]) -> None:
        self._calls = calls

    def sign(self, fields: TransactionFields) -> bytes:
        self.opened.announce(self._calls)
        return self.opened.sign(fields)


def plan_of(journal: JournalReader, run: int) -> Plan:
    """Return the plan of a run, as it was written down before anything was signed."""
    return from_document(Plan, parse_json(journal.documents(run)[1].encode()))


def take_up(
    journal: Journal,
    session: Session,
    attempts: Sequence[OpenAttempt],
    signer: Signer,
    *,
    tell: Progress,
    sending: Sending | None = None,
    levers: bool = True,
) -> None:
    """Bring every nonce of `attempts` to its end: the stored bytes again while they are wanted, else a cancellation.

    Wanted is a step whose deadline has not passed, and from which on the rest of its plan still keeps its promise.

    Args:
        levers: whether a plan that borrows is wanted at all; a guard wants none.

    Raises:
        ForeignTransaction: another transaction used a nonce.
        NotConfirmed: a nonce is still open when time is up.
    """
    for run, of_run in groupby(sorted(attempts, key=_order), key=lambda attempt: attempt.run):
        given = list(of_run)
        plan = plan_of(journal, run)
        newest = session.at("latest")
        ledger = Recording(journal, run, given[0].chain, plan, {each.nonce: each.intent for each in given})
        account = account_of(newest, plan)
        desk = desk_for(newest, account, plan, signer, ledger=ledger, tell=tell, sending=sending)
        _bring_in(plan, desk, given, head=newest.block.number, is_barred=plan.levers and not levers)


def _bring_in(plan: Plan, desk: Desk, attempts: Sequence[OpenAttempt], *, head: int, is_barred: bool) -> None:
    sender = Sender(desk)
    desk.signer.announce(calls_of(plan))
    for _, of_nonce in groupby(attempts, key=lambda attempt: attempt.nonce):
        given = list(of_nonce)
        flight = _flight(plan, given, now=desk.sending.clock())
        sender.follow(flight)
        late = given[-1].deadline_block is not None and head > given[-1].deadline_block
        if not flight.was_included and (late or is_barred or not desk.wanted(flight.step)):
            flight.is_unwanted = True
            raise_fees(desk, flight, head=desk.node.block())
    _follow_to_the_end(sender)


def _follow_to_the_end(sender: Sender) -> None:
    while True:
        try:
            sender.until_included()
        except FlightEnded as ended:
            if ended.kind == "cancelled":
                continue
            signed = ended.flight.newest.signed
            if ended.kind == "foreign":
                raise ForeignTransaction(ended.why, signed=signed.hash, nonce=signed.nonce) from None
            raise NotConfirmed(f"stopped: {ended.why}", unknown=f"{signed.hash} (nonce {signed.nonce})") from None
        return


def _flight(plan: Plan, attempts: Sequence[OpenAttempt], *, now: float) -> Flight:
    step = next(step for step in plan.steps if step.index == attempts[0].step)
    flight = Flight(step, attempts[0].nonce, began=now, handed_at=float("-inf"))
    flight.was_included = any(attempt.state == "REORGED" for attempt in attempts)
    for attempt in attempts:
        fields = decode_signed(bytes.fromhex(attempt.raw[2:])).fields
        signed = SignedStep(
            index=step.index,
            nonce=attempt.nonce,
            gas_limit=fields.gas_limit,
            max_fee_per_gas=fields.max_fee_per_gas,
            max_priority_fee_per_gas=fields.max_priority_fee_per_gas,
            hash=attempt.hash,
            raw=attempt.raw,
        )
        flight.attempts.append(Attempt(signed, fields, attempt.purpose, head=attempt.observed_block, at=now))
    flight.is_unwanted = attempts[-1].purpose == "cancel"
    return flight


def _order(attempt: OpenAttempt) -> tuple[int, int, int]:
    return attempt.run, attempt.nonce, attempt.number
