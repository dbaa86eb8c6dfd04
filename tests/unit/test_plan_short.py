"""Plans that stop before the goal: what the market or the pools can take now is done, and what remains is said."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from defilev.errors import Infeasible
from defilev.model.plan import Goal, Swap, Withdraw
from defilev.model.token import TokenBalance
from tests.factories import USDC, WETH
from tests.support.markets import Terms, an_aave_account, deep_pools, inputs_for, plan_for, wallet_of

TO_THREE = Goal("health-factor", Decimal(3))
LENT = an_aave_account({WETH: 50 * 10**18}, {USDC: 60_000 * 10**6})
CASH = 2 * 10**18
LENT_OUT = an_aave_account({WETH: 50 * 10**18}, {USDC: 60_000 * 10**6}, terms={WETH: Terms(liquidity=CASH)})
THIN = deep_pools(value=2_000_000 * 10**8)


def test_no_more_is_withdrawn_than_the_market_has() -> None:
    """What cannot leave is said, with how much of it is supplied; what can leave is sold."""
    plan = plan_for(inputs_for(LENT_OUT, TO_THREE))

    assert CASH == sum(step.action.amount or 0 for step in plan.steps if isinstance(step.action, Withdraw))
    assert plan.label.startswith("PARTIAL: it reaches a health factor of 2.2")
    assert "since no WETH can leave the market: 48 WETH supplied, and all of it is lent out or paused" in plan.label
    assert plan.promise.health_factor is not None
    assert LENT_OUT.health_factor is not None
    assert plan.promise.health_factor > LENT_OUT.health_factor


def test_a_market_without_cash_lets_nothing_leave() -> None:
    """With nothing to begin with there is no plan, and how much from outside reaches the goal is said."""
    empty = an_aave_account({WETH: 50 * 10**18}, {USDC: 60_000 * 10**6}, terms={WETH: Terms(liquidity=0)})

    with pytest.raises(Infeasible, match="no WETH can leave the market: 50") as e:
        plan_for(inputs_for(empty, TO_THREE))

    assert "USDC more to the wallet" in e.value.fix


def test_what_the_pools_take_is_sold() -> None:
    """A first round that they take and a second that they do not are a plan in part."""
    plan = plan_for(inputs_for(LENT, TO_THREE), THIN)

    assert plan.label.startswith("PARTIAL: it reaches")
    assert "uniswap-v3 gives too little" in plan.label


def test_what_is_in_hand_counts_against_the_pools() -> None:
    """A sale after the one of what was in hand is quoted as the second of the two, and meets its minimum."""
    held = 10**18
    wallet = wallet_of({WETH: held})
    inputs = replace(inputs_for(LENT, TO_THREE, wallet=wallet), in_hand=(TokenBalance(WETH, held),))

    plan = plan_for(inputs, THIN)

    first, *others = (step.action for step in plan.steps if isinstance(step.action, Swap))
    assert held == first.amount_in
    together = sum(swap.amount_in for swap in others) + held
    brought = THIN.sell([(WETH.address, USDC.address, 500)], together)
    assert brought + len(others) >= sum(swap.quoted_out for swap in others) + first.quoted_out
