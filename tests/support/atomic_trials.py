"""One random account taken down through the executor on the real contracts, beside what the staircase would take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from defilev.errors import Infeasible, PolicyViolation
from defilev.execute.policy import check_plan
from defilev.model.account import LendingAccount
from defilev.model.plan import Plan, Unwind
from defilev.pipeline.acting import policy_of
from defilev.pipeline.look import read_account
from defilev.pipeline.planning import make_plan
from defilev.pipeline.session import Session
from defilev.plan import Constraints
from defilev.protocols import PROTOCOLS
from tests.support.atomic import carry_out, left_at_executor
from tests.support.fuzzing import Finding, Trial, draw, goal_findings, open_account, question_of, reason_of
from tests.support.sessions import connected, put_back
from tests.support.world import World

__all__ = ["KINDS", "AtomicOutcome", "draw_indebted", "try_atomically"]

KINDS = ("reverted", "off_target", "not_as_predicted", "left_behind", "denied")


@dataclass(frozen=True, slots=True)
class AtomicOutcome:
    """What came of one account: `way` is `atomic`, `steps` or `refused`, `why` the reason of the last two.

    `gas` is what the transactions used, `steps` and `steps_gas` how many transactions the staircase has, and the sum of
    their gas limits; `None` when there is no whole one.
    """

    way: str
    why: str = ""
    gas: int = 0
    transactions: int = 0
    steps: int | None = None
    steps_gas: int | None = None
    findings: tuple[Finding, ...] = ()


def draw_indebted(world: World, random: Random) -> Trial:
    """Return a trial whose account owes something; what else may trouble it is left out."""
    trial = draw(random, list(world.description["pools"]))
    return trial if trial.recipe.borrows else draw_indebted(world, random)


def try_atomically(world: World, trial: Trial) -> AtomicOutcome:
    """Make the account, plan for it through the executor, carry that out, and put the chain back as it was."""
    with put_back(world):
        open_account(world, trial)
        with connected(world) as session:
            return _tried(world, session, trial)


def _tried(world: World, session: Session, trial: Trial) -> AtomicOutcome:
    entry = world.market(trial.market)
    account = read_account(session, trial.recipe.owner, protocol=entry.protocol, market=entry.market)
    if account.health_factor is None:
        return AtomicOutcome("refused", "nothing is owed")
    question = question_of(account, trial)
    try:
        plan = make_plan(session, account, replace(question, constraints=Constraints("atomic")))
    except Infeasible as refusal:
        return AtomicOutcome("refused", reason_of(refusal))
    if not plan.unwinds:
        told = next((notice.text for notice in plan.warnings if notice.name == "not-atomic"), "")
        return AtomicOutcome("steps", reason_of(Infeasible(told)))
    receipts = carry_out(world, plan)
    findings = (*_denials(session, account, plan), *_findings(world, account, plan, receipts, trial.market))
    steps = _staircase(session, account, trial)
    return AtomicOutcome(
        way="atomic",
        gas=sum(int(receipt["gasUsed"], 16) for receipt in receipts),
        transactions=len(receipts),
        steps=len(steps.steps) if steps else None,
        steps_gas=steps.cost.gas if steps else None,
        findings=findings,
    )


def _staircase(session: Session, account: LendingAccount, trial: Trial) -> Plan | None:
    """Return the whole way in steps, `None` when there is none."""
    try:
        plan = make_plan(session, account, question_of(account, trial))
    except Infeasible:
        return None
    return None if plan.label else plan


def _denials(session: Session, account: LendingAccount, plan: Plan) -> Iterator[Finding]:
    try:
        check_plan(plan, policy=policy_of(session, account, plan=plan))
    except PolicyViolation as denied:
        yield Finding("denied", f"{denied.fact} {denied.facts}")


def _findings(
    world: World, before: LendingAccount, plan: Plan, receipts: list[dict[str, Any]], market: str
) -> Iterator[Finding]:
    if receipts[-1]["status"] != "0x1":
        yield Finding("reverted", f"step {len(receipts)} of {len(plan.steps)}")
        return
    predicted = before
    for step, receipt in zip(plan.steps, receipts, strict=True):
        at = world.node.block(int(receipt["blockNumber"], 16)).timestamp
        for action in step.actions:
            predicted = PROTOCOLS[before.protocol].apply(predicted, action, at=at)
    (after,) = world.read(market, [before.owner])
    if not _is_as_predicted(plan, _amounts(predicted), _amounts(after)):
        yield Finding("not_as_predicted", f"{_amounts(after)} in place of {_amounts(predicted)}")
    if left := left_at_executor(world, plan):
        yield Finding("left_behind", str(left))
    values = (after.health_factor, after.debt_value, after.collateral_value)
    supplied = sum(leg.value for leg in after.legs if leg.side == "supply")
    yield from goal_findings(plan, values if plan.goal.kind != "close" else (values[0], values[1], supplied))


def _is_as_predicted(plan: Plan, predicted: dict[tuple[str, str], int], found: dict[tuple[str, str], int]) -> bool:
    """Tell whether amounts are the predicted ones; a pool that lent for the call gives its suppliers the fee."""
    lent = {action.asset.symbol for step in plan.steps for action in step.actions
            if isinstance(action, Unwind) and action.lender_name == f"{plan.protocol} pool"}  # fmt: skip
    given = {("supply", symbol) for symbol in lent} & predicted.keys()
    return predicted.keys() == found.keys() and all(
        found[leg] >= predicted[leg] if leg in given else found[leg] == predicted[leg] for leg in predicted
    )


def _amounts(account: LendingAccount) -> dict[tuple[str, str], int]:
    return {(leg.side, leg.asset.symbol): leg.amount for leg in account.legs if leg.amount}
