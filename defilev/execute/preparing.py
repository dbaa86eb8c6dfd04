"""One step made into the fields of one transaction: facts asked of the node anew, held against the policy."""

from __future__ import annotations

from defilev.abi import interface, revert_reason
from defilev.chain.dialects import revert_data
from defilev.chain.endpoint import Endpoint
from defilev.chain.endpoints import ask_all
from defilev.chain.node import Node
from defilev.chain.quantity import parse_quantity
from defilev.errors import (
    KeystoreForAnotherAccount,
    PlanExpired,
    PlanForAnotherChain,
    Refused,
    RpcRejected,
    SimulationFailed,
)
from defilev.execute.desk import Desk
from defilev.execute.fees import Fees, capped_fees, gas_limit, read_fees
from defilev.execute.policy import Policy, check_transaction
from defilev.execute.rules import ADAPTERS
from defilev.execute.signer import Signer
from defilev.execute.transaction import TransactionFields
from defilev.model.plan import Plan, Step
from defilev.model.request import Block, Call

__all__ = ["assert_current", "calls_of", "prepare"]


def calls_of(plan: Plan) -> list[Call]:
    """Return the calls that the plan's transactions make."""
    return [Call(step.to, bytes.fromhex(step.data[2:])) for step in plan.steps]


def assert_current(plan: Plan, *, node: Node, at: Block, signer: Signer | None = None) -> int:
    """Return the nonce of the plan's first transaction, if the plan may still be begun.

    Args:
        at: the block that the account was read at, and that the nonce is read at too: of two processes with two
            journals, each of which saw the account before the other acted, both can only sign for the same nonce.

    Raises:
        KeystoreForAnotherAccount: the signer is not the plan's owner.
        PlanForAnotherChain: the node serves another chain.
        PlanExpired: the newest block is past the plan's expiry.
        Refused: the owner has acted since the plan was made, or has a transaction in flight.
    """
    if signer is not None and signer.address != plan.actor:
        raise KeystoreForAnotherAccount(
            "the key is not the one that the plan is to be signed with", holds=signer.address, needed=plan.actor
        )
    _assert_chain(node, plan.chain_id)
    if at.number > plan.expires_at_block or at.timestamp > plan.expires_at:
        raise PlanExpired(
            f"the plan expired at block {plan.expires_at_block}; the newest is {at.number}", hash=plan.hash
        )
    included = node.nonce(plan.actor, block=at)
    pending = parse_quantity(node.rpc.request("eth_getTransactionCount", [plan.actor, "pending"]), what="nonce")
    if pending > included:
        raise Refused(
            f"{plan.actor} has a transaction in flight",
            fix="wait until it is included, or cancel it in the wallet that sent it",
            included=included,
            pending=pending,
        )
    if included != plan.nonce:
        raise Refused(
            f"{plan.actor} has sent transactions since the plan was made",
            fix="make a new plan",
            nonce_of_plan=plan.nonce,
            nonce_now=included,
        )
    return included


def prepare(step: Step, *, nonce: int, desk: Desk, at: Block) -> TransactionFields:
    """Return the checked fields of the transaction that performs `step` on the state of the block `at`.

    Raises:
        Refused, PolicyViolation, SimulationFailed: it must not be signed.
    """
    node, policy = desk.node, desk.policy
    _assert_chain(node, policy.account.chain_id)
    gas = gas_limit(planned=step.gas_limit, estimated=_estimate(step, node, policy, at))
    limits = policy.limits
    fees = _fees(desk, at).within(min(limits.fee_per_gas, limits.transaction_cost // gas))
    fields = TransactionFields(
        chain_id=policy.account.chain_id,
        nonce=nonce,
        max_priority_fee_per_gas=fees.max_priority_fee_per_gas,
        max_fee_per_gas=fees.max_fee_per_gas,
        gas_limit=gas,
        to=step.to,
        value=step.value,
        data=bytes.fromhex(step.data[2:]),
    )
    check_transaction(fields, step, policy=policy)
    _assert_affordable(fields, step, balance=node.balance(policy.actor, block=at))
    return fields


def _fees(desk: Desk, at: Block) -> Fees:
    """Return the fees that the blocks up to `at` suggest, with the lowest tip that any node suggests.

    A tip is whatever a node says that blocks paid, so that one that lies could have it burnt.
    """
    sending = desk.sending

    def suggested(endpoint: Endpoint) -> Fees:
        return read_fees(
            endpoint.node, at=at, tip_floor=sending.tip_floor, is_urgent=sending.is_urgent, cap=sending.fee_cap
        )

    said = ask_all(desk.endpoints, suggested)
    found = [one.value for one in said if one.error is None]
    lowest = min(found, key=lambda fees: fees.max_fee_per_gas) if found else said[0].value
    return capped_fees(lowest, base_fee=at.base_fee or 0, cap=sending.fee_cap)


def _estimate(step: Step, node: Node, policy: Policy, at: Block) -> int:
    account = policy.account
    call = Call(step.to, bytes.fromhex(step.data[2:]))
    try:
        return node.estimate_gas(call, sender=policy.actor, value=step.value, block=at)
    except RpcRejected as rejected:
        data = revert_data(rejected)
        if data is None:
            raise
        interfaces = [interface(ADAPTERS[account.protocol].interface), interface("leverage_executor")]
        reason = revert_reason(data, interfaces)
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
