"""What may be executed of a Safe, and what its owners may sign: decided from the bytes, call by call."""

from __future__ import annotations

from defilev.errors import BundleTampered, PlanForAnotherChain, PolicyViolation, SafeNonceUsed
from defilev.execute.safe_calls import executed, hashes_of, transaction_checks, unpacked
from defilev.model.bundle import Bundle, Part
from defilev.model.plan import Execute, Step
from defilev.model.safe import SafeAccount, SafeCall

__all__ = ["calls_of_step", "open_bundle", "parts_left"]


def open_bundle(bundle: Bundle, *, safe: SafeAccount) -> list[tuple[SafeCall, ...]]:
    """Return what each transaction of a bundle does, once its hashes and its plan say the same.

    Raises:
        BundleTampered: a hash is not that of the fields, or the calls are not the plan's.
        PolicyViolation: it has what no transaction of a Safe may have.
        PlanForAnotherChain: it is for another chain than the Safe was read on.
    """
    if bundle.chain_id != safe.chain_id or bundle.plan.chain_id != safe.chain_id:
        raise PlanForAnotherChain(f"the bundle is for chain {bundle.chain_id}, not {safe.chain_id}")
    _require(bundle.safe == safe.address, "Safe", bundle.safe, safe.address)
    _require(bundle.version == safe.version, "version of the Safe", bundle.version, safe.version)
    mover = bundle.plan.payer or bundle.plan.owner
    _require(mover == bundle.safe, "account that acts", mover, bundle.safe)
    first = bundle.plan.steps[0].index
    found: list[tuple[SafeCall, ...]] = []
    for part in bundle.parts:
        _require(part.first_step == first, "first step of a transaction", part.first_step, first)
        _require(part.transaction.nonce == bundle.parts[0].transaction.nonce + len(found), "nonce of a transaction",
                 part.transaction.nonce, "one after another")  # fmt: skip
        found.append(_opened(bundle, part, safe))
        first = part.last_step + 1
    _require(first == bundle.plan.steps[-1].index + 1, "last step", first - 1, bundle.plan.steps[-1].index)
    return found


def parts_left(bundle: Bundle, *, safe: SafeAccount) -> tuple[Part, ...]:
    """Return the transactions that are still to be executed.

    Raises:
        SafeNonceUsed: none is, or another of the Safe's comes before them.
    """
    left = tuple(part for part in bundle.parts if part.transaction.nonce >= safe.nonce)
    first = bundle.parts[0].transaction.nonce
    if not left or left[0].transaction.nonce != safe.nonce:
        raise SafeNonceUsed(
            "the Safe's nonce is past the bundle's: it was executed, or another transaction took its place"
            if not left
            else f"transactions of the Safe come first: its nonce is {safe.nonce}, the bundle's {first}",
            nonce_of_safe=safe.nonce,
            nonce_of_bundle=first,
        )
    return left


def calls_of_step(step: Step, action: Execute, *, safe: SafeAccount | None, nonce: int) -> tuple[SafeCall, ...]:
    """Return the calls that an `execTransaction` makes; raises `PolicyViolation` for one that must not be sent."""
    if safe is None:
        raise _denied(step, "execution of a Safe", action.safe, "no Safe was read")
    if {step.to, action.safe} != {safe.address}:
        raise _denied(step, "Safe", step.to, safe.address)
    try:
        transaction, _ = executed(bytes.fromhex(step.data[2:]), nonce=nonce)
        calls = unpacked(transaction)
    except ValueError as error:
        raise _denied(
            step, "call of the Safe", str(error), "execTransaction with calls of the policy's table"
        ) from None
    for check in transaction_checks(transaction, safe=safe):
        if not check.holds:
            raise _denied(step, check.rule, check.found, check.allowed)
    *_, found = hashes_of(safe.chain_id, safe.address, transaction)
    if found != action.transaction_hash:
        raise _denied(step, "hash of the Safe's transaction", found, action.transaction_hash)
    return calls


def _opened(bundle: Bundle, part: Part, safe: SafeAccount) -> tuple[SafeCall, ...]:
    transaction = part.transaction
    for check in transaction_checks(transaction, safe=safe):
        if not check.holds:
            raise PolicyViolation(
                f"the bundle is not allowed: {check.rule}", found=check.found, allowed=check.allowed,
                fix="sign nothing of it; ask who made the file",
            )  # fmt: skip
    said = (part.domain_hash, part.message_hash, part.transaction_hash)
    for name, found, wanted in zip(
        ("domain hash", "message hash", "safeTxHash"),
        said,
        hashes_of(bundle.chain_id, bundle.safe, transaction),
        strict=True,
    ):
        _require(found == wanted, name, found, wanted)
    try:
        calls = unpacked(transaction)
    except ValueError as error:
        raise BundleTampered("the calls of the bundle cannot be taken apart", why=str(error)) from None
    steps = [step for step in bundle.plan.steps if part.first_step <= step.index <= part.last_step]
    planned = tuple(SafeCall(step.to, step.value, step.data) for step in steps)
    _require(calls == planned, "calls of the transaction", len(calls), f"the {len(planned)} calls of its plan")
    _require(part.gas >= sum(step.gas_limit for step in steps), "gas", part.gas, "at least that of its steps")
    return calls


def _require(holds: bool, what: str, found: object, wanted: object) -> None:  # noqa: FBT001 - one use, read at a glance
    if not holds:
        raise BundleTampered(f"the bundle does not hold together: {what}", found=found, expected=wanted)


def _denied(step: Step, rule: str, found: object, allowed: object) -> PolicyViolation:
    return PolicyViolation(f"step {step.index} (execute) is not allowed: {rule}", found=found, allowed=allowed)
