"""Sales along two routes at once."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from defilev.model.plan import Approve, Goal, Plan, Swap
from defilev.plan import PlanInputs
from tests.factories import DAI, USDC, WETH
from tests.support.markets import PRICES, an_aave_account, inputs_for, plan_for
from tests.support.pools import ROUTER, Pools

LENT = an_aave_account({WETH: 50 * 10**18}, {USDC: 60_000 * 10**6})
GOAL = Goal("health-factor", Decimal("2.5"))
TEN_MILLION = 10_000_000 * 10**8


def two_pools(*, second: int = TEN_MILLION) -> Pools:
    """Two pools of WETH and USDC at the oracle's price and like fees, the second with that much on each side."""
    pools = Pools()
    pools.add_at(PRICES, WETH, USDC, fee=500, value=TEN_MILLION)
    pools.add_at(PRICES, WETH, USDC, fee=100, value=second)
    return pools


def asked(*, gas_price: int = 10**8, goal: Goal = GOAL, slippage: str = "0.01") -> PlanInputs:
    """What to plan at a price of gas."""
    return replace(inputs_for(LENT, goal, max_slippage=slippage), gas_price=gas_price)


def swaps(plan: Plan) -> list[Swap]:
    """Return what is sold."""
    return [step.action for step in plan.steps if isinstance(step.action, Swap)]


def test_two_pools_are_sold_to_where_that_brings_more_than_its_gas() -> None:
    """Of two like pools each takes its part, under one allowance of exactly both, and both together bring more."""
    pools = two_pools()
    plan = plan_for(asked(), pools)

    one, other = swaps(plan)
    granted = [step.action for step in plan.steps if isinstance(step.action, Approve)]
    assert one.amount_in + other.amount_in == granted[0].amount
    assert ROUTER == granted[0].spender
    assert {500, 100} == {swap.route[0].fee for swap in (one, other)}
    alone = pools.sell([(WETH.address, USDC.address, 100)], one.amount_in + other.amount_in)
    assert one.quoted_out + other.quoted_out > alone


def test_each_part_has_its_own_minimum_and_they_add_up() -> None:
    """Both swaps must bring their part of what the oracle allows, so that neither can lose what the other gained."""
    one, other = swaps(plan_for(asked(), two_pools()))

    worth = (one.amount_in + other.amount_in) * 3000 // 10**12
    assert one.minimum_out + other.minimum_out == pytest.approx(worth * Decimal("0.99"), abs=1)
    for swap in (one, other):
        assert swap.quoted_out >= swap.minimum_out == pytest.approx(swap.amount_in * 2970 / 10**12, abs=2)


@pytest.mark.parametrize(("gas_price", "second"), [(10**12, TEN_MILLION), (10**8, TEN_MILLION // 10_000)])
def test_one_pool_is_sold_to_where_a_second_is_not_worth_its_gas(gas_price: int, second: int) -> None:
    """At a thousand gwei, or beside a pool that takes next to nothing, one swap is all."""
    assert 1 == len(swaps(plan_for(asked(gas_price=gas_price), two_pools(second=second))))


def test_a_sale_that_no_pool_takes_whole_is_split_before_it_is_shrunk() -> None:
    """Two pools that each give too little for the whole sale take it together in one round."""
    pools = Pools()
    for fee in (500, 100):
        pools.add_at(PRICES, WETH, USDC, fee=fee, value=800_000 * 10**8)

    plan = plan_for(asked(slippage="0.012", gas_price=10**12), pools)

    assert "" == plan.label
    assert 2 == len(swaps(plan))


def test_a_direct_and_a_two_hop_route_are_split_too() -> None:
    """A pool of the pair and a way around it over another token share no pool, and share a sale."""
    pools = Pools()
    pools.add_at(PRICES, WETH, USDC, fee=500, value=TEN_MILLION)
    pools.add_at(PRICES, WETH, DAI, fee=500, value=TEN_MILLION)
    pools.add_at(PRICES, DAI, USDC, fee=100, value=10 * TEN_MILLION)

    assert {1, 2} == {len(swap.route) for swap in swaps(plan_for(asked(), pools))}


def test_what_lands_after_a_split_is_the_target() -> None:
    """The promise is within a thousandth above the goal, as after one swap."""
    plan = plan_for(asked(), two_pools())

    assert plan.promise.health_factor is not None
    assert 0 <= Decimal(plan.promise.health_factor) / 10**18 - Decimal("2.5") <= Decimal("0.001")


def test_closing_splits_as_well() -> None:
    """The round that clears the last debt goes along two routes and still repays everything."""
    plan = plan_for(asked(goal=Goal("close", None)), two_pools())

    assert "" == plan.label
    assert 2 <= len(swaps(plan))
    assert 0 == plan.promise.debt_value
