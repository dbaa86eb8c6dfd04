"""Plans for signers that this machine never sees: every transaction with its fields, to be signed elsewhere."""

from __future__ import annotations

from typing import Any

from defilev.chain.node import Node
from defilev.execute.fees import read_fees
from defilev.execute.policy import Policy, check_plan, check_transaction
from defilev.execute.preparing import assert_current
from defilev.execute.transaction import TransactionFields, signing_fields
from defilev.model.plan import Plan, Step

__all__ = ["SCHEMA", "unsigned_document"]

SCHEMA = "defilev/unsigned@1"


def unsigned_document(plan: Plan, *, node: Node, policy: Policy) -> dict[str, Any]:
    """Return the JSON document of the plan's transactions, unsigned, with consecutive nonces and the fees of now.

    Gas limits are the plan's. `signing_payload` is what is hashed and signed, for signers that take bytes.

    Raises:
        Refused, PolicyViolation, PlanExpired, PlanForAnotherChain: it must not be signed.
    """
    check_plan(plan, policy=policy)
    head = node.block()
    nonce = assert_current(plan, node=node, at=head)
    fees = read_fees(node, at=head)
    transactions = []
    for position, step in enumerate(plan.steps):
        fields = TransactionFields(
            chain_id=plan.chain_id,
            nonce=nonce + position,
            max_priority_fee_per_gas=fees.max_priority_fee_per_gas,
            max_fee_per_gas=fees.max_fee_per_gas,
            gas_limit=step.gas_limit,
            to=step.to,
            value=step.value,
            data=bytes.fromhex(step.data[2:]),
        )
        check_transaction(fields, step, policy=policy)
        transactions.append(_entry(step, fields))
    return {
        "schema": SCHEMA,
        "chain_id": plan.chain_id,
        "plan_hash": plan.hash,
        "from": plan.actor,
        "expires_at_block": plan.expires_at_block,
        "transactions": transactions,
    }


def _entry(step: Step, fields: TransactionFields) -> dict[str, Any]:
    return {
        "step": step.index,
        "action": step.action.kind,
        **signing_fields(fields),
        "function": step.function,
        "arguments": dict(step.arguments),
    }
