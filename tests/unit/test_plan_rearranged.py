from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from defilev.abi import Transaction, interface
from defilev.errors import DefilevError, InvalidNumber, PolicyViolation, UsageError
from defilev.execute.policy import check_plan
from defilev.model.plan import Action, Borrow, Goal, Plan, PostCondition, SetCollateral, SetEMode, Supply
from defilev.model.simulation import CheckedCondition
from defilev.plan import Rearranged, parse_goal
from defilev.plan.words import goal_text
from defilev.simulate.conditions import check_condition
from tests.factories import DAI, OWNER, USDC, WETH
from tests.unit.policy_cases import ACCOUNT, POLICY, POOL, Markets, a_plan
from tests.unit.test_simulate_conditions import OBSERVED

ON = Markets()
PRICES = {**{leg.asset.address: leg.price for leg in ACCOUNT.legs}, DAI.address: ACCOUNT.legs[1].price}
WITH_PRICES = replace(POLICY, prices=PRICES)


def goal(**typed: str) -> Goal:
    """Return the goal that was typed."""
    return parse_goal(to_health_factor=None, to_leverage=None, close=False, rearranged=Rearranged(**typed))


@pytest.mark.parametrize(
    ("typed", "expected", "words"),
    [
        ({"swap_collateral": "WETH=wstETH"}, Goal("swap-collateral", None, "WETH", "wstETH"), "wstETH for all WETH"),
        (
            {"swap_collateral": "WETH=wstETH:1.5"},
            Goal("swap-collateral", Decimal("1.5"), "WETH", "wstETH"),
            "wstETH for 1.5 WETH",
        ),
        ({"swap_debt": "USDC = DAI"}, Goal("swap-debt", None, "USDC", "DAI"), "DAI for all USDC"),
        ({"e_mode": "1"}, Goal("e-mode", Decimal(1)), "e-mode 1"),
        ({"e_mode": "off"}, Goal("e-mode", Decimal(0)), "no e-mode"),
    ],
)
def test_goals_are_read_as_they_are_typed(typed: dict[str, str], expected: Goal, words: str) -> None:
    """Two assets, and how much of the first where that is said; a number of an e-mode, or off."""
    assert (expected, words) == (goal(**typed), goal_text(goal(**typed)))


@pytest.mark.parametrize(
    ("typed", "error"),
    [
        ({"swap_collateral": "WETH"}, UsageError),
        ({"swap_collateral": "=DAI"}, UsageError),
        ({"swap_debt": "USDC=DAI:0"}, InvalidNumber),
        ({"swap_debt": "USDC=DAI:"}, InvalidNumber),
        ({"swap_debt": "USDC=DAI:-1"}, InvalidNumber),
        ({"e_mode": "256"}, InvalidNumber),
        ({"e_mode": "on"}, InvalidNumber),
        ({"e_mode": "1", "swap_debt": "USDC=DAI"}, InvalidNumber),
    ],
)
def test_what_cannot_be_meant_is_refused(typed: dict[str, str], error: type[DefilevError]) -> None:
    """Neither half a pair, nor an amount of nothing, nor two goals at once."""
    with pytest.raises(error):
        goal(**typed)


def pool(name: str, *arguments: Any) -> Transaction:
    """Return a call of the pool."""
    return Transaction(POOL, "aave-v3 main", interface("aave_v3_pool")[name], arguments)


def borrowed(amount: int) -> tuple[Action, Transaction]:
    """Return the borrowing of so much DAI."""
    return Borrow(DAI, amount), pool("borrow", DAI.address, amount, 2, 0, OWNER)


def swapped_debt(*, borrow: int = 1000 * 10**18, sell: int = 1000 * 10**18, repay: int = 995 * 10**6) -> Plan:
    """Return the plan that pays USDC with DAI, or what somebody made of it."""
    made = a_plan([
        borrowed(borrow),
        ON.approve(DAI, ON.router, sell), ON.swap([(DAI, USDC, 100)], sell, 995 * 10**6),
        ON.approve(USDC, ON.pool, repay), ON.repay(USDC, repay),
    ])  # fmt: skip
    return replace(made, goal=Goal("swap-debt", None, "USDC", "DAI"))


def test_a_debt_that_takes_anothers_place_is_allowed() -> None:
    """All that is borrowed is sold for a debt, and that is repaid with it."""
    assert 5 == len(check_plan(swapped_debt(), policy=WITH_PRICES))


@pytest.mark.parametrize(
    ("plan", "rule"),
    [
        (replace(swapped_debt(), goal=Goal("health-factor", Decimal(2))), "a call that raises leverage"),
        (swapped_debt(borrow=2000 * 10**18), "what is borrowed is sold"),
        (swapped_debt(repay=500 * 10**6), "what it brings is repaid"),
        (replace(swapped_debt(), goal=Goal("swap-collateral", None, "WETH", "DAI")), "a call that raises leverage"),
    ],
)
def test_a_borrowing_that_pays_for_no_debt_is_refused(plan: Plan, rule: str) -> None:
    """Neither more than is sold, nor to keep what it brings, nor for another goal."""
    with pytest.raises(PolicyViolation, match=rule):
        check_plan(plan, policy=WITH_PRICES)


def test_supplying_is_for_plans_that_swap_collateral() -> None:
    """It is for the owner, by exactly what is approved; for another goal it only adds to what is collateral already."""
    call = pool("supply", DAI.address, 10**18, OWNER, 0)
    made = a_plan([ON.approve(DAI, ON.pool, 10**18), (Supply(DAI, 10**18), call)])
    swaps = replace(made, goal=Goal("swap-collateral", None, "WETH", "DAI"))

    assert 2 == len(check_plan(swaps, policy=WITH_PRICES))
    with pytest.raises(PolicyViolation, match=r"\(supply\) is not allowed"):
        check_plan(made, policy=WITH_PRICES)


def test_switches_are_what_their_steps_say() -> None:
    """An e-mode and what counts as collateral are changed as is said, and move no value."""
    switches: list[tuple[Action, Transaction]] = [
        (SetEMode(1, "ETH correlated"), pool("setUserEMode", 1)),
        (SetCollateral(WETH, enabled=True), pool("setUserUseReserveAsCollateral", WETH.address, True)),
    ]
    assert [None, None] == [call.move for call in check_plan(a_plan(switches), policy=POLICY)]


@pytest.mark.parametrize(("found", "holds"), [(1, True), (0, False), (None, False)])
def test_the_e_mode_is_a_condition(found: int | None, holds: bool) -> None:  # noqa: FBT001 - it is what is expected
    """It holds in the one e-mode that was promised, and nowhere where there is none."""
    condition = PostCondition("e-mode-is", limit=1)

    assert CheckedCondition(condition, holds, found) == check_condition(condition, replace(OBSERVED, e_mode=found))
