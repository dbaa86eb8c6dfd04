"""The guard's decision: a pure function of rules, reading and memory. No clock but the chain's."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from defilev.guard.deciding import Judged, decide
from defilev.guard.memory import Memory, after_action, memory_from, memory_text
from defilev.guard.reading import Reading, Spending
from defilev.model.guard_rules import AccountRule, Budget, RuleGoal, Trigger
from defilev.model.plan import Goal
from tests.factories import BLOCK
from tests.support.guards import a_reading, a_rule

CALM, LOW, URGENT, EMERGENCY = "60000", "100000", "115000", "121000"
"""Debts against 50 WETH at 3000: health 2.075, 1.245, 1.083, 1.029."""


def judged(
    reading: Reading,
    rule: AccountRule | None = None,
    memory: Memory | None = None,
    *,
    spent: Spending | None = None,
    held_by: str | None = None,
) -> Judged:
    return decide(rule or a_rule(), reading, memory or Memory(), spent=spent or Spending(), held_by=held_by)


def verdict(*arguments: object, **named: object) -> tuple[str, str]:
    decision = judged(*arguments, **named).decision  # type: ignore[arg-type]
    return decision.verdict, decision.reason


def test_nothing_fires_above_the_trigger() -> None:
    """A healthy account is left alone, and looked at again after the calm tier's interval."""
    decision = judged(a_reading(CALM)).decision

    assert ("nothing", "no trigger fires", (), None) == (
        decision.verdict, decision.reason, decision.fired, decision.goal
    )  # fmt: skip
    assert BLOCK.timestamp + 60 == decision.next_check


def test_a_low_health_sets_off_an_action_to_the_goal() -> None:
    """Below the trigger the account is brought to the goal, and the figure and the limit are told."""
    decision = judged(a_reading(LOW)).decision

    assert ("act", "normal", Goal("health-factor", Decimal("1.6"))) == (decision.verdict, decision.tier, decision.goal)
    assert ("1.245", "1.3") == (decision.fired[0].figure, decision.fired[0].limit)


@pytest.mark.parametrize(
    ("debt", "tier", "every"), [(LOW, "normal", 60), (URGENT, "urgent", 12), (EMERGENCY, "emergency", 12)]
)
def test_the_tier_and_the_pace_follow_health(debt: str, tier: str, every: int) -> None:
    """The lower the health, the looser the limits and the sooner the next look."""
    decision = judged(a_reading(debt)).decision

    assert (tier, BLOCK.timestamp + every) == (decision.tier, decision.next_check)


def test_without_authority_the_guard_tells() -> None:
    """Under alert-only the same trigger ends in an alert, and no goal is pursued."""
    rule = a_rule(authority="alert-only", payer=None)
    found = judged(a_reading(LOW), rule)

    assert ("alert", None) == (found.decision.verdict, found.decision.goal)
    assert ["trigger-fired"] == [alert.kind for alert in found.alerts]


def test_an_action_is_not_repeated_until_it_is_armed_again() -> None:
    """After an action below the re-arm level the first tier waits; at the level it is armed, and may act once more."""
    acted = after_action(Memory(), at=BLOCK.timestamp - 10_000, is_whole=True)
    waits = judged(a_reading(LOW), memory=acted)
    rearmed = judged(a_reading("80000", at=12), memory=waits.memory)
    again = judged(a_reading(LOW, at=24), memory=rearmed.memory)

    assert "wait" == waits.decision.verdict
    assert "not re-armed" in waits.decision.reason
    assert rearmed.memory.is_armed
    assert "act" == again.decision.verdict


def test_hysteresis_never_leads_to_liquidation() -> None:
    """A disarmed account that falls into the second tier is acted for all the same."""
    acted = after_action(Memory(), at=BLOCK.timestamp - 10_000, is_whole=True)

    assert "act" == judged(a_reading(URGENT), memory=acted).decision.verdict


def test_the_cool_down_is_counted_in_chain_time_and_yields_to_an_emergency() -> None:
    """For 600 s after an action the second tier waits; the last does not, and a clock that went back counts as none."""
    acted = replace(after_action(Memory(), at=BLOCK.timestamp - 100, is_whole=True), is_armed=True)

    assert ("wait", "cooling down for another 500 s") == verdict(a_reading(URGENT), memory=acted)
    assert "act" == verdict(a_reading(EMERGENCY), memory=acted)[0]
    assert "act" == verdict(a_reading(URGENT, at=504), memory=acted)[0]
    future = replace(acted, acted_at=BLOCK.timestamp + 3600)
    assert ("wait", "cooling down for another 600 s") == verdict(a_reading(URGENT), memory=future)


def sliced() -> Memory:
    """Return what is remembered 130 s after a slice."""
    return after_action(Memory(), at=BLOCK.timestamp - 130, is_whole=False, goes_on=True)


def test_a_slice_is_followed_by_the_next_until_the_goal() -> None:
    """Above the trigger and below the goal the guard goes on, with the reason; at the goal it is over for good."""
    found = judged(a_reading("80000"), memory=sliced())
    there = judged(a_reading("60000"), memory=found.memory)

    assert ("act", "the last action was a slice: to health 1.6") == (found.decision.verdict, found.decision.reason)
    assert found.memory.goes_on
    assert ("nothing", False) == (there.decision.verdict, there.memory.goes_on)
    assert "nothing" == verdict(a_reading("80000", at=24), memory=there.memory)[0]


def test_between_slices_pools_refill_unless_a_size_paces_them() -> None:
    """120 s from one slice to the next, or the cool-down when that is less; a tier with a size waits for all of it."""
    waits = replace(sliced(), acted_at=BLOCK.timestamp - 100)
    sized = {name: replace(tier, size=Decimal(5000)) for name, tier in a_rule().tiers.items()}

    assert ("wait", "cooling down for another 20 s") == verdict(a_reading("80000"), memory=waits)
    assert "act" == verdict(a_reading("80000"), a_rule(cool_down=90), waits)[0]
    assert ("wait", "cooling down for another 500 s") == verdict(a_reading("80000"), a_rule(tiers=sized), waits)


def test_a_slice_is_held_by_what_holds_an_action() -> None:
    """Budgets and switches bind what goes on as what begins, and what only tells sets nothing off."""
    spent = Spending(runs=6)

    assert "wait" == verdict(a_reading("80000"), memory=sliced(), spent=spent)[0]
    assert "held" == verdict(a_reading("80000"), memory=sliced(), held_by="paused")[0]
    assert "alert" == verdict(a_reading("80000"), a_rule(authority="alert-only", payer=None), sliced())[0]


@pytest.mark.parametrize(
    ("budget", "spent", "said"),
    [
        (Budget(runs_per_day=2), Spending(runs=2), "2 of 2 actions of 24 hours are used"),
        (Budget(value_per_day=Decimal(5000)), Spending(value=Decimal(5000)), "5000.00 of 5000 were repaid"),
        (Budget(gas_per_day=10**17), Spending(gas=10**17), "wei of gas were used"),
    ],
)
def test_a_budget_that_is_used_up_holds_in_every_tier(budget: Budget, spent: Spending, said: str) -> None:
    """What bounds a bug of the guard bounds it in an emergency too, and a person is called."""
    found = judged(a_reading(EMERGENCY), a_rule(budget=budget), spent=spent)

    assert "wait" == found.decision.verdict
    assert said in found.decision.reason
    assert "critical" == next(alert.severity for alert in found.alerts if alert.kind == "action-waits")


def test_one_action_is_under_way_at_a_time() -> None:
    """While the account's key is at work nothing else is begun for it, in any tier."""
    for debt in (LOW, URGENT, EMERGENCY):
        found = decide(a_rule(), a_reading(debt), Memory(), spent=Spending(), is_key_busy=True).decision
        assert ("wait", "an action with its key is under way") == (found.verdict, found.reason)


def test_a_switch_holds_what_would_be_done_and_says_so() -> None:
    """A paused guard decides as ever, begins nothing, and calls a person."""
    found = judged(a_reading(LOW), held_by="paused since 2026-01-01: by hand")

    assert ("held", "paused since 2026-01-01: by hand") == (found.decision.verdict, found.decision.reason)
    assert "action-held" in [alert.kind for alert in found.alerts]


def test_a_paused_protocol_is_waited_for_and_acted_on_at_once_after() -> None:
    """While nothing can be repaid the guard waits; the first block after it acts, without a cool-down."""
    waits = judged(a_reading(LOW, is_paused=True))
    after = judged(a_reading(LOW, at=12), memory=waits.memory)

    assert ("wait", "the protocol is paused: nothing can be repaid") == (waits.decision.verdict, waits.decision.reason)
    assert "act" == after.decision.verdict


def test_an_older_block_than_was_seen_is_not_acted_on() -> None:
    """A node that lags, or a chain whose clock went back, brings alerts and no action."""
    seen = judged(a_reading(CALM, at=240)).memory

    assert "wait" == verdict(a_reading(LOW), memory=seen)[0]
    assert "older than block" in verdict(a_reading(LOW), memory=seen)[1]


def test_nothing_is_ever_levered_up() -> None:
    """A trigger that fires above the goal, or without a debt, asks for nothing."""
    rule = a_rule(triggers=(Trigger("price", acts=True, limit=Decimal(4000), asset="WETH"),), rearm=None)

    assert ("alert", "the goal, health 1.6, is met") == verdict(a_reading(CALM), rule)
    assert ("alert", "nothing is owed") == verdict(a_reading("0"), rule)


CHANCE = Trigger("liquidation-probability", acts=True, limit=Decimal("0.01"), within=86_400)
LEVERAGE = Trigger("leverage", acts=True, limit=Decimal(3))
FLOOR = Trigger("price", acts=True, limit=Decimal(2900), asset="WETH")
CEILING = Trigger("price", acts=True, limit=Decimal(3100), asset="WETH", is_above=True)
STOP = Trigger("stop-loss", acts=True, limit=Decimal(50_000))
RATE = Trigger("borrow-rate", acts=False, limit=Decimal("0.2"))
CASH = Trigger("withdrawable", acts=False, limit=Decimal("0.5"))
FULL = Trigger("utilisation", acts=False, limit=Decimal("0.95"))
FIRING = [
    (LEVERAGE, a_reading(leverage=Decimal("3.1"))),
    (CHANCE, a_reading(probabilities={86_400: 0.02})),
    (FLOOR, a_reading(price="2899")),
    (CEILING, a_reading(price="3101")),
    (STOP, a_reading("100001")),
    (RATE, a_reading(borrow_rates={"USDC": Decimal("0.21")})),
    (CASH, a_reading(withdrawable={"WETH": Decimal("0.49")})),
    (FULL, a_reading(utilisation={"WETH": Decimal("0.96")})),
]
QUIET = [
    (LEVERAGE, a_reading(leverage=Decimal(3))),
    (LEVERAGE, a_reading(leverage=None)),
    (CHANCE, a_reading(probabilities={3600: 0.02})),
    (FLOOR, a_reading(price="2900")),
    (CEILING, a_reading(price="3100")),
    (STOP, a_reading("100000")),
    (RATE, a_reading(borrow_rates={"USDC": Decimal("0.2")})),
    (CASH, a_reading(withdrawable={"WETH": Decimal("0.5")})),
    (FULL, a_reading()),
]


@pytest.mark.parametrize("place", range(len(FIRING)), ids=lambda place: FIRING[place][0].kind + str(place))
def test_each_trigger_fires_past_its_limit(place: int) -> None:
    """Every kind compares its own figure, and says which."""
    trigger, reading = FIRING[place]
    (fired,) = judged(reading, a_rule(triggers=(trigger,), rearm=None)).decision.fired

    assert trigger.kind == fired.kind


@pytest.mark.parametrize("place", range(len(QUIET)), ids=lambda place: QUIET[place][0].kind + str(place))
def test_no_trigger_fires_at_its_limit_or_without_a_figure(place: int) -> None:
    """A figure that equals the limit has not crossed it, and one that is not known never does."""
    trigger, reading = QUIET[place]

    assert () == judged(reading, a_rule(triggers=(trigger,), rearm=None)).decision.fired


def test_a_trailing_stop_follows_the_highest_price() -> None:
    """Ten per cent under the highest price that was seen fires, however the price came there."""
    rule = a_rule(triggers=(Trigger("trailing-stop", acts=True, limit=Decimal("0.1"), asset="WETH"),), rearm=None)
    first = judged(a_reading(LOW, price="2900"), rule)
    high = judged(a_reading(LOW, price="3400", at=12), rule, first.memory)
    falls = judged(a_reading(LOW, price="3061", at=24), rule, high.memory)
    fires = judged(a_reading(LOW, price="3059", at=36), rule, falls.memory)

    assert [False, False, False, True] == [bool(each.decision.fired) for each in (first, high, falls, fires)]
    assert "3060" == fires.decision.fired[0].limit


def test_a_changed_parameter_is_told_once_with_both_values() -> None:
    """The first look remembers; a change fires in the tick that sees it, and not in the next."""
    rule = a_rule(triggers=(Trigger("parameter-change", acts=False),), rearm=None)
    first = judged(a_reading(CALM, parameters={"WETH liquidation threshold": "8300"}), rule)
    changed = judged(a_reading(CALM, at=12, parameters={"WETH liquidation threshold": "8000"}), rule, first.memory)
    after = judged(a_reading(CALM, at=24, parameters={"WETH liquidation threshold": "8000"}), rule, changed.memory)

    assert ((), ()) == (first.decision.fired, after.decision.fired)
    assert ["WETH liquidation threshold changed from 8300 to 8000"] == [alert.text for alert in changed.alerts]


def test_people_are_told_of_changes_not_of_states() -> None:
    """A trigger is told when it begins to fire and when it no longer does, not at every tick between."""
    rule = a_rule(authority="alert-only", payer=None)
    kinds, memory = [], Memory()
    for step, debt in enumerate((CALM, LOW, LOW, LOW, CALM)):
        found = judged(a_reading(debt, at=12 * step), rule, memory)
        kinds.append([alert.kind for alert in found.alerts])
        memory = found.memory

    assert [[], ["trigger-fired"], [], [], ["trigger-cleared"]] == kinds


def test_the_memory_survives_its_journal() -> None:
    """What is written down and read back is what was remembered; nothing at all is the memory of a first tick."""
    memory = judged(
        a_reading(LOW, parameters={"oracle": "0x1"}), memory=Memory(peaks={"WETH": Decimal("3000.5")})
    ).memory

    assert memory == memory_from(memory_text(memory))
    assert Memory() == memory_from(None)


def test_the_goal_close_asks_for_no_position() -> None:
    """An owner's rule may ask to be taken out altogether."""
    rule = a_rule(authority="owner", payer=None, goal=RuleGoal("close"))

    assert Goal("close", None) == judged(a_reading(LOW), rule).decision.goal
