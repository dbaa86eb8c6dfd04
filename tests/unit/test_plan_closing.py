from __future__ import annotations

from decimal import Decimal

import pytest

from defilev.errors import Infeasible
from defilev.model.plan import Approve, Goal, Plan, Repay, Swap, Withdraw
from defilev.units import UINT256_MAX
from tests.factories import DAI, USDC, WBTC, WETH
from tests.support.markets import POOL, Terms, an_aave_account, deep_pools, inputs_for, plan_for, wallet_of

CLOSE = Goal("close", None)
LENT = an_aave_account({WETH: 50 * 10**18}, {USDC: 60_000 * 10**6})


def kinds(plan: Plan) -> list[str]:
    """Return what the steps do, in order."""
    return [step.action.kind for step in plan.steps]


def conditions(plan: Plan) -> set[str]:
    """Return the kinds of the post-conditions."""
    return {condition.kind for condition in plan.post_conditions}


def test_closing_repays_all_and_withdraws_all() -> None:
    """The last repayment and the last withdrawal name no amount, and the allowance between is taken back."""
    plan = plan_for(inputs_for(LENT, CLOSE))

    assert ["withdraw", "approve", "swap", "approve", "repay", "approve", "withdraw"] == kinds(plan)
    assert Repay(USDC, None) == plan.steps[4].action
    assert Approve(USDC, POOL, "aave-v3 pool", 0) == plan.steps[5].action
    assert Withdraw(WETH, None) == plan.steps[6].action
    assert str(UINT256_MAX) in dict(plan.steps[4].arguments).values()
    assert {"no-debt", "no-collateral", "allowance-zero", "balance-at-least"} == conditions(plan)
    assert (None, 0, 0) == (plan.promise.health_factor, plan.promise.collateral_value, plan.promise.debt_value)


def test_closing_buys_enough_for_the_interest_until_it_expires() -> None:
    """What the swap brings at least covers the debt an hour later; the approval is little more than that."""
    plan = plan_for(inputs_for(LENT, CLOSE, window=3600))

    (swap,) = [step.action for step in plan.steps if isinstance(step.action, Swap)]
    approvals = [step.action for step in plan.steps if isinstance(step.action, Approve)]
    approved = max(approval.amount for approval in approvals if approval.asset == USDC)
    late = 60_000 * 10**6 * (1 + Decimal("0.05") * 3660 / (365 * 86_400))
    assert late < approved <= swap.minimum_out
    assert approved < late * Decimal("1.0001")


def test_closing_without_debt_only_withdraws() -> None:
    """A debt-free account closes by withdrawing each supply."""
    account = an_aave_account({WETH: 10**18, WBTC: 10**8}, {}, idle=frozenset({WBTC}))

    plan = plan_for(inputs_for(account, CLOSE))

    assert [Withdraw(WETH, None), Withdraw(WBTC, None)] == [step.action for step in plan.steps]


def test_closing_takes_the_wallet_first() -> None:
    """A wallet that holds the whole debt closes the account without a sale."""
    plan = plan_for(inputs_for(LENT, CLOSE, wallet=wallet_of({USDC: 61_000 * 10**6})))

    assert ["approve", "repay", "approve", "withdraw"] == kinds(plan)
    (kept,) = [each.limit for each in plan.post_conditions if each.kind == "balance-at-least" and each.token == USDC]
    assert kept is not None
    assert 999 * 10**6 < kept < 1_000 * 10**6


def test_a_few_units_of_debt_are_closed_too() -> None:
    """Dust is repaid from a sale that is large enough for the pools' own rounding."""
    account = an_aave_account({WETH: 10**18}, {USDC: 3})

    plan = plan_for(inputs_for(account, CLOSE))

    (swap,) = [step.action for step in plan.steps if isinstance(step.action, Swap)]
    assert swap.minimum_out >= 10_000
    assert swap.quoted_out >= swap.minimum_out
    assert "no-debt" in conditions(plan)


def test_several_debts_are_closed_one_after_another() -> None:
    """Each debt is repaid in full before the next, the largest first."""
    account = an_aave_account({WETH: 50 * 10**18, WBTC: 10**8}, {USDC: 30_000 * 10**6, DAI: 40_000 * 10**18})

    plan = plan_for(inputs_for(account, CLOSE))

    repaid = [
        step.action.asset for step in plan.steps if step.action == Repay(DAI, None) or step.action == Repay(USDC, None)
    ]
    assert [DAI, USDC] == repaid
    assert {Withdraw(WETH, None), Withdraw(WBTC, None)} <= {step.action for step in plan.steps[-2:]}


def test_collateral_of_zero_loan_to_value_leaves_first() -> None:
    """Nothing else may leave while there is debt, so that is what is sold."""
    account = an_aave_account(
        {WETH: 50 * 10**18, WBTC: 10**8}, {USDC: 30_000 * 10**6}, terms={WBTC: Terms(loan_to_value=0)}
    )

    plan = plan_for(inputs_for(account, CLOSE))

    assert isinstance(plan.steps[0].action, Withdraw)
    assert WBTC == plan.steps[0].action.asset


def test_a_source_that_runs_out_is_followed_by_the_next() -> None:
    """All of one supply is sold, and the rest comes from another."""
    account = an_aave_account({WETH: 5 * 10**18, WBTC: 10**8}, {USDC: 40_000 * 10**6}, idle=frozenset({WETH}))

    plan = plan_for(inputs_for(account, CLOSE))

    assert {WETH, WBTC} == {step.action.route[0].token_in for step in plan.steps if isinstance(step.action, Swap)}
    assert "no-collateral" in conditions(plan)


def test_a_long_way_is_labelled() -> None:
    """Twelve rounds that do not repay everything are offered as a part, and promise no empty account."""
    account = an_aave_account({WETH: 100 * 10**18}, {USDC: 239_000 * 10**6})

    plan = plan_for(inputs_for(account, CLOSE, max_slippage="0.002", floor="1.03"))

    assert plan.label.startswith("PARTIAL")
    assert {"no-debt", "no-collateral"}.isdisjoint(conditions(plan))


def test_an_account_that_cannot_pay_is_refused() -> None:
    """Collateral worth less than the debt cannot close it; what must come from outside is said."""
    account = an_aave_account({WETH: 10 * 10**18}, {USDC: 29_900 * 10**6}, terms={WETH: Terms(threshold=9990)})

    with pytest.raises(Infeasible) as refused:
        plan_for(inputs_for(account, CLOSE, floor="1.0001"))

    assert "USDC more to the wallet" in refused.value.fix


def test_nothing_is_sold_that_is_nothing_between_two_pools() -> None:
    """A debt of a millionth of a dollar is not bought through a pool in whose token the sale rounds to zero."""
    account = an_aave_account({WETH: 50 * 10**18}, {USDC: 60_000 * 10**6, DAI: 10**12})
    pools = deep_pools()

    plan = plan_for(inputs_for(account, CLOSE), pools)

    for swap in (step.action for step in plan.steps if isinstance(step.action, Swap)):
        route = [(hop.token_in.address, hop.token_out.address, hop.fee) for hop in swap.route]
        assert pools.sell(route, swap.amount_in) >= swap.minimum_out > 0
