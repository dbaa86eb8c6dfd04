"""Plans through the executor on the local chain: made as production makes them, and carried out without keys."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from defilev.abi import interface
from defilev.model.account import LendingAccount
from defilev.model.plan import Goal, Plan, Unwind
from defilev.model.request import Address
from defilev.pipeline.planning import PlanQuestion, make_plan
from defilev.pipeline.session import Session
from defilev.plan import Constraints
from tests.support.world import World

__all__ = ["atomic_plan", "carry_out", "left_at_executor", "unwind_of"]

SLIPPAGE = Decimal("0.01")


def atomic_plan(
    session: Session,
    account: LendingAccount,
    goal: str | None,
    *,
    slippage: Decimal = SLIPPAGE,
    debt: str | None = None,
    collateral: str | None = None,
) -> Plan:
    """Return the plan to a health factor, or that closes when `goal` is `None`."""
    wanted = Goal("close", None) if goal is None else Goal("health-factor", Decimal(goal))
    question = PlanQuestion(
        wanted,
        max_slippage=slippage,
        floor=Decimal("1.0001"),
        window=600,
        constraints=Constraints("atomic", sell=(collateral,) if collateral else (), repay=(debt,) if debt else ()),
    )
    return make_plan(session, account, question)


def carry_out(world: World, plan: Plan) -> list[dict[str, Any]]:
    """Send every transaction of a plan, one after another, and return the receipts up to the first that fails."""
    receipts: list[dict[str, Any]] = []
    for step in plan.steps:
        data = bytes.fromhex(step.data[2:])
        receipts.append(world.send(plan.owner, step.to, data, gas=step.gas_limit))
        if receipts[-1]["status"] != "0x1":
            break
    return receipts


def unwind_of(plan: Plan) -> Unwind:
    """Return the first call of the executor in a plan."""
    return next(step.action for step in plan.steps if isinstance(step.action, Unwind))


def left_at_executor(world: World, plan: Plan) -> dict[str, int]:
    """Return what the executor holds, and may take, of every token that the plan's calls move; empty when nothing."""
    erc20 = interface("erc20")
    found: dict[str, int] = {}
    for action in (step.action for step in plan.steps if isinstance(step.action, Unwind)):
        for token in (action.asset, action.collateral, action.receipt):
            held = erc20["balanceOf"].call(token.address, action.executor)
            allowed = erc20["allowance"].call(token.address, plan.owner, action.executor)
            found[f"{token.symbol} held"] = _number(world, held.to, held.data)
            found[f"{token.symbol} allowed"] = _number(world, allowed.to, allowed.data)
    return {name: amount for name, amount in found.items() if amount}


def _number(world: World, to: Address, data: bytes) -> int:
    return int(world.rpc("eth_call", {"to": to, "data": "0x" + data.hex()}, "latest"), 16)
