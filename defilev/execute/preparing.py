"""One step made into one signed transaction: facts asked of the node anew, bytes checked before and after signing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from defilev.abi import interface, revert_reason
from defilev.chain.dialects import revert_data
from defilev.chain.node import Node
from defilev.chain.quantity import parse_quantity
from defilev.errors import (
    BlockUnavailable,
    KeystoreForAnotherAccount,
    PlanExpired,
    PlanForAnotherChain,
    Refused,
    RpcRejected,
    SimulationFailed,
)
from defilev.execute.fees import TIP_FLOOR, gas_limit, read_fees
from defilev.execute.policy import Policy, check_plan, check_signed, check_transaction
from defilev.execute.rules import ADAPTERS
from defilev.execute.signer import Signer
from defilev.execute.transaction import TransactionFields
from defilev.model.execution import SignedStep
from defilev.model.plan import Plan, Step
from defilev.model.request import Address, Block, Call

__all__ = ["Sending", "assert_current", "calls_of", "nonces", "prepare", "sign_next", "sign_step"]


@dataclass(frozen=True, slots=True)
class Sending:
    """How to send: seconds to wait for a receipt, for a transaction that the node refused, and between two looks.

    `tip_floor` in wei per gas. `clock` must never go back.
    """

    timeout: float = 300.0
    refused_timeout: float = 15.0
    pause: float = 1.0
    tip_floor: int = TIP_FLOOR
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def sign_next(plan: Plan, *, node: Node, signer: Signer, policy: Policy, sending: Sending | None = None) -> SignedStep:
    """Sign the plan's first transaction and nothing else; send nothing.

    What comes after it is planned again when it has landed: a signed rest would stay valid when it is no longer wanted.

    Raises:
        Refused, PolicyViolation, PlanExpired, PlanForAnotherChain: it must not be signed.
        SimulationFailed: it would revert.
        KeyFailure: it cannot be signed, or the signer is another account's.
    """
    check_plan(plan, policy=policy)
    nonce = assert_current(plan, node=node, signer=signer)
    signer.announce(calls_of(plan))
    return sign_step(plan.steps[0], nonce=nonce, node=node, signer=signer, policy=policy, sending=sending or Sending())


def calls_of(plan: Plan) -> list[Call]:
    """Return the calls that the plan's transactions make."""
    return [Call(step.to, bytes.fromhex(step.data[2:])) for step in plan.steps]


def assert_current(plan: Plan, *, node: Node, signer: Signer | None = None) -> int:
    """Return the nonce of the plan's first transaction, if the plan may still be begun.

    Raises:
        KeystoreForAnotherAccount: the signer is not the plan's owner.
        PlanForAnotherChain: the node serves another chain.
        PlanExpired: the newest block is past the plan's expiry.
        Refused: the owner has acted since the plan was made, or has a transaction in flight.
    """
    if signer is not None and signer.address != plan.owner:
        raise KeystoreForAnotherAccount("the key is not the owner's", holds=signer.address, needed=plan.owner)
    _assert_chain(node, plan.chain_id)
    head = node.block()
    if head.number > plan.expires_at_block or head.timestamp > plan.expires_at:
        raise PlanExpired(
            f"the plan expired at block {plan.expires_at_block}; the newest is {head.number}", hash=plan.hash
        )
    included, pending = nonces(node, plan.owner)
    if pending != included:
        raise Refused(
            f"{plan.owner} has a transaction in flight",
            fix="wait until it is included, or cancel it in the wallet that sent it",
            included=included,
            pending=pending,
        )
    if included != plan.nonce:
        raise Refused(
            f"{plan.owner} has sent transactions since the plan was made",
            fix="make a new plan",
            nonce_of_plan=plan.nonce,
            nonce_now=included,
        )
    return included


def nonces(node: Node, owner: Address) -> tuple[int, int]:
    """Return how many transactions of `owner` are included, and how many with those that wait in the node's pool."""
    pending = node.rpc.request("eth_getTransactionCount", [owner, "pending"])
    return node.nonce(owner), parse_quantity(pending, what="nonce")


def sign_step(
    step: Step,
    *,
    nonce: int,
    node: Node,
    signer: Signer,
    policy: Policy,
    sending: Sending,
    not_before: int = 0,
) -> SignedStep:
    """Return `step` as a signed transaction with that nonce.

    Args:
        not_before: the number of the block that the node must know, since what the step needs happened in it.

    Raises:
        BlockUnavailable: the node does not know that block yet.
        Refused, PolicyViolation, SimulationFailed, KeyFailure: it must not be signed, or cannot be.
    """
    head = node.block()
    if head.number < not_before:
        raise BlockUnavailable(f"the node's newest block is {head.number}, and it had block {not_before} before")
    fields = prepare(step, nonce=nonce, node=node, policy=policy, at=head, tip_floor=sending.tip_floor)
    raw = signer.sign(fields)
    transaction_hash = check_signed(raw, step, expected=fields, owner=policy.account.owner)
    return SignedStep(
        index=step.index,
        nonce=nonce,
        gas_limit=fields.gas_limit,
        max_fee_per_gas=fields.max_fee_per_gas,
        max_priority_fee_per_gas=fields.max_priority_fee_per_gas,
        hash=transaction_hash,
        raw="0x" + raw.hex(),
    )


def prepare(step: Step, *, nonce: int, node: Node, policy: Policy, at: Block, tip_floor: int) -> TransactionFields:
    """Return the checked fields of the transaction that performs `step` on the state of the block `at`."""
    _assert_chain(node, policy.account.chain_id)
    fees = read_fees(node, at=at, tip_floor=tip_floor)
    estimated = _estimate(step, node, policy, at)
    fields = TransactionFields(
        chain_id=policy.account.chain_id,
        nonce=nonce,
        max_priority_fee_per_gas=fees.max_priority_fee_per_gas,
        max_fee_per_gas=fees.max_fee_per_gas,
        gas_limit=gas_limit(planned=step.gas_limit, estimated=estimated),
        to=step.to,
        value=step.value,
        data=bytes.fromhex(step.data[2:]),
    )
    check_transaction(fields, step, policy=policy)
    _assert_affordable(fields, step, balance=node.balance(policy.account.owner, block=at))
    return fields


def _estimate(step: Step, node: Node, policy: Policy, at: Block) -> int:
    account = policy.account
    call = Call(step.to, bytes.fromhex(step.data[2:]))
    try:
        return node.estimate_gas(call, sender=account.owner, value=step.value, block=at)
    except RpcRejected as rejected:
        data = revert_data(rejected)
        if data is None:
            raise
        reason = revert_reason(data, [interface(ADAPTERS[account.protocol])])
        raise SimulationFailed(
            f"step {step.index} ({step.action.kind}) would revert now: {reason}",
            fix="it was not signed; make a new plan at the newest block",
        ) from None


def _assert_affordable(fields: TransactionFields, step: Step, *, balance: int) -> None:
    if balance < fields.most_it_can_cost:
        raise Refused(
            f"the account cannot pay for the gas of step {step.index} ({step.action.kind})",
            fix="send the account some of the chain's native currency; the step was not signed",
            has_wei=balance,
            needs_wei=fields.most_it_can_cost,
        )


def _assert_chain(node: Node, chain_id: int) -> None:
    served = node.chain_id()
    if served != chain_id:
        raise PlanForAnotherChain(
            f"the plan is for chain {chain_id}, and the node serves chain {served}", plan=chain_id, node=served
        )
