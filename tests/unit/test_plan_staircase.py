from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from defilev.errors import Infeasible, UnknownName
from defilev.model.plan import Approve, Goal, Plan, Repay, Swap, Withdraw
from defilev.model.token import TokenBalance
from defilev.plan import Constraints
from defilev.units import WAD
from tests.factories import DAI, USDC, WBTC, WETH, WSTETH
from tests.support.markets import POOL, PRICES, Terms, an_aave_account, deep_pools, inputs_for, plan_for, wallet_of
from tests.support.pools import ROUTER, Pools

TO_THREE = Goal("health-factor", Decimal(3))
LENT = an_aave_account({WETH: 50 * 10**18}, {USDC: 60_000 * 10**6})
LOOP = an_aave_account(
    {WSTETH: 100 * 10**18}, {WETH: 110 * 10**18}, terms={WSTETH: Terms(threshold=9500, loan_to_value=9300)}
)


def kinds(plan: Plan) -> list[str]:
    """Return what the steps do, in order."""
    return [step.action.kind for step in plan.steps]


def actions(plan: Plan, kind: type) -> list:
    """Return the actions of one kind."""
    return [step.action for step in plan.steps if isinstance(step.action, kind)]


def test_a_round_is_five_transactions() -> None:
    """Withdraw, approve, swap, approve, repay; each approval is exactly what the next step takes."""
    plan = plan_for(inputs_for(LENT, TO_THREE))

    assert ["withdraw", "approve", "swap", "approve", "repay"] == kinds(plan)
    withdraw, to_router, swap, to_pool, repay = (step.action for step in plan.steps)
    assert isinstance(withdraw, Withdraw)
    assert isinstance(swap, Swap)
    assert isinstance(repay, Repay)
    assert Approve(WETH, ROUTER, "swap router", swap.amount_in) == to_router
    assert Approve(USDC, POOL, "aave-v3 pool", swap.minimum_out) == to_pool
    assert (withdraw.amount, repay.amount) == (swap.amount_in, swap.minimum_out)
    assert [1, 2, 3, 4, 5] == [step.index for step in plan.steps]


def test_the_minimum_comes_from_the_oracle() -> None:
    """What a swap must bring is the oracle's price less the slippage, rounded down, whatever was quoted."""
    (swap,) = actions(plan_for(inputs_for(LENT, TO_THREE)), Swap)

    assert swap.amount_in * 3000 * 995 // 1000 // 10**12 == swap.minimum_out
    assert swap.minimum_out < swap.quoted_out < swap.amount_in * 3000 // 10**12


def test_the_wallet_pays_first() -> None:
    """The debt asset in the wallet is repaid before anything is sold."""
    plan = plan_for(inputs_for(LENT, TO_THREE, wallet=wallet_of({USDC: 5_000 * 10**6})))

    assert ["approve", "repay", "withdraw"] == kinds(plan)[:3]
    assert Repay(USDC, 5_000 * 10**6) == plan.steps[1].action


def test_a_wallet_that_is_enough_sells_nothing() -> None:
    """Two transactions reach the goal when the wallet holds enough, and only what is needed is repaid."""
    plan = plan_for(inputs_for(LENT, TO_THREE, wallet=wallet_of({USDC: 10**12})))

    assert ["approve", "repay"] == kinds(plan)
    assert plan.promise.health_factor is not None
    assert 3 * WAD <= plan.promise.health_factor <= 3 * WAD + WAD // 1000


def test_dust_in_the_wallet_is_left_there() -> None:
    """Repaying ten cents costs more gas than it is worth."""
    plan = plan_for(inputs_for(LENT, TO_THREE, wallet=wallet_of({USDC: 10**5})))

    assert "withdraw" == kinds(plan)[0]


def test_a_standing_allowance_is_cleared_first() -> None:
    """A token that refuses to change an allowance from one amount to another takes every approval of the plan."""
    wallet = wallet_of(granted={(WETH, ROUTER): 5, (USDC, POOL): 7})

    plan = plan_for(inputs_for(LENT, TO_THREE, wallet=wallet))

    assert ["withdraw", "approve", "approve", "swap", "approve", "approve", "repay"] == kinds(plan)
    assert [0, 0] == [action.amount for action in actions(plan, Approve)[::2]]
    assert ["allowance-cleared"] * 2 == [notice.name for notice in plan.warnings]


def test_an_allowance_that_is_exact_already_is_used() -> None:
    """What was approved before a swap was refused need not be approved again, and none of it may be left."""
    amount = 2 * 10**18
    wallet = wallet_of({WETH: amount}, granted={(WETH, ROUTER): amount})
    inputs = replace(inputs_for(LENT, TO_THREE, wallet=wallet), in_hand=(TokenBalance(WETH, amount),))

    plan = plan_for(inputs)

    assert "swap" == kinds(plan)[0]
    gone = [each for each in plan.post_conditions if each.kind == "allowance-zero"]
    assert (WETH, ROUTER) in [(each.token, each.spender) for each in gone]


def test_rounds_go_down_to_the_floor_and_not_below() -> None:
    """Every withdrawal but the last stops just above the floor."""
    plan = plan_for(inputs_for(LOOP, Goal("health-factor", Decimal("1.15")), floor="1.02"))

    after_withdrawals = [step.health_factor for step in plan.steps if isinstance(step.action, Withdraw)]
    assert len(after_withdrawals) > 3
    assert all(health is not None and 0 <= health - plan.floor for health in after_withdrawals)
    assert all(health is not None and health - plan.floor < WAD // 10_000 for health in after_withdrawals[:-1])


def test_twelve_rounds_are_offered_as_part_of_a_longer_way() -> None:
    """Past twelve rounds the plan is labelled, and promises what it reaches."""
    plan = plan_for(inputs_for(LOOP, Goal("health-factor", Decimal(3)), floor="1.03"))

    assert plan.label.startswith("PARTIAL: 12 rounds reach")
    assert 12 == len(actions(plan, Withdraw))
    promised = plan.promise.health_factor
    assert promised is not None
    (condition,) = [each for each in plan.post_conditions if each.kind == "health-factor-at-least"]
    assert promised - WAD // 1000 <= (condition.limit or 0) <= promised


def test_the_point_of_no_return_is_said_with_its_numbers() -> None:
    """A threshold of 95 % sold at a loss of 30 % cannot raise a health factor of 1.05: repaying from outside can."""
    with pytest.raises(Infeasible, match=r"cannot raise the health factor any more: 1\.0536 is not above 1\.3572") as e:
        plan_for(inputs_for(LOOP, Goal("health-factor", Decimal("1.2")), max_slippage="0.3"))

    assert "WETH more to the wallet" in e.value.fix


def test_the_cheapest_collateral_is_sold() -> None:
    """Of two collaterals the one that loses least against the oracle is chosen; the user may choose the other."""
    account = an_aave_account({WETH: 20 * 10**18, WBTC: 10**8}, {USDC: 60_000 * 10**6})
    goal = Goal("health-factor", Decimal(3))

    (cheapest,) = actions(plan_for(inputs_for(account, goal)), Swap)
    (chosen,) = actions(plan_for(inputs_for(account, goal, constraints=Constraints(sell=("wbtc",)))), Swap)

    assert WETH == cheapest.route[0].token_in
    assert (WBTC, USDC) == (chosen.route[0].token_in, chosen.route[-1].token_out)
    assert 2 == len(chosen.route)


def test_the_debt_is_the_cheapest_or_the_one_chosen() -> None:
    """Without a word from the user the debt that costs least to buy is repaid."""
    account = an_aave_account({WETH: 50 * 10**18}, {USDC: 40_000 * 10**6, DAI: 30_000 * 10**18})
    goal = Goal("health-factor", Decimal(2))

    (cheapest,) = actions(plan_for(inputs_for(account, goal)), Repay)
    (chosen,) = actions(plan_for(inputs_for(account, goal, constraints=Constraints(repay=(DAI.address,)))), Repay)

    assert (USDC, DAI) == (cheapest.asset, chosen.asset)


def test_the_debt_asset_itself_needs_no_swap() -> None:
    """Supplied USDC repays owed USDC in one transaction: no approval, and nothing passes through the wallet."""
    account = an_aave_account({USDC: 100_000 * 10**6}, {USDC: 40_000 * 10**6})

    plan = plan_for(inputs_for(account, TO_THREE, venue=None))

    assert ["repay-with-supply"] == kinds(plan)
    assert (0, 0) == (plan.cost.expected, plan.cost.worst)


def test_zero_loan_to_value_goes_first() -> None:
    """Collateral of zero LTV is sold even where another is cheaper, and choosing the other is refused by name."""
    account = an_aave_account(
        {WETH: 20 * 10**18, WBTC: 10**8}, {USDC: 60_000 * 10**6}, terms={WBTC: Terms(loan_to_value=0)}
    )
    goal = Goal("health-factor", Decimal("2.5"))

    (swap,) = actions(plan_for(inputs_for(account, goal)), Swap)
    with pytest.raises(Infeasible) as refused:
        plan_for(inputs_for(account, goal, constraints=Constraints(sell=("WETH",))))

    assert WBTC == swap.route[0].token_in
    assert "LtvValidationFailed" == refused.value.facts["reason"]
    assert "--sell WBTC" in refused.value.fix


def test_the_market_s_liquidity_bounds_a_round() -> None:
    """What cannot leave the market in one round leaves none: the other collateral is sold, or it is said."""
    thin = {WETH: Terms(liquidity=0)}
    account = an_aave_account({WETH: 50 * 10**18}, {USDC: 60_000 * 10**6}, terms=thin)

    with pytest.raises(Infeasible, match="all of it is lent out or paused"):
        plan_for(inputs_for(account, TO_THREE))


def test_later_rounds_are_quoted_after_earlier_ones() -> None:
    """Two rounds through one pool: the second brings less for the same amount."""
    pools = Pools()
    pools.add_at(PRICES, WETH, USDC, fee=100, value=10**7 * 10**8)
    account = an_aave_account({WETH: 50 * 10**18}, {USDC: 100_000 * 10**6})

    plan = plan_for(inputs_for(account, Goal("health-factor", Decimal(2)), max_slippage="0.03"), pools)

    first, second, *_ = actions(plan, Swap)
    assert second.quoted_out * first.amount_in < first.quoted_out * second.amount_in
    route = [(WETH.address, USDC.address, 100)]
    total = pools.sell(route, first.amount_in + second.amount_in)
    assert total - 1 == first.quoted_out + second.quoted_out


def test_a_round_too_large_for_the_pool_is_cut() -> None:
    """Where the whole round would lose too much, a part of it is sold at a time, as long as the pool bears it."""
    pools = deep_pools(value=10**6 * 10**8)
    pools.add_at(PRICES, WETH, USDC, fee=3000, value=10**6 * 10**8)

    plan = plan_for(inputs_for(LENT, Goal("health-factor", Decimal("2.5")), max_slippage="0.012"), pools)

    swaps = actions(plan, Swap)
    assert {500, 3000} == {swap.route[0].fee for swap in swaps}
    assert all(swap.quoted_out >= swap.minimum_out for swap in swaps)


def test_a_pool_away_from_the_oracle_is_refused_with_its_price() -> None:
    """When the venue gives one per cent less than the oracle, half a per cent of slippage is said not to do."""
    pools = Pools()
    pools.add_at({**PRICES, WETH: 2970 * 10**8}, WETH, USDC, fee=100, value=10**9 * 10**8)

    with pytest.raises(Infeasible, match=r"WETH for USDC costs 1\.0\d% against the oracle at best") as refused:
        plan_for(inputs_for(LENT, TO_THREE), pools)

    assert {"sold", "quoted", "needed"} <= refused.value.facts.keys()


@pytest.mark.parametrize(
    ("goal", "options", "fact"),
    [
        (Goal("health-factor", Decimal(2)), {}, r"2\.0750 already"),
        (Goal("leverage", Decimal(2)), {}, r"1\.6667 already"),
        (Goal("health-factor", Decimal("2.1")), {"floor": "2.2"}, r"below the floor"),
        (TO_THREE, {"floor": "2.5"}, r"without going below the floor of 2\.5000"),
        (TO_THREE, {"venue": None}, r"no venue"),
    ],
)
def test_what_cannot_be_done_is_refused(goal: Goal, options: dict, fact: str) -> None:
    """Each refusal says what is so."""
    with pytest.raises(Infeasible, match=fact):
        plan_for(inputs_for(LENT, goal, **options))


@pytest.mark.parametrize(
    ("supplies", "borrows", "fact"),
    [
        ({}, {}, "has no position"),
        ({WETH: 10**18}, {}, "owes nothing"),
        ({WETH: 10**18}, {USDC: 2600 * 10**6}, "below 1"),
    ],
)
def test_accounts_that_cannot_be_steered_are_refused(supplies: dict, borrows: dict, fact: str) -> None:
    """No position, no debt, and a health factor below one, where no collateral can be withdrawn."""
    with pytest.raises(Infeasible, match=fact):
        plan_for(inputs_for(an_aave_account(supplies, borrows), TO_THREE))


def test_one_debt_that_is_not_enough_says_how_far_it_goes() -> None:
    """Repaying all of the one debt that may be repaid reaches a health factor, which is said."""
    account = an_aave_account({WETH: 50 * 10**18}, {USDC: 40_000 * 10**6, DAI: 39_000 * 10**18})

    with pytest.raises(Infeasible, match="repaying all USDC reaches a health factor of 2"):
        plan_for(inputs_for(account, Goal("health-factor", Decimal(9)), constraints=Constraints(repay=("USDC",))))


def test_unknown_assets_are_named() -> None:
    """An asset that is not in the position is an error that lists those that are."""
    with pytest.raises(UnknownName) as refused:
        plan_for(inputs_for(LENT, TO_THREE, constraints=Constraints(repay=("DAI",))))

    assert "choose one of: USDC" == refused.value.fix


def test_the_owner_is_told_what_stands_in_the_way() -> None:
    """A contract as owner and too little for gas are named, with numbers."""
    plan = plan_for(inputs_for(LENT, TO_THREE, wallet=wallet_of(native=10**14, has_code=True)))

    assert ["owner-has-code", "native-balance-short"] == [notice.name for notice in plan.warnings]
    assert "0.000100" in plan.warnings[1].text


def test_the_plan_expires_by_block_and_time() -> None:
    """Ten minutes are fifty blocks of twelve seconds."""
    plan = plan_for(inputs_for(LENT, TO_THREE))

    assert plan.block.number + 50 == plan.expires_at_block
    assert plan.block.timestamp + 600 == plan.expires_at
    assert [plan.block.timestamp + 12 * step.index for step in plan.steps] == [step.at for step in plan.steps]
