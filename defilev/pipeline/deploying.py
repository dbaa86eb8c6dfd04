"""The transaction that puts the executor on a chain, for signers that are not ours."""

from __future__ import annotations

from typing import Any

from defilev.abi import executor_code
from defilev.chain.node import Node
from defilev.errors import CallReverted, NotDeployed, Refused
from defilev.execute.fees import gas_limit, read_fees
from defilev.execute.transaction import TransactionFields, signing_fields
from defilev.model.request import Address, Block, Call
from defilev.pipeline.executing import has_executor
from defilev.pipeline.session import Session

__all__ = ["deployment"]

DEPLOYMENT_GAS = 3_500_000
"""A gas limit that suffices for the deployment."""


def deployment(session: Session, sender: Address) -> dict[str, Any]:
    """Return the transaction of `sender` that deploys the executor, unsigned, as other signers take it.

    Raises:
        Refused: it is there already, or `sender` has a transaction in flight or too little to pay for the gas.
        NotDeployed: the chain does not have the factory.
        CallReverted: the factory would not create it.
    """
    code, node, block = executor_code(), session.node, session.block
    if has_executor(session):
        raise Refused(f"the executor is deployed already, at {code.address}", fix="use it: there is one for everybody")
    if not node.code(code.factory, block=block):
        raise NotDeployed(
            f"the chain does not have the factory {code.factory}",
            fix="deploy the factory first, by its own well-known transaction",
        )
    call = Call(code.factory, code.deployment)
    made = node.call(call, block=block)
    if not made.success or made.data != bytes.fromhex(code.address[2:]):
        raise CallReverted("the factory would not create the executor", returned="0x" + made.data.hex())
    estimated = node.estimate_gas(call, sender=sender, block=block)
    fees = read_fees(node, at=block)
    fields = TransactionFields(
        chain_id=session.chain_id,
        nonce=node.nonce(sender, block=block),
        max_priority_fee_per_gas=fees.max_priority_fee_per_gas,
        max_fee_per_gas=fees.max_fee_per_gas,
        gas_limit=gas_limit(planned=DEPLOYMENT_GAS, estimated=estimated),
        to=code.factory,
        value=0,
        data=code.deployment,
    )
    _require_funds(node, block, sender, fields.most_it_can_cost)
    return {"from": sender, **signing_fields(fields)}


def _require_funds(node: Node, block: Block, sender: Address, needed: int) -> None:
    has = node.balance(sender, block=block)
    if has < needed:
        raise Refused(
            f"{sender} cannot pay for the deployment",
            fix="send it some of the chain's native currency",
            has_wei=has,
            needs_wei=needed,
        )
