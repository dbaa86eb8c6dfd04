"""A plan as transactions of a Safe: as few as fit into blocks, and no allowance left open between two of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from defilev.abi.safe import packed_calls, safe_hashes
from defilev.errors import Infeasible
from defilev.model.bundle import Bundle, Part
from defilev.model.plan import Approve, Plan, Step
from defilev.model.plan_hash import with_hash
from defilev.model.safe import CALL, DELEGATE_CALL, SafeAccount, SafeCall, SafeTransaction

__all__ = ["bundle_of", "call_of", "for_safe"]

_OVERHEAD = 120_000
"""Gas of `execTransaction` and `multiSend` beside the calls and the signatures."""

_PER_SIGNATURE = 10_000
_NOT_OF_A_SAFE = frozenset({"owner-has-code", "native-balance-short"})
"""Notices that mean plain transactions: a Safe's are sent, and paid for, by whoever executes them."""


def bundle_of(plan: Plan, safe: SafeAccount, *, most_gas: int, name: str) -> Bundle:
    """Return what the owners of `safe` are to sign, one transaction of it where the gas allows.

    Args:
        plan: of the Safe, as its owner or as the payer.
        safe: as read at the plan's block; its nonce is the first transaction's.
        most_gas: what a transaction may take at most.
        name: what people see it as.

    Raises:
        Infeasible: calls that belong together take more gas than that.
    """
    overhead = _OVERHEAD + _PER_SIGNATURE * safe.threshold
    pieces = _fitted(_units(plan.steps), most_gas - overhead)
    parts = tuple(_part(safe, steps, place, overhead) for place, steps in enumerate(pieces))
    return Bundle(name, plan.chain_id, safe.address, safe.version, for_safe(plan, safe, len(parts)), parts)


def for_safe(plan: Plan, safe: SafeAccount, transactions: int) -> Plan:
    """Return the plan with the effort that it means for a Safe, and without what concerns plain accounts alone."""
    cost = replace(plan.cost, transactions=transactions, signatures=transactions * safe.threshold)
    warnings = tuple(notice for notice in plan.warnings if notice.name not in _NOT_OF_A_SAFE)
    return with_hash(replace(plan, cost=cost, warnings=warnings))


def call_of(step: Step) -> SafeCall:
    """Return the call that a step makes."""
    return SafeCall(step.to, step.value, step.data)


def _units(steps: Sequence[Step]) -> list[list[Step]]:
    """Return the steps in pieces that leave no allowance behind: an approval stays with what takes it."""
    units: list[list[Step]] = []
    is_open = False
    for step in steps:
        grants = isinstance(step.action, Approve) and step.action.amount > 0
        revokes = isinstance(step.action, Approve) and not grants
        if units and (is_open or revokes):
            units[-1].append(step)
        else:
            units.append([step])
        is_open = grants
    return units


def _fitted(units: Sequence[Sequence[Step]], room: int) -> list[list[Step]]:
    pieces: list[list[Step]] = []
    for unit in units:
        if _gas(unit) > room:
            raise Infeasible(
                f"the calls of steps {unit[0].index} to {unit[-1].index} do not fit into one transaction",
                fix="ask for a nearer goal",
                gas=_gas(unit),
                most=room,
            )
        if pieces and _gas([*pieces[-1], *unit]) <= room:
            pieces[-1] += unit
        else:
            pieces.append(list(unit))
    return pieces


def _gas(steps: Sequence[Step]) -> int:
    return sum(step.gas_limit for step in steps)


def _part(safe: SafeAccount, steps: Sequence[Step], place: int, overhead: int) -> Part:
    transaction = _transaction(safe, [call_of(step) for step in steps], safe.nonce + place)
    hashes = safe_hashes(safe.chain_id, safe.address, transaction)
    return Part(
        transaction=transaction,
        first_step=steps[0].index,
        last_step=steps[-1].index,
        gas=_gas(steps) + overhead,
        domain_hash=hashes.domain,
        message_hash=hashes.message,
        transaction_hash=hashes.transaction,
    )


def _transaction(safe: SafeAccount, calls: Sequence[SafeCall], nonce: int) -> SafeTransaction:
    """Return one call as it is, several through the contract that makes plain calls only."""
    if len(calls) == 1:
        return SafeTransaction(calls[0].to, calls[0].value, calls[0].data, CALL, nonce)
    return SafeTransaction(safe.multi_send, 0, packed_calls(calls), DELEGATE_CALL, nonce)
