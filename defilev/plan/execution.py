"""The transactions that make a Safe do what its owners signed, as a plan of whoever sends them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from defilev.abi.safe import execution_calldata
from defilev.model.bundle import Bundle, Part
from defilev.model.plan import Execute, Plan, Step
from defilev.model.plan_hash import with_hash
from defilev.model.request import Address

__all__ = ["execution_plan"]


def execution_plan(
    bundle: Bundle, parts: Sequence[Part], signatures: Sequence[bytes], *, sender: Address, nonce: int
) -> Plan:
    """Return the plan with a step for each of `parts`, which keeps what the bundle's own plan promises.

    Args:
        bundle: what the owners signed.
        parts: those of its transactions that are still to be executed.
        signatures: of each part, 65 bytes for each owner, ordered by the owners' addresses.
        sender: signs and pays the gas.
        nonce: the sender's.
    """
    steps = tuple(
        _step(bundle, part, signed, index)
        for index, (part, signed) in enumerate(zip(parts, signatures, strict=True), start=1)
    )
    return with_hash(replace(bundle.plan, steps=steps, payer=sender, nonce=nonce))


def _step(bundle: Bundle, part: Part, signatures: bytes, index: int) -> Step:
    inner = [step for step in bundle.plan.steps if part.first_step <= step.index <= part.last_step]
    return Step(
        index=index,
        action=Execute(bundle.safe, part.transaction_hash, tuple(action for step in inner for action in step.actions)),
        to=bundle.safe,
        contract=f"Safe {bundle.version}",
        value=0,
        data="0x" + execution_calldata(part.transaction, signatures).hex(),
        function="execTransaction",
        arguments=(("safeTxHash", part.transaction_hash), ("nonce", str(part.transaction.nonce))),
        health_factor=inner[-1].health_factor,
        at=inner[-1].at,
        gas_limit=part.gas,
    )
