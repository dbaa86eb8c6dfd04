"""Nonces that a process reserved and ended before its signature was written down: signed for again, to the last byte.

A signer with a memory may have given the signature, and gives no other for that nonce. So the nonce is neither given
back nor used for another call: what was to be signed is signed again, and then brought in, or cancelled.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from defilev.errors import PolicyViolation
from defilev.execute.attempting import sign_attempt
from defilev.execute.flight import Flight
from defilev.execute.preparing import calls_of
from defilev.execute.signer import Signer
from defilev.execute.transaction import TransactionFields
from defilev.journal import Reserved
from defilev.model.request import Address
from defilev.pipeline.acting import desk_for
from defilev.pipeline.recording import Recording
from defilev.pipeline.taking_up import plan_of
from defilev.pipeline.trying import account_of

if TYPE_CHECKING:
    from defilev.execute.desk import Progress
    from defilev.execute.sending import Sending
    from defilev.journal import Journal
    from defilev.pipeline.session import Session

__all__ = ["sign_again"]


def sign_again(
    journal: Journal,
    session: Session,
    reserved: Iterable[Reserved],
    signer: Signer,
    *,
    tell: Progress,
    sending: Sending | None = None,
) -> None:
    """Sign what each nonce was reserved for, and write it down; a nonce that the policy denies is given back.

    Raises:
        PolicyViolation: it may not be signed any more, or never could.
        KeyFailure: the signer does not sign.
    """
    for each in reserved:
        plan = plan_of(journal, each.run)
        step = next(step for step in plan.steps if step.index == each.step)
        ledger = Recording(journal, each.run, each.chain, plan, {each.nonce: each.intent})
        account = account_of(session, plan)
        desk = desk_for(session, account, plan, signer, ledger=ledger, tell=tell, sending=sending)
        signer.announce(calls_of(plan))
        try:
            sign_attempt(desk, Flight(step, each.nonce, 0, 0), _fields(each), "act", head=session.block.number)
        except PolicyViolation:
            journal.release(each.intent, why="the policy denies it")
            raise


def _fields(reserved: Reserved) -> TransactionFields:
    """Return the fields as they were written down before anything was signed."""
    told = reserved.fields
    return TransactionFields(
        chain_id=int(told["chain_id"]),
        nonce=int(told["nonce"]),
        max_priority_fee_per_gas=int(told["max_priority_fee_per_gas"]),
        max_fee_per_gas=int(told["max_fee_per_gas"]),
        gas_limit=int(told["gas_limit"]),
        to=Address(told["to"]),
        value=int(told["value"]),
        data=bytes.fromhex(told["data"][2:]),
    )
