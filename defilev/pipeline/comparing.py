"""Comparing the ways to a goal: each is planned by the one planner, all at the session's block and in shared reads."""

from __future__ import annotations

from dataclasses import replace

from defilev.errors import Infeasible, UsageError
from defilev.model.account import LendingAccount
from defilev.observe.drive import drive_all
from defilev.pipeline.planning import PlanQuestion, loan_inputs, make_plan
from defilev.pipeline.session import Session
from defilev.plan import Constraints, plan_deleverage
from defilev.plan.alternatives import Alternative, attempt, loan_ways, ranked
from defilev.plan.constraints import Via
from defilev.plan.refusals import require_possible
from defilev.protocols import PERPS_AS_LOANS

__all__ = ["find_alternatives"]

_PERP_WAYS: tuple[Via, ...] = ("reduce", "margin")


def find_alternatives(session: Session, account: LendingAccount, question: PlanQuestion) -> tuple[Alternative, ...]:
    """Return the ways to the goal of `question`, the cheapest first; see `alternatives.ranked`.

    Its way is left open; what it says of what is sold, repaid and kept holds for each. A payer's is one of them.

    Raises:
        Infeasible: there is nothing to reach: the goal is met, or there is no position.
        UsageError: the goal has one way only, or a way was chosen.
        UnknownName, DataError: see `make_plan`.
    """
    if question.goal.kind == "close" or question.goal.rearranges:
        raise UsageError(f"--{question.goal.kind} has one way", fix="leave out --alternatives")
    if question.constraints.via not in (None, "payer"):
        raise UsageError("--alternatives compares the ways, and --via chooses one", fix="leave one of them out")
    if account.protocol in PERPS_AS_LOANS:
        vias = (*_PERP_WAYS, *(() if question.payer is None else ("payer",)))
        return ranked(_of_perps(session, account, question, via) for via in vias)
    found = _of_loan(session, account, question)
    session.reader.verify()
    return ranked(found)


def _of_loan(session: Session, account: LendingAccount, question: PlanQuestion) -> list[Alternative]:
    wanted = replace(question.constraints, via=None)
    own = loan_inputs(session, account, replace(question, constraints=wanted, payer=None))
    require_possible(own)
    tried = [replace(own, constraints=way) for way in loan_ways(account, wanted)]
    if question.payer is not None:
        paid = Constraints("payer", repay=wanted.repay, keep=wanted.keep)
        tried.append(loan_inputs(session, account, replace(question, constraints=paid)))
    return drive_all([attempt(inputs, plan_deleverage(inputs)) for inputs in tried], session.fetch)


def _of_perps(session: Session, account: LendingAccount, question: PlanQuestion, via: Via) -> Alternative:
    payer = question.payer if via == "payer" else None
    way = Alternative(replace(question.constraints, via=via), payer, None)
    try:
        plan = make_plan(session, account, replace(question, constraints=way.constraints, payer=payer))
    except Infeasible as refusal:
        return replace(way, refusal=refusal.fact, fix=refusal.fix or "")
    return replace(way, plan=plan)
