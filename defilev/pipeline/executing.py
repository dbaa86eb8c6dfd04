"""The executor on a chain: whether it is there and is ours, where it goes, and the transaction that puts it there."""

from __future__ import annotations

from typing import Any

from defilev.abi import executor_code, interface, keccak
from defilev.abi.address import ZERO_ADDRESS
from defilev.chain.node import Node
from defilev.errors import CallReverted, ExecutorForeign, ExecutorMissing, NotDeployed, Refused
from defilev.execute.fees import gas_limit, read_fees
from defilev.execute.transaction import TransactionFields, signing_fields
from defilev.model.executor import ExecutorReach
from defilev.model.request import Address, Block, Call
from defilev.pipeline.session import Session

__all__ = ["deployment", "has_executor", "verify_executor"]

DEPLOYMENT_GAS = 3_500_000
"""A gas limit that suffices for the deployment."""


def has_executor(session: Session) -> bool:
    """Return whether code stands at the executor's address; raises `ExecutorForeign` when it is not ours."""
    code = executor_code()
    found = session.node.code(code.address, block=session.block)
    if found and keccak(found) != code.runtime_hash:
        raise ExecutorForeign(
            f"the code at {code.address} is not the executor's",
            found="0x" + keccak(found).hex(),
            expected="0x" + code.runtime_hash.hex(),
        )
    return bool(found)


def verify_executor(session: Session) -> ExecutorReach:
    """Return where the executor goes on the session's chain, once the code there is known to be ours.

    Raises:
        ExecutorMissing: there is no code, or it lists nothing on this chain.
        ExecutorForeign: there is other code.
    """
    code = executor_code()
    if not has_executor(session):
        raise ExecutorMissing(
            f"the executor is not deployed on {session.book.chain_name}: no code at {code.address}",
            block=session.block.number,
        )
    router, morpho = (_listed(session, name) for name in ("router", "morpho"))
    if not session.node.code(router, block=session.block):
        raise ExecutorMissing(
            f"the executor lists no swap router on {session.book.chain_name}: no code at {router}",
            fix="leave out --via atomic: its lists are of Ethereum, Base, Arbitrum and Optimism",
        )
    return ExecutorReach(code.address, router, None if morpho == ZERO_ADDRESS else morpho)


def _listed(session: Session, name: str) -> Address:
    getter = interface("leverage_executor")[name]
    answer = session.node.call(getter.call(executor_code().address), block=session.block)
    if not answer.success:
        raise CallReverted(f"the executor does not answer {name}()", revert_data="0x" + answer.data.hex())
    found: Address = getter.decode_one(answer.data)
    return found


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
