"""Rearranging a position: one collateral or debt in another's place, or another e-mode, at equal value less costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from defilev.errors import Infeasible
from defilev.model.plan import Plan
from defilev.model.request import Read
from defilev.plan.assemble import assemble
from defilev.plan.exchanging import Rearrangement
from defilev.plan.path import Path
from defilev.plan.swapping import plan_swapped_collateral, plan_swapped_debt
from defilev.plan.switching import plan_e_mode

__all__ = ["Rearrangement", "plan_rearrangement"]

Walk = Callable[[Rearrangement], Read[tuple[Rearrangement, Path, str]]]


def plan_rearrangement(asked: Rearrangement) -> Read[Plan]:
    """Return the plan that exchanges an asset of a position for another, or changes its e-mode.

    Raises:
        Infeasible: the market, the venue or the floor does not allow it, and what stands in the way by name.
        UnknownName: an asset is not in the position, or not in the market.
        InvalidNumber: an amount has more places than its token, or is more than there is.
        PriceMissing: the oracle has no price for one of the two assets.
    """
    account = asked.inputs.account
    if account.is_empty:
        raise Infeasible(
            f"{account.owner} has no position on {account.protocol} {account.market_name}", fix="check WHO"
        )
    done, path, label = yield from _WALKS[asked.inputs.goal.kind](asked)
    return assemble(done.inputs, path, label)


_WALKS: Mapping[str, Walk] = {
    "swap-collateral": plan_swapped_collateral,
    "swap-debt": plan_swapped_debt,
    "e-mode": plan_e_mode,
}
