"""The schedule of one plan: how fast its chain is, how near a liquidation is, and what gas may cost for that."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from defilev.execute.fees import fee_cap
from defilev.execute.limits import Limits
from defilev.execute.sending import Sending
from defilev.model.account import LendingAccount
from defilev.model.plan import Plan
from defilev.pipeline.chains import block_seconds
from defilev.pipeline.hubs import native_of, read_hubs
from defilev.pipeline.session import Session
from defilev.protocols import ACTING
from defilev.units import WAD, to_decimal

__all__ = ["sending_for"]

_LOCAL = Sending(pause=0.05, rebroadcast_after=2.0, foreign_after=3.0)
"""A loopback anvil mines at once, mines nothing by itself, and counts no requests."""

SHORTEST = 4.0
"""Seconds until something is done about a transaction, however fast the blocks are."""

SLOW_BLOCK = 6
"""Seconds per block from which on two blocks verify an inclusion; on faster chains it is one."""


def sending_for(session: Session, account: LendingAccount, plan: Plan, *, is_urgent: bool = False) -> Sending:
    """Return the schedule for `plan`, with `account` as it is now.

    Acting is urgent when a caller says so, and when the account is in DANGER or liquidatable: fees start higher, rise
    after one block, and may reach a fifth of what a liquidation would cost; otherwise they stay within a hundredth of
    what the plan moves.
    """
    is_urgent = is_urgent or _is_urgent(session, account)
    cap = _fee_cap(session, account, plan, is_urgent=is_urgent)
    wanted = session.settings.confirmations
    if session.is_anvil and session.is_loopback:
        return replace(_LOCAL, confirmations=wanted or 0, is_urgent=is_urgent, fee_cap=cap)
    block = float(block_seconds(session.chain_id))
    return Sending(
        pause=min(max(block / 4, 0.5), 3.0),
        rebroadcast_after=max(block, SHORTEST),
        first_raise=max(block if is_urgent else 2 * block, SHORTEST),
        next_raise=max(block, SHORTEST),
        most_attempts=8 if block > SLOW_BLOCK else 12,
        fee_cap=cap,
        is_urgent=is_urgent,
        foreign_after=max(2 * block, SHORTEST),
        private_for=2 * block,
        confirmations=wanted if wanted is not None else 2 if block > SLOW_BLOCK else 1,
    )


def _is_urgent(session: Session, account: LendingAccount) -> bool:
    health = account.health_factor
    if health is None:
        return False
    return to_decimal(health, 18) < session.settings.status.danger


def _fee_cap(session: Session, account: LendingAccount, plan: Plan, *, is_urgent: bool) -> int:
    moved = _in_wei(session, account, max(account.debt_value - plan.promise.debt_value, 0))
    penalty = ACTING[account.protocol].penalty(account) if is_urgent else None
    at_risk = None
    if is_urgent:
        lost = Fraction(0) if penalty is None else Fraction(penalty.bonus) * Fraction(penalty.close_factor)
        at_risk = _in_wei(session, account, lost * account.debt_value)
    return fee_cap(gas=max(plan.cost.gas, 1), moved=moved, at_risk=at_risk, most=Limits().fee_per_gas)


def _in_wei(session: Session, account: LendingAccount, value: Fraction | int) -> Fraction | None:
    """Return a value in quote base units as wei of the native asset; `None` when that has no price."""
    protocol = ACTING[account.protocol]
    native = native_of(protocol.tokens(account), read_hubs(session))
    price = protocol.value_down(account, native.address, WAD) if native else 0
    return Fraction(value) * WAD / price if price else None
