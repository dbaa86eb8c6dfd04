"""Carries out a plan, one awaited and checked transaction after another; at a surprise it stops and says how far."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias

from defilev.errors import BlockUnavailable, DefilevError, ForeignTransaction, NotConfirmed, Refused
from defilev.execute.attempting import sign_attempt
from defilev.execute.desk import Desk, Event, Progress
from defilev.execute.flight import Flight
from defilev.execute.policy import check_plan
from defilev.execute.preparing import assert_current, calls_of, prepare
from defilev.execute.sender import FlightEnded, Sender
from defilev.execute.transaction import TransactionFields
from defilev.model.execution import Execution, SentStep, SignedStep
from defilev.model.plan import Plan, Step, Withdraw
from defilev.model.request import Block
from defilev.units import Wad

__all__ = ["Event", "Progress", "Verify", "execute", "sign_next"]

Verify: TypeAlias = Callable[[Block], Wad | None]
"""Reads the account at a block and returns its health factor, `None` when nothing is owed."""

_OWN_FACTS = frozenset({"done", "fact", "fix", "not_done", "unknown"})


def sign_next(plan: Plan, desk: Desk, *, at: Block) -> SignedStep:
    """Sign the plan's first transaction and nothing else; send nothing.

    What comes after it is planned again when it has landed: a signed rest would stay valid when it is no longer wanted.

    Args:
        at: the block that the account was read at.

    Raises:
        Refused, PolicyViolation, PlanExpired, PlanForAnotherChain: it must not be signed.
        SimulationFailed: it would revert.
        KeyFailure: it cannot be signed, or the signer is another account's.
    """
    nonce = _begin(plan, desk, at=at)
    step = plan.steps[0]
    fields = prepare(step, nonce=nonce, desk=desk, at=at)
    _require_not_overtaken(desk, step)
    desk.ledger.reserve(step, fields, at=at)
    flight = Flight(step, nonce, began=0, handed_at=0)
    sign_attempt(desk, flight, fields, "act", head=at.number)
    return flight.newest.signed


def execute(plan: Plan, desk: Desk, *, verify: Verify, at: Block) -> Execution:
    """Sign and send every transaction of `plan`, each once the one before is included; read the account at the end.

    Nothing but the chain says whether a transaction was taken: its receipt, or the owner's count.

    Args:
        at: the block that the account was read at: trigger and nonce are of one block.

    Raises:
        Refused, SimulationFailed, KeyFailure, DataError: before anything was sent.
        ForeignTransaction: another transaction used the nonce of the first step.
        NotConfirmed: anything else that goes wrong after; its facts say what was done and what was not.
    """
    nonce = _begin(plan, desk, at=at)
    run = _Run(plan, Sender(desk))
    try:
        for position, step in enumerate(plan.steps):
            run.perform(step, nonce + position, at=at)
        return run.finished(verify)
    except NotConfirmed:
        raise
    except FlightEnded as ended:
        raise run.ended(ended) from None
    except KeyboardInterrupt:
        run.stop_if_begun("interrupted")
        raise
    except Exception as error:
        run.stop_if_begun(error.fact if isinstance(error, DefilevError) else repr(error), cause=error)
        raise


def _begin(plan: Plan, desk: Desk, *, at: Block) -> int:
    """Return the nonce of the first transaction, if the plan may be begun."""
    check_plan(plan, policy=desk.policy)
    nonce = assert_current(plan, node=desk.node, at=at, signer=desk.signer)
    desk.signer.announce(calls_of(plan))
    return nonce


def _require_not_overtaken(desk: Desk, step: Step) -> None:
    """Raise `Refused` for a trade whose position was closed or liquidated since the account was read."""
    if (why := desk.overtaken(step)) is not None:
        raise Refused(why, fix="look at it with `defilev health`, and make a new plan", step=step.index)


@dataclass(slots=True)
class _Run:
    """A plan and the nonces that its steps have taken so far."""

    plan: Plan
    sender: Sender
    last: Block | None = field(default=None)

    @property
    def done(self) -> list[SentStep]:
        """Return what is on the chain, in the plan's order."""
        return [flight.sent for flight in self.sender.flights if flight.sent]

    def perform(self, step: Step, nonce: int, *, at: Block) -> None:
        """Sign, send and await one step."""
        if self.done:
            self._require_course(step)
            at, fields = self._prepared(step, nonce)
        else:
            fields = prepare(step, nonce=nonce, desk=self.sender.desk, at=at)
        _require_not_overtaken(self.sender.desk, step)
        self.sender.launch(step, fields, at=at)
        self.sender.until_included()
        self._require_success()

    def finished(self, verify: Verify) -> Execution:
        """Return what was done, with the account as read at the last receipt's block, once that is deep enough."""
        self.sender.until_confirmed()
        self._require_success()
        block = self.sender.desk.node.block(self.done[-1].block_number)
        got = verify(block)
        self.sender.desk.sending.at("verified")
        return Execution(
            plan_hash=self.plan.hash,
            owner=self.plan.owner,
            steps=tuple(self.done),
            block=block,
            promised=self.plan.promise.health_factor,
            got=got,
            fee_paid=sum(sent.fee_paid for sent in self.done),
        )

    def _require_course(self, step: Step) -> None:
        """Stop before another round is begun that no longer fits the account: nothing is between two places then."""
        if isinstance(step.action, Withdraw) and (why := self.sender.desk.off_course(step)) is not None:
            self.stop(why)

    def _require_success(self) -> None:
        """Stop when anything on the chain reverted, also what came in again after a reorganisation."""
        for flight in self.sender.flights:
            if flight.sent is not None and flight.sent.status == "reverted":
                self.stop(f"step {flight.step.index} ({flight.step.action.kind}) was included and reverted")

    def ended(self, ended: FlightEnded) -> DefilevError:
        """Return the error that says how a nonce ended that was not included as wanted."""
        if ended.kind == "foreign" and not self.done:
            signed = ended.flight.newest.signed
            return ForeignTransaction(ended.why, signed=signed.hash, nonce=signed.nonce)
        return self._stopped(ended.why)

    def stop_if_begun(self, why: str, *, cause: Exception | None = None) -> None:
        """Raise `NotConfirmed` when anything was signed for sending."""
        if self.sender.flights:
            self.stop(why, cause=cause)

    def stop(self, why: str, *, cause: Exception | None = None) -> NoReturn:
        """Raise `NotConfirmed` with what was done, what is open and what was not begun."""
        raise self._stopped(why, cause) from cause

    def _stopped(self, why: str, cause: Exception | None = None) -> NotConfirmed:
        flights = self.sender.flights
        because = cause.facts if isinstance(cause, DefilevError) else {}
        inherited: dict[str, Any] = {name: value for name, value in because.items() if name not in _OWN_FACTS}
        return NotConfirmed(
            f"stopped: {why}",
            **inherited,
            done=_listed(self.plan, self.done),
            unknown=", ".join(self._open(flight) for flight in flights if not flight.sent) or "nothing",
            not_done=", ".join(_name(self.plan, step.index) for step in self.plan.steps[len(flights) :]) or "nothing",
        )

    def _open(self, flight: Flight) -> str:
        signed = flight.newest.signed
        return f"{_name(self.plan, signed.index)} {signed.hash} (nonce {signed.nonce})"

    def _prepared(self, step: Step, nonce: int) -> tuple[Block, TransactionFields]:
        """Return the newest block that counts the steps before, and what performs `step` on its state.

        Behind one URL there may be nodes that lag; and what a reorganisation takes back is brought in again first.
        """
        sending = self.sender.desk.sending
        began = sending.clock()
        while True:
            try:
                at = self._next_block(nonce)
                return at, prepare(step, nonce=nonce, desk=self.sender.desk, at=at)
            except BlockUnavailable:
                if sending.clock() - began >= sending.refused_timeout:
                    raise
            sending.sleep(sending.pause)
            self.sender.until_included()
            self._require_success()

    def _next_block(self, nonce: int) -> Block:
        """Raise `BlockUnavailable` while the node does not count the step before, `Refused` when it counts too many."""
        node, before = self.sender.desk.node, self.done[-1].block_number
        head = node.block()
        if head.number < before:
            raise BlockUnavailable(f"the node's newest block is {head.number}, and it had block {before} before")
        included = node.nonce(self.plan.actor, block=head)
        if included > nonce:
            raise Refused("another transaction of this account was included", expected=nonce, found=included)
        if included < nonce:
            raise BlockUnavailable(
                "the node's count of this account's transactions does not settle", expected=nonce, included=included
            )
        return head


def _listed(plan: Plan, done: Sequence[SentStep]) -> str:
    return ", ".join(f"{_name(plan, sent.index)} {sent.hash} ({sent.status} in block {sent.block_number})"
                     for sent in done) or "nothing"  # fmt: skip


def _name(plan: Plan, index: int) -> str:
    kinds = {step.index: step.action.kind for step in plan.steps}
    return f"{index} {kinds[index]}"
