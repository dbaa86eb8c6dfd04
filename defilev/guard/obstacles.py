"""What is in the way of an action that a trigger asks for; pure."""

from __future__ import annotations

from dataclasses import dataclass

from defilev.guard.memory import Memory
from defilev.guard.reading import Reading, Spending
from defilev.model.guard import Tier
from defilev.model.guard_rules import AccountRule
from defilev.model.plan import Goal
from defilev.protocols.sequencer import NOT_UP

__all__ = ["MEASURES", "Facts", "obstacle"]

REFILL = 120
"""Seconds between two slices: a round of a sale, and some blocks in which others bring the pools back to the market."""

MEASURES = {"health-factor": "health", "margin-ratio": "margin ratio"}
"""What levels are called."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a decision is made from: a rule, a reading, what is remembered, and what follows from them at once."""

    rule: AccountRule
    reading: Reading
    memory: Memory
    spent: Spending
    held_by: str | None
    tier: Tier
    goal: Goal | None
    is_armed: bool
    is_key_busy: bool


def obstacle(facts: Facts) -> str | None:
    """Return what is in the way. Hysteresis yields to the second tier, the cool-down to the third; budgets to none.

    Both yield at the first look after an outage of the sequencer: liquidators wait for the grace period then.
    """
    if (blocked := _out_of_reach(facts) or _over_budget(facts)) is not None:
        return blocked
    return _resting(facts) if NOT_UP.isdisjoint(facts.memory.notices) else None


def _resting(facts: Facts) -> str | None:
    rule, memory = facts.rule, facts.memory
    if not facts.is_armed and facts.tier == "normal":
        return f"the last action is not re-armed: {MEASURES[rule.measure]} is below {rule.rearm}"
    if memory.acted_at is not None and facts.tier != "emergency":
        left = _pause(facts) - max(facts.reading.now - memory.acted_at, 0)
        if left > 0:
            return f"cooling down for another {left} s"
    return None


def _pause(facts: Facts) -> int:
    """Return the seconds between two actions: between slices pools refill; a tier with a size waits as between any."""
    rule = facts.rule
    is_slice = facts.memory.goes_on and rule.tiers[facts.tier].size is None
    return min(rule.cool_down, REFILL) if is_slice else rule.cool_down


def _out_of_reach(facts: Facts) -> str | None:
    """Return why nothing can be done now, whatever the rule says."""
    if facts.is_key_busy:
        return "an action with its key is under way"
    block, memory = facts.reading.account.block, facts.memory
    if block.number < memory.seen_block or block.timestamp < memory.seen_at:
        return f"block {block.number} is older than block {memory.seen_block}, which was seen before"
    for notice in facts.reading.notices:
        if notice.name in NOT_UP:
            return notice.text
    if facts.reading.is_paused:
        return "the protocol is paused: nothing can be repaid"
    return None


def _over_budget(facts: Facts) -> str | None:
    budget, spent = facts.rule.budget, facts.spent
    if spent.runs >= budget.runs_per_day:
        return f"{spent.runs} of {budget.runs_per_day} actions of 24 hours are used"
    if budget.value_per_day is not None and spent.value >= budget.value_per_day:
        return f"{spent.value:.2f} of {budget.value_per_day} were repaid within 24 hours"
    if budget.gas_per_day is not None and spent.gas >= budget.gas_per_day:
        return f"{spent.gas} of {budget.gas_per_day} wei of gas were used within 24 hours"
    return None
