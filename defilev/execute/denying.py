"""How the policy says no: the rule, what was found, and what would be allowed."""

from __future__ import annotations

from typing import NoReturn

from defilev.errors import PolicyViolation
from defilev.execute.checks import Check
from defilev.model.plan import Step

__all__ = ["at_most", "deny", "equal", "require"]


def equal(rule: str, found: object, wanted: object) -> Check:
    """Return whether something is what it must be."""
    return Check(rule, found == wanted, found, wanted)


def at_most(rule: str, found: int, limit: int) -> Check:
    """Return whether a number lies between zero and its limit."""
    return Check(rule, 0 <= found <= limit, found, f"up to {limit}")


def require(check: Check, step: Step | None = None) -> None:
    """Raise `PolicyViolation` when a rule does not hold."""
    if not check.holds:
        deny(step, check.rule, check.found, check.allowed)


def deny(step: Step | None, rule: str, found: object, allowed: object) -> NoReturn:
    """Raise `PolicyViolation`, which names the step or the plan."""
    where = "the plan" if step is None else f"step {step.index} ({step.action.kind})"
    raise PolicyViolation(f"{where} is not allowed: {rule}", found=found, allowed=allowed)
