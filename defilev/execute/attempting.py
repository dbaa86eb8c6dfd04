"""Signing for a nonce and handing the bytes over: the one place of this package where a signer is asked."""

from __future__ import annotations

from dataclasses import replace

from defilev.chain.endpoint import Endpoint
from defilev.errors import PolicyViolation, SignerUnreachable
from defilev.execute.desk import Desk
from defilev.execute.fees import Fees, raised_fees
from defilev.execute.flight import Attempt, Flight, Purpose
from defilev.execute.handing_over import hand_over
from defilev.execute.policy import check_cancellation, check_signed, check_transaction
from defilev.execute.transaction import TransactionFields
from defilev.model.execution import Remark, SignedStep
from defilev.model.request import Block

__all__ = ["CANCEL_GAS", "ask_signer", "hand_over_flight", "keep_attempt", "raise_fees", "sign_attempt"]

CANCEL_GAS = 21_000
"""What a transaction of nothing takes."""


def sign_attempt(desk: Desk, flight: Flight, fields: TransactionFields, purpose: Purpose, *, head: int) -> None:
    """Check, sign, check again, and write down, in this order; the nonce is reserved already.

    Raises:
        PolicyViolation, KeyFailure: it must not be signed, or cannot be.
    """
    keep_attempt(desk, flight, fields, purpose, head=head, raw=ask_signer(desk, flight, fields, purpose))


def ask_signer(desk: Desk, flight: Flight, fields: TransactionFields, purpose: Purpose) -> bytes:
    """Return the signed bytes of what the policy allows; raises as `sign_attempt` does."""
    if purpose == "cancel":
        check_cancellation(fields, policy=desk.policy)
    else:
        check_transaction(fields, flight.step, policy=desk.policy)
    raw = desk.signer.sign(fields)
    desk.sending.at("bump_signed" if flight.attempts else "signed")
    return raw


def keep_attempt(
    desk: Desk, flight: Flight, fields: TransactionFields, purpose: Purpose, *, head: int, raw: bytes
) -> None:
    """Compare what was signed with what was asked for, and write it down."""
    is_first = not flight.attempts
    step = flight.step if purpose == "act" else None
    signed = SignedStep(
        index=flight.step.index,
        nonce=fields.nonce,
        gas_limit=fields.gas_limit,
        max_fee_per_gas=fields.max_fee_per_gas,
        max_priority_fee_per_gas=fields.max_priority_fee_per_gas,
        hash=check_signed(raw, step, expected=fields, owner=desk.policy.actor),
        raw="0x" + raw.hex(),
    )
    desk.ledger.signed(signed, purpose=purpose)
    flight.attempts.append(Attempt(signed, fields, purpose, head=head, at=desk.sending.clock()))
    desk.sending.at("durable" if is_first else "bump_durable")


def hand_over_flight(desk: Desk, flight: Flight) -> None:
    """Hand the newest bytes of a flight over: to the relay or the preferred node at first, later to every node."""
    newest = flight.newest
    raw = bytes.fromhex(newest.signed.raw[2:])
    is_first = not newest.handed
    desk.sending.at("handing_over")
    for endpoint in _recipients(desk, flight, is_first=is_first):
        handed = hand_over(endpoint, raw)
        newest.handed.append(handed)
        flight.is_taken = flight.is_taken or handed.result in ("OK", "KNOWN")
        desk.sending.at("sent" if len(flight.attempts) == 1 else "bump_sent")
        desk.ledger.handed_over(newest.signed.hash, handed)
    flight.handed_at = desk.sending.clock()
    desk.sending.at("recorded_send")


def _recipients(desk: Desk, flight: Flight, *, is_first: bool) -> list[Endpoint]:
    if desk.private is not None and not flight.is_public:
        return [desk.private]
    return list(desk.endpoints)[: 1 if is_first else None]


def raise_fees(desk: Desk, flight: Flight, *, head: Block) -> None:
    """Sign the nonce anew with higher fees and hand it over: for the step while it is wanted, else for nothing.

    A nonce that was spent meanwhile is never signed for again. What the cap, the policy or the signer does not allow is
    left as it is; a signer that does not answer is asked again later, and what was sent is followed all the same. A
    transaction of nothing may cost what the policy allows at the most: it is small, and ends what must not happen.
    """
    flight.is_unwanted = flight.is_unwanted or not desk.wanted(flight.step)
    if desk.node.nonce(desk.policy.actor, block=desk.node.block()) > flight.nonce:
        return
    purpose: Purpose = "cancel" if flight.is_unwanted else "act"
    cap = _cap(desk, flight)
    fees = raised_fees(flight.newest.fees, base_fee=head.base_fee or 0, cap=cap, is_urgent=desk.sending.is_urgent)
    if fees is None:
        _stay(desk, flight, f"its fees may not exceed {cap} wei per gas")
        return
    fields = _cancellation(desk, flight, fees) if flight.is_unwanted else _with_fees(flight.newest.fields, fees)
    try:
        raw = ask_signer(desk, flight, fields, purpose)
    except PolicyViolation as denied:
        _stay(desk, flight, denied.fact)
        return
    except SignerUnreachable as silent:
        flight.newest.at = desk.sending.clock()
        desk.tell(flight.step, _remark(flight, "capped", f"nothing is signed until the next time: {silent.fact}"))
        return
    keep_attempt(desk, flight, fields, purpose, head=head.number, raw=raw)
    hand_over_flight(desk, flight)
    desk.tell(flight.step, _told(flight, fees))


def _cap(desk: Desk, flight: Flight) -> int:
    """Return the most wei per gas that the next transaction of the nonce may pay."""
    limits = desk.policy.limits
    if flight.is_unwanted:
        return limits.fee_per_gas
    return min(desk.sending.fee_cap, limits.transaction_cost // flight.newest.fields.gas_limit)


def _stay(desk: Desk, flight: Flight, why: str) -> None:
    flight.is_capped = True
    desk.tell(flight.step, _remark(flight, "capped", why))


def _told(flight: Flight, fees: Fees) -> Remark:
    if flight.is_unwanted:
        return _remark(flight, "cancelling", "it is no longer wanted: a transaction of nothing takes its nonce")
    return _remark(flight, "raised", f"its fees rise to {fees.max_fee_per_gas} wei per gas")


def _cancellation(desk: Desk, flight: Flight, fees: Fees) -> TransactionFields:
    to_itself = replace(flight.newest.fields, to=desk.policy.actor, value=0, data=b"", gas_limit=CANCEL_GAS)
    return _with_fees(to_itself, fees)


def _with_fees(fields: TransactionFields, fees: Fees) -> TransactionFields:
    return replace(fields, max_fee_per_gas=fees.max_fee_per_gas, max_priority_fee_per_gas=fees.max_priority_fee_per_gas)


def _remark(flight: Flight, kind: str, text: str) -> Remark:
    return Remark(flight.step.index, kind, f"{text} ({flight.newest.signed.hash})")  # type: ignore[arg-type]
