"""Accounts with several collaterals and debts: the cheapest mixture of sales, against each sale alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from itertools import product

import numpy as np
import pytest

from defilev.errors import Infeasible
from defilev.model.account import LendingAccount
from defilev.model.plan import Approve, Goal, Plan, Repay, Swap, Withdraw
from defilev.model.token import Token
from defilev.plan import Constraints
from defilev.units import WAD
from tests.factories import DAI, USDC, WBTC, WETH, WSTETH
from tests.support.markets import PRICES, Terms, an_aave_account, deep_pools, inputs_for, plan_for, wallet_of
from tests.support.pools import Pools

STILL = Terms(supply_rate="0", borrow_rate="0")
TWO_DEBTS = an_aave_account({WETH: 50 * 10**18}, {USDC: 40_000 * 10**6, DAI: 39_000 * 10**18})


def to_health(value: str) -> Goal:
    """Return the goal of a health factor."""
    return Goal("health-factor", Decimal(value))


def sold(plan: Plan) -> dict[Token, int]:
    """Return how much of each token is sold."""
    swaps = [step.action for step in plan.steps if isinstance(step.action, Swap)]
    return {
        token: sum(swap.amount_in for swap in swaps if swap.route[0].token_in == token)
        for token in (swap.route[0].token_in for swap in swaps)
    }


def repaid(plan: Plan) -> list[Token]:
    """Return which debts are repaid, in order."""
    return [step.action.asset for step in plan.steps if isinstance(step.action, Repay)]


def landed(plan: Plan, value: str) -> bool:
    """Tell whether the promise lies on the goal or a thousandth above it, on a path above the floor."""
    promised, lowest = plan.promise.health_factor, plan.promise.lowest_health_factor
    assert promised is not None
    assert lowest is not None
    target = int(Decimal(value) * WAD)
    return not plan.label and target <= promised <= target + WAD // 1000 and lowest >= plan.floor


def test_a_debt_is_cleared_and_the_next_one_lands_on_the_goal() -> None:
    """Where one debt is too small, all of it is repaid to the last unit of interest, and a part of the other."""
    plan = plan_for(inputs_for(TWO_DEBTS, to_health("3.2")))

    assert landed(plan, "3.2")
    (cleared, partly) = [step.action for step in plan.steps if isinstance(step.action, Repay)]
    assert (None, True) == (cleared.amount, partly.amount is not None)
    assert {USDC, DAI} == {cleared.asset, partly.asset}
    (condition,) = [
        each for each in plan.post_conditions if each.token == cleared.asset and each.kind == "debt-at-most"
    ]
    assert 0 == condition.limit


def test_two_collaterals_reach_what_neither_reaches_alone() -> None:
    """Both are sold: the first whole, with nothing left behind, the other until the goal is reached."""
    account = an_aave_account({WETH: 10 * 10**18, WBTC: 4 * 10**7, WSTETH: 10**18}, {USDC: 45_000 * 10**6})
    for symbol in ("WETH", "WBTC", "wstETH"):
        with pytest.raises(Infeasible, match="reaches a health factor of"):
            plan_for(inputs_for(account, to_health("12"), constraints=Constraints(sell=(symbol,))))

    plan = plan_for(inputs_for(account, to_health("12")))

    assert landed(plan, "12")
    assert 10 * 10**18 == sold(plan)[WETH]
    assert 0 < sold(plan)[WBTC] < 4 * 10**7
    assert [None] == [step.action.amount for step in plan.steps if isinstance(step.action, Withdraw)][:1]


def test_the_dearest_debt_is_repaid() -> None:
    """At equal cost of buying them, the debt with the higher rate goes first."""
    goal = to_health("2")
    dear = {DAI: Terms(borrow_rate="0.20"), USDC: Terms(borrow_rate="0.01")}

    account = an_aave_account({WETH: 50 * 10**18}, {USDC: 40_000 * 10**6, DAI: 39_000 * 10**18}, terms=dear)

    assert [USDC] == repaid(plan_for(inputs_for(TWO_DEBTS, goal)))
    assert [DAI] == repaid(plan_for(inputs_for(account, goal)))


def test_the_collateral_that_earns_is_kept() -> None:
    """Of two collaterals that cost the same to sell, the one with the lower yield goes, then the lower threshold."""
    pools = Pools()
    for token in (WETH, WSTETH):
        pools.add_at(PRICES, token, USDC, fee=500, value=10**9 * 10**8)
    supplies, owed = {WETH: 20 * 10**18, WSTETH: 16 * 10**18}, {USDC: 60_000 * 10**6}

    for better in (
        {WETH: Terms(supply_rate="0.08"), WSTETH: Terms(supply_rate="0.01")},
        {WETH: Terms(threshold=8600), WSTETH: Terms(threshold=8100)},
    ):
        plan = plan_for(inputs_for(an_aave_account(supplies, owed, terms=better), to_health("2.5")), pools)
        assert [WSTETH] == list(sold(plan))


def test_zero_loan_to_value_is_sold_whole_before_another() -> None:
    """What bars every other withdrawal leaves first, all of it; the rest of the goal comes from the other."""
    account = an_aave_account(
        {WETH: 20 * 10**18, WBTC: 10**7}, {USDC: 40_000 * 10**6}, terms={WBTC: Terms(loan_to_value=0)}
    )

    plan = plan_for(inputs_for(account, to_health("2.5")))

    assert landed(plan, "2.5")
    assert [WBTC, WETH] == [step.action.asset for step in plan.steps if isinstance(step.action, Withdraw)]
    assert 10**7 == sold(plan)[WBTC]


def test_a_leverage_is_reached_by_a_mixture() -> None:
    """A leverage counts every collateral alike, and is reached with both sold."""
    account = an_aave_account({WETH: 10 * 10**18, WBTC: 33 * 10**6}, {USDC: 45_000 * 10**6})

    plan = plan_for(inputs_for(account, Goal("leverage", Decimal("1.05"))))

    assert "" == plan.label
    assert plan.promise.leverage is not None
    assert Decimal("1.049") <= plan.promise.leverage <= Decimal("1.05")
    assert {WETH, WBTC} == set(sold(plan))


def test_the_wallet_repays_every_debt_that_it_can() -> None:
    """Both debt assets in the wallet are repaid before anything is sold, one of them to its end."""
    wallet = wallet_of({USDC: 50_000 * 10**6, DAI: 5_000 * 10**18})

    plan = plan_for(inputs_for(TWO_DEBTS, to_health("4"), wallet=wallet))

    assert landed(plan, "4")
    first, second = [step.action for step in plan.steps if isinstance(step.action, Repay)][:2]
    assert Repay(USDC, None) == first
    assert Repay(DAI, 5_000 * 10**18) == second
    assert not any(isinstance(step.action, Withdraw) for step in plan.steps[:5])


def test_what_cannot_be_reached_says_how_far_it_goes_and_what_ran_out() -> None:
    """The part that can be done is offered as a part: how far it goes, and what there is no more of."""
    shallow = Pools()
    for token in (WETH, WBTC):
        shallow.add_at(PRICES, token, USDC, fee=500, value=10**6 * 10**8)
    account = an_aave_account({WETH: 20 * 10**18, WBTC: 10**8}, {USDC: 100_000 * 10**6})

    plan = plan_for(inputs_for(account, to_health("3")), shallow)

    assert re.match(r"PARTIAL: it reaches a health factor of 1\.2\d+ .*, not a health factor of 3, since", plan.label)
    assert "uniswap-v3 gives too little: WETH for USDC" in plan.label


def test_every_allowance_is_used_up_or_taken_back() -> None:
    """Whatever is granted on the way is taken by the next step, or set to zero."""
    plan = plan_for(inputs_for(TWO_DEBTS, to_health("3.2")))

    standing: dict[tuple[Token, str], int] = {}
    for step in plan.steps:
        match step.action:
            case Approve(asset, spender, _, amount):
                standing[asset, spender] = amount
            case Swap(route, amount_in):
                standing[route[0].token_in, step.to] -= amount_in
            case Repay(asset, amount) if amount is not None:
                standing[asset, step.to] -= amount
    assert {0} == set(standing.values())


def random_account(rng: np.random.Generator) -> LendingAccount:
    """Return an account with up to three collaterals and two debts, without interest."""
    terms = {
        token: Terms(threshold=int(rng.integers(6500, 8600)), loan_to_value=6000, supply_rate="0", borrow_rate="0")
        for token in (WETH, WSTETH, WBTC, USDC, DAI)
    }
    chosen = [token for token in (WETH, WSTETH, WBTC) if rng.random() < 0.7] or [WETH]
    supplies = {token: _units(token, rng.uniform(20_000, 150_000)) for token in chosen}
    worth = sum(PRICES[token] * amount / 10 ** (token.decimals + 8) for token, amount in supplies.items())
    shares = {token: rng.uniform(0.1, 0.28) for token in (USDC, DAI)}
    return an_aave_account(
        supplies, {token: _units(token, worth * share) for token, share in shares.items()}, terms=terms
    )


def _units(token: Token, dollars: float) -> int:
    return int(dollars * 10**8) * 10**token.decimals // PRICES[token]


def spent(plan: Plan) -> int:
    """Return what the plan costs at its quotes, gas included, in quote units."""
    assert plan.cost.gas_value is not None
    return plan.cost.expected + plan.cost.gas_value


def alone(account: LendingAccount, goal: Goal, pools: Pools) -> Mapping[tuple[str, str], Plan]:
    """Return every plan that sells one collateral for one debt and reaches the goal."""
    plans = {}
    legs = {side: [leg.asset.symbol for leg in account.legs if leg.side == side] for side in ("supply", "borrow")}
    for collateral, debt in product(legs["supply"], legs["borrow"]):
        try:
            plan = plan_for(
                inputs_for(
                    account, goal, constraints=Constraints(sell=(collateral,), repay=(debt,)), max_slippage="0.01"
                ),
                pools,
            )
        except Infeasible:
            continue
        if not plan.label:
            plans[collateral, debt] = plan
    return plans


@pytest.mark.parametrize("seed", range(20))
def test_no_sale_alone_is_cheaper_than_the_mixture(seed: int) -> None:
    """On random accounts and pools the plan costs at most what the cheapest single sale that reaches the goal costs."""
    rng = np.random.default_rng(seed)
    account = random_account(rng)
    pools = deep_pools(value=int(rng.choice([10**6, 5 * 10**6, 10**8])) * 10**8)
    assert account.health_factor is not None
    goal = to_health(str(round(account.health_factor / WAD * rng.uniform(1.05, 1.8), 4)))

    singles = alone(account, goal, pools)
    if not singles:
        return
    plan = plan_for(inputs_for(account, goal, max_slippage="0.01"), pools)

    assert not plan.label
    assert spent(plan) <= min(spent(single) for single in singles.values()) * 1.001 + 10**6
