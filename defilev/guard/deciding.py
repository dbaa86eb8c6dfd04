"""What to do about one account at one block; a pure function of the rules, the reading and what is remembered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_UP, Decimal

from defilev.guard.memory import Memory
from defilev.guard.obstacles import MEASURES, Facts, obstacle
from defilev.guard.pace import BLOCKS_OF_REPAYMENT, BLOCKS_OF_SALE, fall_per_block
from defilev.guard.reading import Reading, Spending
from defilev.guard.telling import TOLD_NOTICES, alerts_of, notice_alerts
from defilev.guard.triggers import fired_by, key_of, new_peaks
from defilev.model.guard import Alert, Decision, Fired, Tier, Verdict
from defilev.model.guard_rules import AccountRule
from defilev.model.plan import Goal

__all__ = ["Judged", "decide"]

_LEVEL = Decimal("0.0001")
_PURSUING: tuple[Verdict, ...] = ("act", "wait", "held")


@dataclass(frozen=True, slots=True)
class Judged:
    """A decision, what is to be remembered of the account if nothing is done, and what people are told.

    `fall` is the fraction of its health that the account loses with each block, as prices have moved since the last
    look; zero when it does not fall.
    """

    decision: Decision
    memory: Memory
    alerts: tuple[Alert, ...]
    fall: Decimal = Decimal(0)


def decide(
    rule: AccountRule,
    reading: Reading,
    memory: Memory,
    *,
    spent: Spending,
    held_by: str | None = None,
    is_key_busy: bool = False,
) -> Judged:
    """Return what is to be done.

    Args:
        rule: of the account.
        reading: of one block; its time is the only clock.
        memory: what the tick before left.
        spent: what the last 24 hours saw.
        held_by: why nothing new may be begun, `None` when nothing holds the guard.
        is_key_busy: whether an action with the account's key is under way.
    """
    peaks = new_peaks(rule.triggers, reading, memory.peaks)
    changed = _changed(memory.parameters, reading.parameters)
    fall = fall_per_block(reading, memory)
    ahead = _ahead(rule, reading, fall)
    firing = fired_by(rule.triggers, reading, peaks=peaks, changed=changed, ahead=ahead)
    is_armed = memory.is_armed or _is_rearmed(rule, reading)
    acting = [fired for trigger, fired in firing if trigger.acts]
    tier = _tier(rule, ahead)
    goal = _goal(rule, reading)
    verdict, reason = _verdict(
        Facts(rule, reading, memory, spent, held_by, tier, goal, is_armed, is_key_busy),
        acting,
        [fired for _, fired in firing],
    )
    decision = replace(
        _seen(rule, reading),
        fired=tuple(fired for _, fired in firing),
        verdict=verdict,
        reason=reason,
        next_check=reading.now + rule.tiers[tier].every,
        tier=tier if verdict in _PURSUING else None,
        goal=goal if verdict in _PURSUING else None,
        is_armed=is_armed,
    )
    kept = _remembered(memory, reading, decision, peaks)
    after = replace(kept, spent=spent, next_check=decision.next_check, fall=fall)
    told = (*alerts_of(decision, memory, tier=tier), *notice_alerts(decision, reading.notices, memory))
    return Judged(decision, after, told, fall)


def _seen(rule: AccountRule, reading: Reading) -> Decision:
    """Return what was seen of an account, before anything is decided."""
    return Decision(
        account=rule.name,
        owner=rule.owner,
        protocol=rule.protocol,
        market=rule.market,
        block=reading.account.block,
        authority=rule.authority,
        health_factor=reading.account.health_factor,
        collateral_value=reading.account.collateral_value,
        debt_value=reading.account.debt_value,
        quote_decimals=reading.account.quote_decimals,
        fired=(),
        verdict="nothing",
        reason="",
        next_check=reading.now,
        liquidation_probability=max(reading.probabilities.values(), default=None),
    )


def _remembered(memory: Memory, reading: Reading, decision: Decision, peaks: Mapping[str, Decimal]) -> Memory:
    return replace(
        memory,
        is_armed=decision.is_armed,
        fired=tuple(key_of(fired) for fired in decision.fired if fired.kind != "parameter-change"),
        verdict=decision.verdict,
        peaks=peaks,
        parameters=dict(reading.parameters) or memory.parameters,
        seen_block=max(memory.seen_block, reading.account.block.number),
        seen_at=max(memory.seen_at, reading.now),
        prices=dict(reading.prices) if reading.health is not None else {},
        owed=reading.health is not None,
        goes_on=memory.goes_on and decision.verdict in _PURSUING,
        notices=tuple(sorted({notice.name for notice in reading.notices} & TOLD_NOTICES.keys())),
    )


def _verdict(facts: Facts, acting: Sequence[Fired], firing: Sequence[Fired]) -> tuple[Verdict, str]:
    if not firing and not _goes_on(facts):
        return "nothing", "no trigger fires"
    if (telling := _only_telling(facts, acting)) is not None:
        return "alert", telling
    if (hindered := obstacle(facts)) is not None:
        return "wait", hindered
    if facts.held_by is not None:
        return "held", facts.held_by
    why = _words(acting[0]) if acting else "the last action was a slice"
    return "act", f"{why}: to {_goal_words(facts.goal)}"


def _goes_on(facts: Facts) -> bool:
    """Tell whether the last action was a slice and its goal is not reached."""
    return facts.memory.goes_on and _nothing_to_do(facts) is None


def _only_telling(facts: Facts, acting: Sequence[Fired]) -> str | None:
    if not acting and not _goes_on(facts):
        return "the triggers that fire only tell"
    if facts.rule.authority == "alert-only":
        return "the authority is alert-only"
    return _nothing_to_do(facts)


def _nothing_to_do(facts: Facts) -> str | None:
    """Return why the goal asks for nothing: the guard only ever lowers debt."""
    if facts.reading.health is None:
        return "nothing is owed"
    if facts.goal is None:
        return "the account is within its no-trade band"
    if facts.goal.value is not None and _reached(facts) >= facts.goal.value:
        return f"the goal, {_goal_words(facts.goal)}, is met"
    return None


def _is_rearmed(rule: AccountRule, reading: Reading) -> bool:
    level = reading.level(rule)
    return level is None or rule.rearm is None or level >= rule.rearm


def _ahead(rule: AccountRule, reading: Reading, fall: Decimal) -> Decimal | None:
    """Return the level at the end of an action that is begun now, when prices go on as they do.

    A margin ratio falls by the leverage times what a health factor does.
    """
    blocks = BLOCKS_OF_REPAYMENT if rule.authority == "reserve" else BLOCKS_OF_SALE
    level = reading.level(rule)
    if level is None or rule.measure == "health-factor":
        return None if level is None else level * (1 - fall) ** blocks
    return level * max(1 - (1 - (1 - fall) ** blocks) * (reading.leverage or 1), Decimal(0))


def _tier(rule: AccountRule, health: Decimal | None) -> Tier:
    for tier in ("emergency", "urgent"):
        below = rule.tiers[tier].below
        if health is not None and below is not None and health < below:
            return tier
    return "normal"


def _goal(rule: AccountRule, reading: Reading) -> Goal | None:
    if rule.goal is None:
        return None
    if rule.goal.kind in ("close", "margin-ratio"):
        return Goal("close" if rule.goal.kind == "close" else "margin-ratio", rule.goal.value)
    if rule.goal.kind == "health-factor" and rule.goal.value is not None:
        return Goal("health-factor", _by_the_oracle(rule.goal.value, reading))
    trade = reading.trade
    if trade is None or trade.action not in ("deleverage", "close"):
        return None
    if trade.health_factor is None:
        return Goal("close", None)
    return Goal("health-factor", Decimal(str(trade.health_factor)).quantize(_LEVEL, rounding=ROUND_UP))


def _by_the_oracle(wanted: Decimal, reading: Reading) -> Decimal:
    """Return the contract's health factor at which the one that is acted on is `wanted`, rounded up."""
    acted_on, shown = reading.health, reading.oracle_health
    if not acted_on or shown is None or shown == acted_on:
        return wanted
    return (wanted * shown / acted_on).quantize(_LEVEL, rounding=ROUND_UP)


def _reached(facts: Facts) -> Decimal:
    """Return the level by the contract's own figures that a goal is held against."""
    is_ratio = facts.rule.measure == "margin-ratio"
    found = facts.reading.margin_ratio if is_ratio else facts.reading.oracle_health
    return Decimal("Infinity") if found is None else found


def _changed(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return by parameter what it was and what it is; nothing before the first tick, or when none was read."""
    if not before or not now:
        return {}
    names = sorted({*before, *now})
    return {name: (before.get(name, ""), now.get(name, "")) for name in names if before.get(name) != now.get(name)}


def _words(fired: Fired) -> str:
    about = f" of {fired.subject}" if fired.subject else ""
    return f"{fired.kind}{about} is {fired.figure}, past {fired.limit}"


def _goal_words(goal: Goal | None) -> str:
    if goal is None or goal.kind == "close":
        return "no position"
    return f"{MEASURES[goal.kind]} {goal.value}"
