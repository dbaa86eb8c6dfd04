"""Bundles for a Safe's owners: planned for the time that signatures take, and tried with the Safe itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from defilev.abi import interface
from defilev.errors import PlanExpired, UsageError
from defilev.execute.checks import DecodedCall
from defilev.execute.limits import Limits
from defilev.execute.policy import Policy, check_plan
from defilev.execute.safe_policy import open_bundle, parts_left
from defilev.execute.safe_signatures import approval_of
from defilev.execute.words import words_of
from defilev.model.account import LendingAccount
from defilev.model.bundle import Bundle, Part
from defilev.model.plan import Plan
from defilev.model.request import Address, Call
from defilev.model.safe import SafeAccount
from defilev.model.simulation import SimulationReport
from defilev.pipeline.acting import policy_of
from defilev.pipeline.planning import PlanQuestion, make_plan, make_repayment
from defilev.pipeline.safes import approvals, read_safe, require_same_hash
from defilev.pipeline.session import Session
from defilev.pipeline.trying import account_of, require_kept, try_plan
from defilev.plan.bundling import bundle_of
from defilev.plan.drifting import drift_of, drifted_goal, drifted_slippage, with_drift
from defilev.plan.execution import execution_plan

__all__ = ["WINDOW", "Tried", "Verified", "bundle_plan", "make_safe_plan", "try_bundle", "verify_bundle"]

WINDOW = 24 * 3600
"""Seconds that owners have, where nothing else was said."""


@dataclass(frozen=True, slots=True)
class Tried:
    """The transactions that were tried on a fork, as a plan of whoever sent them there, and what came of them."""

    plan: Plan
    report: SimulationReport


@dataclass(frozen=True, slots=True)
class Verified:
    """A bundle that holds together, and what came of trying what is left of it.

    `words` say by transaction and call what its bytes do. `approved_by` are by transaction the owners whose approval is
    on the chain.

    `confirmed_by` is how many nodes said that the Safe itself computes the same hash.
    """

    bundle: Bundle
    safe: SafeAccount
    account: LendingAccount
    words: tuple[tuple[str, ...], ...]
    approved_by: tuple[tuple[Address, ...], ...]
    left: tuple[Part, ...]
    tried: Tried
    confirmed_by: int


def make_safe_plan(
    session: Session, account: LendingAccount, question: PlanQuestion, *, safe: Address, drift: Decimal | None = None
) -> Plan:
    """Return the plan for `account` by a Safe: its own account's, or a repayment on another's behalf.

    Args:
        question: its window is the time until the last owner has signed.
        drift: how far collateral may fall against debt meanwhile, a fraction; by the window when left out.

    Raises:
        Infeasible: no plan reaches the goal, it is one of more leverage, or the drift is more than a sale may lose.
        UsageError: the executor was asked for, whose promise on the chain would not survive the drift.
        DataError: see `make_plan`.
    """
    if question.constraints.via == "atomic":
        raise UsageError("a Safe's bundle is all or nothing already", fix="leave out --via atomic")
    wide = drift_of(account, window=question.window) if drift is None else drift
    goal = question.goal
    slippage = drifted_slippage(question.max_slippage, wide)
    asked = replace(question, goal=drifted_goal(goal, wide), max_slippage=slippage, may_lever=False)
    if account.owner == safe:
        return with_drift(make_plan(session, account, asked), goal, wide)
    return with_drift(make_repayment(session, account, asked, payer=safe), goal, wide)


def bundle_plan(session: Session, plan: Plan, safe: SafeAccount, *, name: str) -> Bundle:
    """Return the plan as the Safe's owners sign it, in transactions that fit into a block and the policy's gas limit.

    Raises:
        UsageError: the plan is not of that Safe.
        Infeasible: calls that belong together do not fit.
    """
    if plan.actor != safe.address:
        raise UsageError(
            "the plan is of another account than the Safe",
            fix="make it with --safe",
            plan=plan.actor,
            safe=safe.address,
        )
    most = min(session.node.gas_limit(session.block), Limits().gas)
    return bundle_of(plan, safe, most_gas=most, name=name)


def try_bundle(
    session: Session, bundle: Bundle, safe: SafeAccount, *, account: LendingAccount, parts: Sequence[Part] | None = None
) -> Tried:
    """Execute a bundle with the Safe itself on a fork, where enough of its owners approve each hash on the chain.

    Args:
        account: the plan's, at the session's block.
        parts: those to execute; all when left out.

    Raises:
        SimulationFailed: a transaction reverts, or the plan does not keep its promise.
        AnvilMissing, AnvilFailed, DataError: it could not be tried.
    """
    approving = sorted(safe.owners, key=lambda owner: int(owner, 16))[: safe.threshold]
    chosen = bundle.parts if parts is None else parts
    approve = interface("safe")["approveHash"]
    prepared = [
        (owner, Call(safe.address, approve.encode(bytes.fromhex(part.transaction_hash[2:]))))
        for part in chosen
        for owner in approving
    ]
    signed = b"".join(approval_of(owner) for owner in approving)
    plan = execution_plan(bundle, chosen, [signed] * len(chosen), sender=approving[0], nonce=0)
    report = try_plan(session, plan, engine="anvil", account=account, prepared=prepared)
    require_kept(plan, report, before=account.health_factor)
    return Tried(plan, report)


def verify_bundle(session: Session, bundle: Bundle) -> Verified:
    """Hold a bundle that somebody made against its hashes, the policy, the Safe and the chain as they are now.

    Raises:
        BundleTampered, PolicyViolation, PlanForAnotherChain: it must not be signed.
        SafeUnknown, SafeNonceUsed, PlanExpired: it cannot be executed any more, or not here.
        SimulationFailed: it does not keep its promise at the session's block.
        DataError: the chain does not answer.
    """
    safe = read_safe(session, bundle.safe)
    open_bundle(bundle, safe=safe)
    left = parts_left(bundle, safe=safe)
    if session.block.timestamp > bundle.expires_at:
        raise PlanExpired(
            "the bundle has expired",
            fix="make it again, from the position as it is now",
            expired_at=bundle.expires_at,
            now=session.block.timestamp,
        )
    confirmed = min(require_same_hash(session, bundle.safe, part.transaction, part.transaction_hash) for part in left)
    account = account_of(session, bundle.plan)
    policy = policy_of(session, account, payer=bundle.plan.payer, plan=bundle.plan)
    words = _words(bundle, check_plan(bundle.plan, policy=policy), policy)
    tried = try_bundle(session, bundle, safe, account=account, parts=left)
    approved = tuple(approvals(session, safe, part.transaction_hash) for part in bundle.parts)
    return Verified(bundle, safe, account, words, approved, left, tried, confirmed)


def _words(bundle: Bundle, calls: Sequence[DecodedCall], policy: Policy) -> tuple[tuple[str, ...], ...]:
    tokens = {token.address: token for token in policy.tokens}
    names = {policy.pool: f"the {bundle.plan.protocol} contract", bundle.plan.owner: "the position of"}
    names |= {bundle.safe: "the Safe"} | ({policy.router: "the swap router"} if policy.router else {})
    said = {step.index: words_of(call, tokens, names) for step, call in zip(bundle.plan.steps, calls, strict=True)}
    return tuple(tuple(said[index] for index in range(part.first_step, part.last_step + 1)) for part in bundle.parts)
