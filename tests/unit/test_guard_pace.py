"""How fast health falls: what is measured, and what it changes about tiers and the floor of a plan."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from defilev.errors import Infeasible
from defilev.guard.deciding import decide
from defilev.guard.ladder import floor_of, require_lasting, rounds_of
from defilev.guard.memory import Memory, memory_from, memory_text
from defilev.guard.pace import fall_per_block
from defilev.guard.reading import Reading, Spending
from defilev.guard.triggers import AHEAD
from defilev.model.plan import Step, Swap, Withdraw
from tests.factories import BLOCK, OWNER, WETH
from tests.support.guards import PAYER, a_reading, a_rule

DEBT = "85000"
"""Against 50 WETH: health 1.465 at 3000, 1.416 at 2900, 1.318 at 2700."""


def after_a_look_at(reading: Reading) -> Memory:
    """Return what is remembered after a tick that did nothing."""
    return decide(a_rule(), reading, Memory(), spent=Spending()).memory


def test_the_pace_is_the_fall_of_the_price_by_blocks() -> None:
    """From 3000 to 2700 within two blocks health loses a twentieth with each; nothing is lost while prices rise."""
    before = after_a_look_at(a_reading(DEBT))

    assert Decimal("0.05") == fall_per_block(a_reading(DEBT, price="2700", at=24), before)
    assert 0 == fall_per_block(a_reading(DEBT, price="3100", at=24), before)
    assert 0 == fall_per_block(a_reading(DEBT, price="2700"), Memory())


def test_what_is_done_to_a_position_is_no_pace() -> None:
    """A withdrawal or a loan of the owner's lowers health and says nothing about prices."""
    assert 0 == fall_per_block(a_reading("110000", at=24), after_a_look_at(a_reading(DEBT)))


def test_a_second_look_at_a_block_keeps_the_pace() -> None:
    """What was found at the first look holds at the second, also for another process."""
    first = decide(a_rule(), a_reading(DEBT, price="2900", at=12), after_a_look_at(a_reading(DEBT)), spent=Spending())
    remembered = memory_from(memory_text(first.memory))

    assert first.fall == fall_per_block(a_reading(DEBT, price="2900", at=12), remembered) > Decimal("0.03")


@pytest.mark.parametrize(("price", "tier"), [("2650", "emergency"), ("2640", "normal")])
def test_a_fast_fall_is_acted_on_in_the_tier_that_it_leads_to(price: str, tier: str) -> None:
    """The last tier begins with the fall that leads to it within an action, and not with a slow one."""
    start = a_reading(DEBT, price="2900" if tier == "emergency" else "2650")
    now = a_reading(DEBT, price=price, at=24)
    judged = decide(a_rule(authority="owner", payer=None), now, after_a_look_at(start), spent=Spending())

    assert ("act", tier) == (judged.decision.verdict, judged.decision.tier)


@pytest.mark.parametrize(
    ("health", "fall", "floor"),
    [("1.5", "0", "1.02"), ("1.02", "0", "1.01"), ("1.5", "0.03", "1.2376"), ("1.2", "0.05", "1.1")],
)
def test_a_step_stays_above_what_a_fall_takes_meanwhile(health: str, fall: str, floor: str) -> None:
    """1.02 as usual; above 1 / (1 - fall)^7 in a fall; halfway to liquidation when that is lower than both."""
    assert Decimal(floor) == floor_of(Decimal(health), fall=Decimal(fall))


def test_a_plan_is_long_only_while_it_lasts() -> None:
    """36 rounds while prices stand or move by little; 12 when they move by more than 0.01 within a round."""
    assert [36, 36, 12] == [rounds_of(Decimal(fall)) for fall in ("0", "0.001", "0.002")]


@pytest.mark.parametrize(
    ("authority", "fall", "tier"),
    [
        ("reserve", "0.07", None),
        ("reserve", "0.08", "emergency"),
        ("owner", "0.04", None),
        ("owner", "0.05", "emergency"),
    ],
)
def test_a_health_trigger_fires_when_liquidation_comes_before_an_action_is_over(
    authority: str, fall: str, tier: str | None
) -> None:
    """Above its limit of 1.3, with a fall that takes health below 1 within four blocks, or within seven for a sale."""
    rule = a_rule(authority=authority, payer=PAYER if authority == "reserve" else None)
    before = after_a_look_at(a_reading(DEBT))
    now = a_reading(DEBT, price=str(3000 * (1 - Decimal(fall))), at=12)
    decision = decide(rule, now, before, spent=Spending()).decision

    assert ("nothing" if tier is None else "act", tier) == (decision.verdict, decision.tier)
    assert [AHEAD] * (tier is not None) == [fired.subject for fired in decision.fired]


def test_an_early_trigger_waits_for_no_rearming() -> None:
    """An action that has just reached its goal keeps nobody from another when liquidation is that near."""
    before = replace(after_a_look_at(a_reading(DEBT)), is_armed=False, acted_at=BLOCK.timestamp)
    judged = decide(a_rule(), a_reading(DEBT, price="2750", at=12), before, spent=Spending())

    assert ("act", "emergency") == (judged.decision.verdict, judged.decision.tier)
    assert "health of the account by the end of an action is 0.947998, past 1" in judged.decision.reason


def a_swap(index: int, *, quoted: int, minimum: int) -> Step:
    """Return a step that sells something for at least `minimum`."""
    return Step(index, Swap((), 1, minimum, quoted), OWNER, "router", 0, "0x", "swap", (), None, 0, 1)


WITHDRAWAL = Step(1, Withdraw(WETH, 1), OWNER, "pool", 0, "0x", "withdraw", (), None, 0, 1)


@pytest.mark.parametrize(("index", "fall"), [(3, "0.022"), (2, "0.04")])
def test_a_sale_that_a_fall_would_refuse_is_not_begun(index: int, fall: str) -> None:
    """From a quote of 96 a swap that takes 90 may lose 6.25 %: prices fall by more before it is included."""
    with pytest.raises(Infeasible, match=r"may lose 6\.25%"):
        require_lasting([WITHDRAWAL, a_swap(index, quoted=96, minimum=90)], fall=Decimal(fall))


def test_what_was_withdrawn_before_is_sold_however_fast_prices_fall() -> None:
    """Nothing more leaves the account for it, so that a refusal loses nothing."""
    require_lasting([a_swap(3, quoted=96, minimum=90)], fall=Decimal("0.1"))


@pytest.mark.parametrize(("index", "fall"), [(3, "0.02"), (2, "0.03"), (3, "0")])
def test_a_sale_that_a_fall_leaves_room_for_is_begun(index: int, fall: str) -> None:
    """At 2 % a block the third step comes 5.9 % lower."""
    require_lasting([WITHDRAWAL, a_swap(index, quoted=96, minimum=90)], fall=Decimal(fall))
