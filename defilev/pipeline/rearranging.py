"""Rearranging a position: by the rules of protocols where that can be done."""

from __future__ import annotations

from defilev.errors import Infeasible
from defilev.plan import ANYTHING, PlanInputs, Rearrangement
from defilev.protocols import REARRANGING

__all__ = ["rearrangement"]


def rearrangement(inputs: PlanInputs) -> Rearrangement:
    """Return what a plan that rearranges a position depends on; raises `Infeasible` where no protocol does it."""
    rules = REARRANGING.get(inputs.account.protocol)
    if rules is None:
        what = {"e-mode": "has no e-modes"}.get(inputs.goal.kind, "lets no asset of a position take another's place")
        raise Infeasible(
            f"{inputs.account.protocol} {what} that defilev plans for",
            fix=f"do it on {' or '.join(REARRANGING)}, or close the position and open another",
        )
    if inputs.constraints != ANYTHING or inputs.payer is not None:
        raise Infeasible(
            "the assets are named by the goal itself",
            fix="leave out --via, --payer and what names assets",
        )
    return Rearrangement(inputs, rules)
