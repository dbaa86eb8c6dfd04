"""Raising leverage: what this machine allows, and the freshness of what it rests on."""

from __future__ import annotations

from collections.abc import Mapping

from defilev.errors import Infeasible
from defilev.model.account import LendingAccount, Price
from defilev.model.plan import Borrow, Plan, Supply
from defilev.model.request import Address
from defilev.pipeline.market_prices import limits_of
from defilev.pipeline.session import Session
from defilev.plan import LeverInputs, PlanInputs
from defilev.plan.lever_refusals import require_fresh
from defilev.protocols import LEVERING

__all__ = ["lever_inputs", "prices_of", "require_lever_fresh"]


def lever_inputs(session: Session, inputs: PlanInputs) -> LeverInputs:
    """Return what a plan that raises leverage depends on; raises `Infeasible` for a protocol where none is made."""
    protocol = LEVERING.get(inputs.account.protocol)
    if protocol is None:
        raise Infeasible(
            f"leverage is not raised on {inputs.account.protocol}",
            fix=f"aim for less leverage than there is, or use {' or '.join(LEVERING)}",
        )
    return LeverInputs(inputs, protocol, limits_of(session), session.settings.limits.max_leverage)


def require_lever_fresh(session: Session, account: LendingAccount, plan: Plan) -> None:
    """Let a plan that borrows on to be signed only on fresh prices; raises as `require_fresh` does."""
    protocol = LEVERING.get(account.protocol)
    if protocol is None or not plan.levers:
        return
    actions = (action for step in plan.steps for action in step.actions)
    added = tuple(dict.fromkeys(action.asset for action in actions if isinstance(action, Borrow | Supply)))
    require_fresh(account, protocol, limits=limits_of(session), added=added)


def prices_of(account: LendingAccount) -> Mapping[Address, Price]:
    """Return the oracle's price of every asset of the account's market, nothing where leverage is not raised."""
    protocol = LEVERING.get(account.protocol)
    return {} if protocol is None else protocol.prices(account)
