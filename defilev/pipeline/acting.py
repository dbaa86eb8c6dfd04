"""From a plan that was tried to transactions: what may be signed, by whom, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from defilev.config.call_list import load_call_list
from defilev.errors import DataError, SimulationFailed
from defilev.execute.broadcast import execute, sign_next
from defilev.execute.desk import Desk, Progress
from defilev.execute.ledger import Ledger
from defilev.execute.limits import Limits, Spent
from defilev.execute.policy import Policy, policy_for
from defilev.execute.sending import Sending
from defilev.execute.signer import Signer
from defilev.execute.unsigned import unsigned_document
from defilev.model.account import LendingAccount
from defilev.model.execution import Execution, SignedStep
from defilev.model.mover import safe_of
from defilev.model.plan import Plan, Step
from defilev.model.request import Address, Block
from defilev.model.simulation import SimulationReport
from defilev.pipeline.agreeing import Agreement, agree
from defilev.pipeline.executing import read_atomic
from defilev.pipeline.hubs import read_hubs
from defilev.pipeline.levering import prices_of, require_lever_fresh
from defilev.pipeline.proving import require_proven
from defilev.pipeline.safes import read_safe
from defilev.pipeline.scheduling import sending_for
from defilev.pipeline.sequencing import require_sequencer
from defilev.pipeline.session import Session
from defilev.pipeline.trying import TOLERANCE, account_of, require_chain, require_kept, require_unexpired, try_plan
from defilev.pipeline.turning import overtaken, turned_around
from defilev.plan import rest_of
from defilev.protocols import ACTING
from defilev.simulate import EngineChoice
from defilev.units import WAD, Wad

__all__ = [
    "Outcome",
    "Retried",
    "broadcast",
    "desk_for",
    "is_still_wanted",
    "off_course",
    "policy_of",
    "require_promise",
    "sign_first",
    "try_again",
    "unsigned",
]


COURSE = WAD // 100
"""How far from what a plan counts on a health factor may be when its next round is begun."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """An execution, and the account before it and at the last receipt's block."""

    execution: Execution
    before: LendingAccount
    after: LendingAccount

    @property
    def is_kept(self) -> bool:
        """Whether the health factor that was got is not below the promised one, and no position was turned around."""
        got, promised = self.execution.got, self.execution.promised
        return not self.turned and (got is None or (promised is not None and got >= promised - TOLERANCE))

    @property
    def turned(self) -> tuple[str, ...]:
        """The markets whose position ended on the other side than it began."""
        return turned_around(self.before, self.after)


@dataclass(frozen=True, slots=True)
class Retried:
    """The newest block that the nodes agree on, the account at it, and the plan tried on it.

    `session` goes through the nodes that agreed, at that block.
    """

    session: Session
    account: LendingAccount
    report: SimulationReport
    agreement: Agreement


def policy_of(
    session: Session,
    account: LendingAccount,
    *,
    spent: Spent | None = None,
    payer: Address | None = None,
    safe: Address | None = None,
    levers: bool = True,
    plan: Plan | None = None,
) -> Policy:
    """Return what may be signed for the owner of `account`.

    Args:
        session: the chain, with the settings of this machine.
        account: read at the newest block.
        spent: remembers what the last day saw; nothing if left out.
        payer: signs in the owner's place and may only repay; the owner signs if left out.
        safe: the Safe that the payer makes act, read at the session's block.
        levers: whether the settings may let leverage be raised; a guard never does.
        plan: what it is for: the executor is verified for one that goes through it, and denied to every other.

    Raises:
        SafeUnknown: it is not a Safe.
        ExecutorMissing, ExecutorForeign: the executor is not there, or is not ours.
    """
    protocol = ACTING[account.protocol]
    limits = session.settings.limits
    policy = policy_for(
        account,
        pool=protocol.spender(account),
        tokens=dict.fromkeys((*protocol.tokens(account), *read_hubs(session))),
        book=session.book,
        node_is_loopback_anvil=session.is_anvil and session.is_loopback,
        calls=load_call_list(session.book.chain_id),
        limits=Limits(
            value_per_transaction=limits.value_per_transaction,
            value_per_day=limits.value_per_day,
            transactions_per_day=limits.transactions_per_day,
        ),
        spent=spent,
    )
    most = limits.max_leverage if levers else None
    read = None if safe is None else read_safe(session, safe)
    atomic = read_atomic(session, account) if plan is not None and plan.unwinds else None
    return replace(policy, payer=payer, safe=read, max_leverage=most, prices=prices_of(account), atomic=atomic)


def try_again(session: Session, plan: Plan, *, engine: EngineChoice = "auto") -> Retried:
    """Try the plan once more, at the newest block that the nodes agree on.

    Raises:
        PlanExpired, PlanForAnotherChain: it may not be begun any more.
        SimulationFailed: it no longer does what it promises.
        SequencerDown: the rollup's sequencer is.
        StalePrice: it borrows, and a price is too old for that.
        EndpointsDisagree, QuorumMissing, WrongChain: see `agree`.
    """
    require_chain(session, plan)
    agreement = agree(session, plan.owner, protocol=plan.protocol, market=plan.market, actors=[plan.actor])
    newest = session.through(agreement.nodes).at(agreement.block)
    require_unexpired(newest, plan)
    account = agreement.account
    require_sequencer(account)
    require_lever_fresh(newest, account, plan)
    report = try_plan(newest, plan, engine=engine, account=account)
    require_kept(plan, report, before=account.health_factor)
    return Retried(newest, account, report, agreement)


def sign_first(retried: Retried, plan: Plan, desk: Desk) -> SignedStep:
    """Sign the plan's next transaction; send nothing.

    Raises as `require_proven` and `execute.broadcast.sign_next` do.
    """
    require_proven(plan, retried.report)
    return sign_next(plan, desk, at=retried.session.block)


def unsigned(retried: Retried, plan: Plan) -> dict[str, Any]:
    """Return the document of the plan's transactions for another signer; raises as `unsigned_document` does."""
    policy = policy_of(retried.session, retried.account, payer=plan.payer, plan=plan)
    return unsigned_document(plan, node=retried.session.node, policy=policy)


def desk_for(
    session: Session,
    account: LendingAccount,
    plan: Plan,
    signer: Signer,
    *,
    ledger: Ledger,
    tell: Progress,
    sending: Sending | None = None,
    spent: Spent | None = None,
) -> Desk:
    """Return everything that acting on `plan` takes, with `account` as it is now.

    Args:
        ledger: writes down each thing before and after it happens; raising stops everything.
        tell: tells a person.
        spent: remembers what the last day saw; nothing when left out.
        sending: the schedule; what suits the chain, the plan and its urgency when left out.
    """
    return Desk(
        node=session.node,
        endpoints=session.endpoints.whole,
        signer=signer,
        policy=policy_of(session, account, spent=spent, payer=plan.payer, safe=safe_of(plan), plan=plan),
        ledger=ledger,
        sending=sending or sending_for(session, account, plan),
        wanted=lambda step: is_still_wanted(session, plan, step),
        tell=tell,
        private=session.private,
        overtaken=lambda step: overtaken(session, plan, step),
    )


def broadcast(retried: Retried, plan: Plan, desk: Desk) -> Outcome:
    """Sign and send every transaction, one after another, and read the account at the last receipt's block.

    Raises:
        NotConfirmed: something was sent, and not everything was seen to succeed.
        Refused, KeyFailure, DataError: before anything was sent.
    """
    require_proven(plan, retried.report)
    session = retried.session
    seen: list[LendingAccount] = []

    def verify(block: Block) -> Wad | None:
        seen.append(account_of(session.at(block), plan, or_nothing=True))
        return seen[-1].health_factor

    execution = execute(plan, desk, verify=verify, at=session.block)
    return Outcome(execution, retried.account, seen[-1])


def is_still_wanted(session: Session, plan: Plan, step: Step) -> bool:
    """Tell whether what is left of `plan` from `step` on still keeps its promise from the newest block.

    A node that cannot say leaves things as they are: the fees rise for what was wanted before.
    """
    rest = rest_of(plan, step)
    try:
        newest = session.at("latest")
        require_kept(rest, try_plan(newest, rest))
    except SimulationFailed:
        return False
    except DataError:
        return True
    return True


def off_course(session: Session, plan: Plan, step: Step) -> str | None:
    """Return how the account differs from what `plan` counts on before `step`, `None` when it does not by much.

    A node that cannot say leaves things as they are.
    """
    before = [each.health_factor for each in plan.steps if each.index < step.index]
    try:
        found = account_of(session.at("latest"), plan).health_factor
    except DataError:
        return None
    if not before or before[-1] is None or found is None or abs(found - before[-1]) <= COURSE:
        return None
    return f"the health factor is {found / WAD:.4f} where the plan counts on {before[-1] / WAD:.4f}"


def require_promise(outcome: Outcome) -> None:
    """Raise `SimulationFailed` when less was got than promised."""
    execution = outcome.execution
    if outcome.turned:
        raise SimulationFailed(
            f"the position in {', '.join(outcome.turned)} was turned around: it had shrunk before the trade",
            fix="close what was opened with `defilev rebalance … --close`",
        )
    if not outcome.is_kept:
        raise SimulationFailed(
            "every transaction succeeded, and the health factor is below the promised one",
            fix="look at the account with `defilev health`, and make a new plan",
            promised=execution.promised,
            got=execution.got,
        )
