"""Sends a plan, one awaited and checked transaction after another; stops at a surprise and says how far it got."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias

from defilev.chain.node import Node
from defilev.chain.values import Receipt
from defilev.errors import BlockUnavailable, DefilevError, NotConfirmed, Refused, RpcError
from defilev.execute.policy import Policy, check_plan
from defilev.execute.preparing import Sending, assert_current, calls_of, nonces, sign_step
from defilev.execute.signer import Signer
from defilev.model.execution import Execution, SentStep, SignedStep
from defilev.model.plan import Plan, Step
from defilev.model.request import Block
from defilev.units import Wad

__all__ = ["Event", "Progress", "Record", "Verify", "execute"]

Event: TypeAlias = SignedStep | SentStep
"""Signed and about to be sent, or included."""
Record: TypeAlias = Callable[[Event], None]
"""Writes an event down, a signed step before it is sent, a sent one after its receipt; raises to stop everything."""
Progress: TypeAlias = Callable[[Step, Event], None]
"""Tells a person: called after sending and after the receipt."""
Verify: TypeAlias = Callable[[Block], Wad | None]
"""Reads the account at a block and returns its health factor, `None` when nothing is owed."""

_OWN_FACTS = frozenset({"done", "fact", "fix", "not_done", "unknown"})


def execute(
    plan: Plan,
    *,
    node: Node,
    signer: Signer,
    policy: Policy,
    verify: Verify,
    record: Record,
    on_progress: Progress,
    sending: Sending | None = None,
) -> Execution:
    """Sign and send every transaction of `plan`, each after the receipt of the one before; read the account at the end.

    A transaction is handed to the node once. An error of the node leaves open whether it took it: the receipt decides.

    Raises:
        Refused, SimulationFailed, KeyFailure, DataError: before anything was sent.
        NotConfirmed: anything that goes wrong after; its facts say what was done and what was not.
    """
    check_plan(plan, policy=policy)
    nonce = assert_current(plan, node=node, signer=signer)
    signer.announce(calls_of(plan))
    run = _Run(plan, node, signer, policy, record, on_progress, sending or Sending())
    try:
        for position, step in enumerate(plan.steps):
            run.perform(step, nonce + position)
        return run.finished(verify)
    except NotConfirmed:
        raise
    except KeyboardInterrupt:
        if run.in_flight or run.done:
            run.stop("interrupted")
        raise
    except Exception as error:
        if run.in_flight or run.done:
            run.stop(error.fact if isinstance(error, DefilevError) else repr(error), cause=error)
        raise


@dataclass(slots=True)
class _Run:
    """What has happened so far."""

    plan: Plan
    node: Node
    signer: Signer
    policy: Policy
    record: Record
    on_progress: Progress
    sending: Sending
    done: list[SentStep] = field(default_factory=list)
    in_flight: SignedStep | None = None
    block: Block | None = None

    def perform(self, step: Step, nonce: int) -> None:
        """Sign, send and await one step."""
        signed = self._sign_after_the_rest(step, nonce) if self.done else self._sign(step, nonce)
        self.record(signed)
        self.in_flight = signed
        trouble = self._send(signed)
        self.on_progress(step, signed)
        receipt = self._await_receipt(step, signed, trouble)
        sent = _sent(signed, receipt)
        self.done.append(sent)
        self.in_flight = None
        self.record(sent)
        self.on_progress(step, sent)
        if sent.status == "reverted":
            self.stop(f"step {step.index} ({step.action.kind}) was included and reverted")

    def finished(self, verify: Verify) -> Execution:
        """Return what was done, with the account as read at the last receipt's block."""
        assert self.block is not None  # noqa: S101 - a plan has steps, and each set it
        return Execution(
            plan_hash=self.plan.hash,
            owner=self.plan.owner,
            steps=tuple(self.done),
            block=self.block,
            promised=self.plan.promise.health_factor,
            got=verify(self.block),
            fee_paid=sum(sent.fee_paid for sent in self.done),
        )

    def stop(self, why: str, *, cause: Exception | None = None) -> NoReturn:
        """Raise `NotConfirmed` with what was done, what is open and what was not begun."""
        unknown = self.in_flight
        begun = len(self.done) + (unknown is not None)
        because = cause.facts if isinstance(cause, DefilevError) else {}
        inherited: dict[str, Any] = {name: value for name, value in because.items() if name not in _OWN_FACTS}
        raise NotConfirmed(
            f"stopped: {why}",
            **inherited,
            done=_listed(self.plan, self.done),
            unknown=f"{self._name(unknown.index)} {unknown.hash} (nonce {unknown.nonce})" if unknown else "nothing",
            not_done=", ".join(self._name(step.index) for step in self.plan.steps[begun:]) or "nothing",
        ) from cause

    def _sign(self, step: Step, nonce: int) -> SignedStep:
        return sign_step(
            step,
            nonce=nonce,
            node=self.node,
            signer=self.signer,
            policy=self.policy,
            sending=self.sending,
            not_before=self.block.number if self.block else 0,
        )

    def _sign_after_the_rest(self, step: Step, nonce: int) -> SignedStep:
        """Sign a later step once the node knows the one before: behind one URL there may be nodes that lag."""
        began = self.sending.clock()
        while True:
            try:
                self._assert_next(nonce)
                return self._sign(step, nonce)
            except BlockUnavailable:
                if self.sending.clock() - began >= self.sending.refused_timeout:
                    raise
            self.sending.sleep(self.sending.pause)

    def _assert_next(self, nonce: int) -> None:
        """Raise `BlockUnavailable` while the node does not count the step before, `Refused` when it counts too many."""
        included, pending = nonces(self.node, self.plan.owner)
        if included > nonce:
            raise Refused("another transaction of this account was included", expected=nonce, found=included)
        if (included, pending) != (nonce, nonce):
            raise BlockUnavailable(
                "the node's count of this account's transactions does not settle",
                expected=nonce,
                included=included,
                pending=pending,
            )

    def _send(self, signed: SignedStep) -> RpcError | None:
        """Hand the transaction to the node, once; return the error, which says nothing about whether it was taken."""
        try:
            self.node.send_raw_transaction(bytes.fromhex(signed.raw[2:]))
        except RpcError as error:
            return error
        return None

    def _await_receipt(self, step: Step, signed: SignedStep, trouble: RpcError | None) -> Receipt:
        """Look for the receipt until it is there, on the chain that the node shows, or time is up."""
        sending = self.sending
        began = sending.clock()
        taken = trouble is None
        while True:
            try:
                if (receipt := self._canonical_receipt(signed.hash)) is not None:
                    return receipt
                taken = taken or self.node.transaction(signed.hash) is not None
            except RpcError as error:
                trouble, taken = error, True
            if sending.clock() - began >= (sending.timeout if taken else sending.refused_timeout):
                self._give_up(step, trouble, taken=taken)
            sending.sleep(sending.pause)

    def _canonical_receipt(self, transaction_hash: str) -> Receipt | None:
        receipt = self.node.receipt(transaction_hash)
        if receipt is None:
            return None
        block = self.node.block(receipt.block_number)
        if block.hash != receipt.block_hash:
            return None
        self.block = block
        return receipt

    def _give_up(self, step: Step, trouble: RpcError | None, *, taken: bool) -> NoReturn:
        name = f"step {step.index} ({step.action.kind})"
        said = f"; the node said: {trouble.fact}" if trouble else ""
        if taken:
            self.stop(f"{name} was sent and is not included after {self.sending.timeout:g} s{said}")
        self.stop(f"{name} was handed to the node, which does not show it{said}")

    def _name(self, index: int) -> str:
        return _name(self.plan, index)


def _sent(signed: SignedStep, receipt: Receipt) -> SentStep:
    return SentStep(
        index=signed.index,
        hash=signed.hash,
        nonce=signed.nonce,
        status="included" if receipt.succeeded else "reverted",
        block_number=receipt.block_number,
        block_hash=receipt.block_hash,
        gas_used=receipt.gas_used,
        fee_paid=receipt.fee_paid,
    )


def _listed(plan: Plan, done: list[SentStep]) -> str:
    return ", ".join(f"{_name(plan, sent.index)} {sent.hash} ({sent.status} in block {sent.block_number})"
                     for sent in done) or "nothing"  # fmt: skip


def _name(plan: Plan, index: int) -> str:
    kinds = {step.index: step.action.kind for step in plan.steps}
    return f"{index} {kinds[index]}"
