"""What a plan makes of a venue whose price is not the oracle's."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from defilev.errors import Infeasible, VenueDiverges
from defilev.model.plan import Goal, Plan, Swap
from defilev.plan import Divergence, PlanInputs
from defilev.protocols.aave_family.state import EMode
from tests.factories import USDC, WETH, WSTETH
from tests.support.markets import PRICES, an_aave_account, deep_pools, inputs_for, plan_for
from tests.support.pools import Pools

GOAL = Goal("health-factor", Decimal("2.5"))
LENT = an_aave_account({WETH: 50 * 10**18}, {USDC: 60_000 * 10**6})
CLOSE = Goal("close", None)
DEEP = 10**9 * 10**8


def pools_at(eth: str, *, fee: int = 500) -> Pools:
    """One deep pool of WETH and USDC at a price of its own."""
    pools = Pools()
    pools.add_at({**PRICES, WETH: int(Decimal(eth) * 10**8)}, WETH, USDC, fee=fee, value=DEEP)
    return pools


def within(limit: str | None, *, goal: Goal = GOAL, slippage: str = "0.05") -> PlanInputs:
    """What to plan, with room for slippage, so that nothing but the divergence refuses."""
    found = Divergence.within(None if limit is None else Decimal(limit))
    return replace(inputs_for(LENT, goal, max_slippage=slippage), divergence=found)


@pytest.mark.parametrize("goal", [GOAL, CLOSE, Goal("leverage", Decimal("1.3"))])
@pytest.mark.parametrize(("eth", "text"), [("2940", "2.01% under"), ("3060", r"2.0\d% over")])
def test_a_price_far_from_the_oracle_refuses_the_plan_by_name(eth: str, text: str, goal: Goal) -> None:
    """Two per cent under or over the oracle: the pair, the distance, the limit, the pool and the flag are named."""
    with pytest.raises(
        VenueDiverges, match=rf"WETH in USDC on uniswap-v3 lies {text} the oracle's, .* allows 1.50%"
    ) as no:
        plan_for(within(None, goal=goal), pools_at(eth))

    assert "--max-divergence" in no.value.fix
    assert no.value.facts["pools"]
    assert 7 == no.value.exit_code
    assert isinstance(no.value, Infeasible)


@pytest.mark.parametrize("eth", ["2956", "3044"])
def test_a_price_within_the_limit_is_traded_at(eth: str) -> None:
    """One and a half per cent less a little, either way, is no divergence."""
    assert swaps(plan_for(within(None), pools_at(eth)))


def test_the_fee_of_a_pool_is_no_divergence() -> None:
    """A pool that keeps one per cent and trades at the oracle's price is at the oracle's price."""
    assert swaps(plan_for(within("0.001"), pools_at("3000", fee=10_000)))


def test_a_plan_s_own_impact_is_no_divergence() -> None:
    """A sale that moves a pool by far more than the limit meets a price that was the oracle's."""
    pools = Pools()
    pools.add_at(PRICES, WETH, USDC, fee=500, value=200_000 * 10**8)

    plan = plan_for(within("0.01", slippage="0.3"), pools)

    worst = max(1 - Decimal(swap.quoted_out) * 10**12 / (swap.amount_in * 3000) for swap in swaps(plan))
    assert worst > Decimal("0.02")


def test_a_pool_that_is_far_is_gone_around() -> None:
    """Of two pools only the one near the oracle is sold to, though the other pays more."""
    pools = pools_at("3000")
    pools.add_at({**PRICES, WETH: 3100 * 10**8}, WETH, USDC, fee=3000, value=DEEP)

    assert {500} == {hop.fee for swap in swaps(plan_for(within(None), pools)) for hop in swap.route}


def test_assets_of_one_e_mode_must_be_nearer() -> None:
    """Within a category of e-mode half a per cent is the limit, until the user names one."""
    category = EMode(1, 9300, 9500, 10_100, "ETH", collateral_bitmap=0b11, borrowable_bitmap=0b11)
    account = an_aave_account({WSTETH: 50 * 10**18}, {WETH: 50 * 10**18}, e_mode=category)
    outside = an_aave_account({WSTETH: 50 * 10**18}, {WETH: 40 * 10**18})
    pools = Pools()
    pools.add_at({**PRICES, WSTETH: 3630 * 10**8}, WSTETH, WETH, fee=100, value=DEEP)

    with pytest.raises(VenueDiverges, match=r"0\.8\d% under .* allows 0\.50%"):
        plan_for(inputs_for(account, Goal("health-factor", Decimal("1.3")), max_slippage="0.02"), pools)
    named = replace(
        inputs_for(account, Goal("health-factor", Decimal("1.3")), max_slippage="0.02"),
        divergence=Divergence.within(Decimal("0.01")),
    )
    assert swaps(plan_for(named, pools))
    assert swaps(plan_for(inputs_for(outside, Goal("health-factor", Decimal("1.3")), max_slippage="0.02"), pools))


def test_a_wider_limit_that_was_needed_is_said() -> None:
    """Who allows more than is usual reads in the plan how far the prices were apart; who did not need it, nothing."""
    needed = plan_for(within("0.03"), pools_at("2940"))
    spare = plan_for(within("0.03"), pools_at("2999"))

    (notice,) = [each for each in needed.warnings if each.name == "divergence-widened"]
    assert "lies 2.01% under the oracle's: 1.50% is usual" in notice.text
    assert [] == [each for each in spare.warnings if each.name == "divergence-widened"]


def test_an_emergency_takes_a_better_price_however_much_better() -> None:
    """A tier of the guard bounds what is paid too little: an oracle that lags a market above it stops no rescue."""
    tier = Divergence(Decimal("0.003"), None, None)

    assert swaps(plan_for(replace(within(None), divergence=tier), pools_at("3300")))
    with pytest.raises(VenueDiverges, match=r"allows 0\.30%"):
        plan_for(replace(within(None), divergence=tier), pools_at("2980"))


def test_another_pair_is_sold_when_one_is_far() -> None:
    """With two collaterals the one whose price is the oracle's is sold, whatever the other would save."""
    account = an_aave_account({WETH: 30 * 10**18, WSTETH: 20 * 10**18}, {USDC: 60_000 * 10**6})
    pools = deep_pools()
    pools.reserves = {key: held for key, held in pools.reserves.items() if WSTETH.address not in key[:2]}
    pools.add_at({**PRICES, WSTETH: 3500 * 10**8}, WSTETH, USDC, fee=500, value=DEEP)

    plan = plan_for(inputs_for(account, Goal("health-factor", Decimal("2.4")), max_slippage="0.05"), pools)

    assert {WETH} == {swap.route[0].token_in for swap in swaps(plan)}


def swaps(plan: Plan) -> list[Swap]:
    """Return what is sold."""
    return [step.action for step in plan.steps if isinstance(step.action, Swap)]
