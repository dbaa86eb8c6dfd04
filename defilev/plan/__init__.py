"""What to do: a goal and an account as ordered transactions with limits and post-conditions; pure."""

from __future__ import annotations

from dataclasses import replace

from defilev.errors import Infeasible
from defilev.model.account import Notice
from defilev.model.plan import Plan
from defilev.model.plan_hash import plan_document, plan_from, rest_of
from defilev.model.request import Read
from defilev.plan.adding import plan_addition
from defilev.plan.assemble import assemble
from defilev.plan.closing import plan_closing
from defilev.plan.constraints import ANYTHING, LOAN_WAYS, PERP_WAYS, Constraints, PerpVia, parse_constraints
from defilev.plan.divergence import read_notices
from defilev.plan.goals import parse_goal
from defilev.plan.inputs import Divergence, PlanInputs
from defilev.plan.lever_inputs import LeverInputs, goes_up
from defilev.plan.levering import plan_levering
from defilev.plan.path import Path
from defilev.plan.rearranged import Rearranged
from defilev.plan.rearranging import Rearrangement, plan_rearrangement
from defilev.plan.reduce_inputs import ReduceInputs
from defilev.plan.reducing import plan_margin, plan_reduction
from defilev.plan.refusals import require_known, require_possible
from defilev.plan.repaying import plan_repayment
from defilev.plan.rescuing import Walk, rescued
from defilev.plan.staircase import plan_path
from defilev.plan.unwinding import plan_unwinding

__all__ = [
    "ANYTHING",
    "LOAN_WAYS",
    "PERP_WAYS",
    "Constraints",
    "Divergence",
    "LeverInputs",
    "PerpVia",
    "PlanInputs",
    "Rearranged",
    "Rearrangement",
    "ReduceInputs",
    "goes_up",
    "parse_constraints",
    "parse_goal",
    "plan_atomic",
    "plan_deleverage",
    "plan_document",
    "plan_from",
    "plan_levering",
    "plan_margin",
    "plan_rearrangement",
    "plan_reduction",
    "plan_repayment",
    "rest_of",
]


def plan_deleverage(inputs: PlanInputs) -> Read[Plan]:
    """Return the plan that reaches the goal of `inputs`, or the labelled part of it that fits into one plan.

    Yields the venue's quotes that sizing depends on; the same inputs and answers give the same plan and hash.

    Raises:
        Infeasible: no plan reaches the goal; the fact says why, the fix what would help.
        UnknownName: an asset of the constraints is not in the position, or not in the market.
    """
    require_known(inputs)
    if inputs.constraints.via in ("wallet", "payer"):
        return plan_repayment(inputs)
    if inputs.constraints.via == "collateral":
        return plan_addition(inputs)
    require_possible(inputs)
    walk = plan_closing if inputs.goal.kind == "close" else plan_path
    found = yield from _walked(inputs, walk)
    if isinstance(found, tuple) and not found[1]:
        return (yield from _assembled(inputs, *found))
    switched = yield from rescued(inputs, walk)
    if switched is not None:
        return (yield from _assembled(*switched, ""))
    if isinstance(found, Infeasible):
        raise found
    return (yield from _assembled(inputs, *found))


def _assembled(inputs: PlanInputs, path: Path, label: str) -> Read[Plan]:
    return assemble(inputs, path, label, (yield from read_notices(inputs, path)))


def _walked(inputs: PlanInputs, walk: Walk) -> Read[tuple[Path, str] | Infeasible]:
    """Return the path and its label, or why there is none."""
    try:
        return (yield from walk(inputs))
    except Infeasible as refusal:
        return refusal


def plan_atomic(inputs: PlanInputs) -> Read[Plan]:
    """Return the plan that reaches the goal of `inputs` through the executor, or the staircase with a notice why not.

    Yields as `plan_deleverage` does.

    Raises:
        Infeasible: neither reaches the goal; the fact says why the executor's way does not.
        UnknownName: a chosen collateral or debt is not in the position.
    """
    require_possible(inputs)
    try:
        path = yield from plan_unwinding(inputs)
    except Infeasible as refusal:
        return (yield from _in_steps(inputs, refusal))
    return (yield from _assembled(inputs, path, ""))


def _in_steps(inputs: PlanInputs, refusal: Infeasible) -> Read[Plan]:
    """Return the staircase's plan; raises `refusal` when there is none."""
    told = (*inputs.account.warnings, Notice("not-atomic", f"in steps, not in one transaction: {refusal.fact}"))
    try:
        return (yield from plan_deleverage(replace(inputs, account=replace(inputs.account, warnings=told))))
    except Infeasible:
        raise refusal from None
