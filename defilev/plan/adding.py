"""Adding to the collateral from the wallet: nothing is sold, and nothing is repaid."""

from __future__ import annotations

from defilev.errors import Infeasible
from defilev.model.account import Leg
from defilev.model.plan import Plan, Supply
from defilev.model.token import Token
from defilev.plan.assemble import assemble
from defilev.plan.goals import Aim
from defilev.plan.inputs import PlanInputs
from defilev.plan.path import Path, start
from defilev.plan.refusals import SMALLEST_RISE, require_possible
from defilev.plan.repaying import how_far
from defilev.plan.rounds import closest, overshot, reached
from defilev.plan.words import amount_text

__all__ = ["plan_addition"]


def plan_addition(inputs: PlanInputs) -> Plan:
    """Return the plan that supplies from the wallet until the goal is reached, or as much of it as there is.

    What is collateral of the position already is supplied, what raises the health factor most first, and what is owed
    never: that would better be repaid. Supply caps are seen by the simulation alone.

    Raises:
        Infeasible: the wallet holds no such asset, or too little to matter, or the market takes no more of it.
    """
    require_possible(inputs)
    aim = Aim(inputs.goal)
    path = before = start(inputs)
    for leg in _addable(inputs, before):
        if not reached(path, aim):
            path = _added(path, inputs, leg.asset, aim)
    was, becomes = before.health_factor() or 0, path.health_factor() or 0
    if becomes - was < SMALLEST_RISE:
        raise _nothing_to_add(inputs)
    return assemble(inputs, path, how_far(path, aim))


def _addable(inputs: PlanInputs, path: Path) -> list[Leg]:
    """Return the collateral that the wallet can add to, the one that raises the health factor most first."""
    raised = {leg: rise for leg in _collaterals(inputs) if (rise := _rise(path, inputs, leg.asset)) > 0}
    return sorted(raised, key=lambda leg: -raised[leg])


def _collaterals(inputs: PlanInputs) -> list[Leg]:
    owed = {leg.asset.address for leg in inputs.account.legs if leg.side == "borrow"}
    return [leg for leg in inputs.account.legs if leg.used_as_collateral and leg.asset.address not in owed]


def _rise(path: Path, inputs: PlanInputs, token: Token) -> int:
    """Return by how much all that the wallet has of `token` raises the health factor; 0 where it is not taken."""
    held = inputs.spendable(token)
    try:
        after = _supplied(path, token, held) if held else path
    except Infeasible:
        return 0
    return (after.health_factor() or 0) - (path.health_factor() or 0)


def _added(path: Path, inputs: PlanInputs, token: Token, aim: Aim) -> Path:
    """Return the path after adding the least of `token` that reaches the goal, or all that the wallet has."""
    held = inputs.spendable(token)

    def enough(amount: int) -> bool:
        try:
            return reached(_supplied(path, token, amount), aim)
        except Infeasible:
            return False

    if not enough(held):
        return _supplied(path, token, held)
    return _supplied(path, token, closest(enough, lambda amount: overshot(_supplied(path, token, amount), aim), held))


def _supplied(path: Path, token: Token, amount: int) -> Path:
    supply = Supply(token, amount)
    name = path.protocol.transaction(path.first, supply).contract
    return path.approve(token, path.protocol.spender(path.first), name, amount).then(supply)


def _nothing_to_add(inputs: PlanInputs) -> Infeasible:
    collaterals = [leg.asset for leg in _collaterals(inputs) if not inputs.constraints.keeps(leg.asset)]
    held = ", ".join(amount_text(inputs.wallet.balance(token.address), token) for token in collaterals)
    return Infeasible(
        f"the wallet has too little of the collateral to raise the health factor: {held or 'none may be added'}",
        fix="bring more of it, or reach the goal another way",
    )
