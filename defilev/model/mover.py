"""Whose calls reach the market when a plan is carried out: a Safe's, where the sender only makes it act."""

from __future__ import annotations

from defilev.model.plan import Execute, Plan
from defilev.model.request import Address

__all__ = ["mover_of", "safe_of"]


def safe_of(plan: Plan) -> Address | None:
    """Return the Safe that a plan makes act, `None` when it makes none."""
    action = plan.steps[0].action if plan.steps else None
    return action.safe if isinstance(action, Execute) else None


def mover_of(plan: Plan) -> Address:
    """Return the account whose wallet is spent from and whose allowances are granted."""
    return safe_of(plan) or plan.actor
