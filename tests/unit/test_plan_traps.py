"""Mistakes that other planners are known for, each as the behaviour that excludes it."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from defilev.errors import Infeasible
from defilev.model.plan import Goal, Plan, Repay, Swap, Withdraw
from defilev.plan import Constraints
from defilev.units import WAD
from tests.factories import USDC, WBTC, WETH
from tests.support.markets import PRICES, Terms, an_aave_account, deep_pools, inputs_for, plan_for, wallet_of
from tests.support.pools import Pools

STILL = Terms(supply_rate="0", borrow_rate="0")


def swaps(plan: Plan) -> list[Swap]:
    """Return what is sold."""
    return [step.action for step in plan.steps if isinstance(step.action, Swap)]


@pytest.mark.parametrize("owed", [80_000, 100_000, 115_000, 118_000, 120_000])
def test_a_deleverage_is_offered_as_long_as_the_floor_leaves_room(owed: int) -> None:
    """From a health factor of 1.56 down to 1.04 there is a plan, whole or labelled, that raises it."""
    account = an_aave_account({WETH: 50 * 10**18}, {USDC: owed * 10**6})
    assert account.health_factor is not None

    plan = plan_for(inputs_for(account, Goal("health-factor", Decimal(account.health_factor * 11 // 10) / WAD)))

    assert plan.promise.health_factor is not None
    assert plan.promise.health_factor > account.health_factor


@pytest.mark.parametrize("owed", [123_000, 124_400, 125_000, 160_000])
def test_below_that_the_exit_that_still_works_is_named(owed: int) -> None:
    """Near, at and far below a health factor of 1 the refusal says what to bring from outside."""
    account = an_aave_account({WETH: 50 * 10**18}, {USDC: owed * 10**6})

    with pytest.raises(Infeasible) as refused:
        plan_for(inputs_for(account, Goal("health-factor", Decimal("1.3"))))

    assert refused.value.fix.startswith("bring ")
    assert "USDC more to the wallet" in refused.value.fix


@pytest.mark.parametrize("slippage", ["0.001", "0.005", "0.02"])
def test_the_sale_put_back_into_the_ratio_gives_the_target(slippage: str) -> None:
    """`ℓ·(C − x) / (D − x·(1 − s))` of the sized sale is the target, with what is lost on the way counted once."""
    account = an_aave_account({WETH: 50 * 10**18}, {USDC: 60_000 * 10**6}, terms={WETH: STILL, USDC: STILL})
    pools = deep_pools()
    plan = plan_for(inputs_for(account, Goal("health-factor", Decimal("2.5")), max_slippage=slippage), pools)

    (swap,) = swaps(plan)
    sold = Fraction(swap.amount_in * 3000, 10**18)
    health = Fraction(83, 100) * (150_000 - sold) / (60_000 - sold * (1 - Fraction(slippage)))
    assert 0 <= health - Fraction(5, 2) <= Fraction(1, 1000)


def test_what_lands_never_crosses_the_target() -> None:
    """The best fill that the venue quotes leaves the debt and the promise where the worst allowed one puts them."""
    account = an_aave_account({WETH: 50 * 10**18}, {USDC: 60_000 * 10**6})

    plan = plan_for(inputs_for(account, Goal("health-factor", Decimal("2.5"))))

    (swap,) = swaps(plan)
    (repaid,) = [step.action for step in plan.steps if isinstance(step.action, Repay)]
    assert swap.quoted_out > swap.minimum_out == repaid.amount
    assert plan.promise.health_factor is not None
    assert 0 <= plan.promise.health_factor - 2.5 * WAD <= WAD // 1000


def test_collateral_of_zero_loan_to_value_still_counts() -> None:
    """Zero LTV changes neither the health factor nor how much must be sold, only what may be."""
    supplies, owed = {WETH: 20 * 10**18, WBTC: 10**8}, {USDC: 60_000 * 10**6}
    goal = Goal("health-factor", Decimal("2.5"))
    usual = an_aave_account(supplies, owed)
    zero = an_aave_account(supplies, owed, terms={WBTC: Terms(loan_to_value=0)})

    of_usual, of_zero = (
        plan_for(inputs_for(account, goal, constraints=Constraints(sell=("WBTC",)), max_slippage="0.006"))
        for account in (usual, zero)
    )

    assert usual.health_factor == zero.health_factor
    assert swaps(of_usual)[0].amount_in == swaps(of_zero)[0].amount_in


def test_the_threshold_is_that_of_the_asset_sold() -> None:
    """With thresholds of 65 % and 85 % each sale is sized by its own, not by the average."""
    terms = {
        WETH: Terms(6000, 6500, "0", "0"),
        WBTC: Terms(8000, 8500, "0", "0"),
        USDC: STILL,
    }
    account = an_aave_account({WETH: 20 * 10**18, WBTC: 10**8}, {USDC: 50_000 * 10**6}, terms=terms)
    goal = Goal("health-factor", Decimal("2.6"))
    pools = Pools()
    for token in (WETH, WBTC):
        pools.add_at(PRICES, token, USDC, fee=500, value=10**9 * 10**8)

    for token, threshold in ((WETH, Fraction(65, 100)), (WBTC, Fraction(85, 100))):
        plan = plan_for(inputs_for(account, goal, constraints=Constraints(sell=(token.symbol,))), pools)
        capacity = Fraction(65, 100) * 60_000 + Fraction(85, 100) * 90_000
        needed = (Fraction(26, 10) * 50_000 - capacity) / (Fraction(26, 10) * Fraction(995, 1000) - threshold)
        sold = sum(Fraction(swap.amount_in * PRICES[token], 10 ** (token.decimals + 8)) for swap in swaps(plan))
        assert float(sold) == pytest.approx(float(needed), rel=1e-3)


def test_slippage_is_taken_off_what_must_arrive() -> None:
    """What must arrive is the oracle's worth times 1 − s, never divided by it, and never more than that worth."""
    account = an_aave_account({WETH: 50 * 10**18}, {USDC: 60_000 * 10**6})
    for slippage in ("0.005", "0.05"):
        (swap,) = swaps(plan_for(inputs_for(account, Goal("health-factor", Decimal("2.5")), max_slippage=slippage)))
        worth = swap.amount_in * 3000 // 10**12
        assert swap.minimum_out == int(worth * (1 - Fraction(slippage)))


def test_repaying_all_never_shrinks_to_what_the_wallet_holds() -> None:
    """A wallet one unit short of the debt with its interest does not close it silently: the rest is bought."""
    account = an_aave_account({WETH: 50 * 10**18}, {USDC: 60_000 * 10**6})

    plan = plan_for(inputs_for(account, Goal("close", None), wallet=wallet_of({USDC: 60_000 * 10**6})))

    repayments = [step.action for step in plan.steps if isinstance(step.action, Repay)]
    assert repayments[-1].amount is None
    assert {"no-debt", "no-collateral"} <= {condition.kind for condition in plan.post_conditions}
    assert any(isinstance(step.action, Withdraw) and step.action.amount is None for step in plan.steps)
    assert (None, 0) == (plan.promise.health_factor, plan.promise.debt_value)
