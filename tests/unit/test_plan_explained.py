from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from defilev.model.account import LendingAccount
from defilev.model.plan import Goal, Plan, Swap
from defilev.model.plan_hash import hash_of
from defilev.plan import Constraints, plan_document, plan_from
from defilev.plan.choose import payable_debts
from defilev.plan.repaying import plan_repayment
from defilev.risk.forms import health_factor
from tests.factories import DAI, USDC, WBTC, WETH, WSTETH
from tests.support.markets import AAVE, Terms, an_aave_account, inputs_for, plan_for, wallet_of

LENT = an_aave_account({WSTETH: 50 * 10**18}, {USDC: 60_000 * 10**6})
MIXED = an_aave_account({WETH: 50 * 10**18, WBTC: 10**8}, {USDC: 90_000 * 10**6, DAI: 70_000 * 10**18})
TIGHT = an_aave_account({WETH: 50 * 10**18}, {USDC: 100_000 * 10**6}, terms={WETH: Terms(liquidity=5 * 10**17)})
TO_THREE = Goal("health-factor", Decimal(3))


def bound(plan: Plan) -> tuple[str, str]:
    """Return the kind and the text of what decided the size of a plan."""
    assert plan.bound_by is not None
    return plan.bound_by.kind, plan.bound_by.text


@pytest.mark.parametrize("account", [LENT, MIXED])
def test_fee_and_impact_are_what_a_sale_loses_at_its_quotes(account: LendingAccount) -> None:
    """They add up to the expected cost to the last unit; the fee is that of the tiers, compounded along a route."""
    plan = plan_for(inputs_for(account, TO_THREE))
    swaps = [step.action for step in plan.steps if isinstance(step.action, Swap)]
    fees = 0.0
    for swap in swaps:
        kept = 1.0
        for hop in swap.route:
            kept *= 1 - hop.fee / 1e6
        sold = next(leg for leg in account.legs if leg.asset == swap.route[0].token_in)
        fees += sold.value * (swap.amount_in / sold.amount) * (1 - kept)

    assert plan.cost.fee is not None
    assert plan.cost.expected == plan.cost.fee + (plan.cost.impact or 0)
    assert pytest.approx(fees, abs=len(swaps) + 1) == plan.cost.fee


def test_a_plan_without_a_sale_pays_no_fee() -> None:
    """Repaying from the wallet costs gas alone: the fee and the impact are zero and not missing."""
    inputs = inputs_for(LENT, TO_THREE, wallet=wallet_of({USDC: 60_000 * 10**6}), constraints=Constraints(via="wallet"))
    plan = plan_repayment(inputs)

    assert (0, 0, 0) == (plan.cost.expected, plan.cost.fee, plan.cost.impact)
    assert "target" == bound(plan)[0]


def test_at_a_liquidation_price_health_is_one() -> None:
    """Multiplying an asset's price by what the plan names brings health before it to one, with all on its feed."""
    plan = plan_for(inputs_for(MIXED, Goal("health-factor", Decimal(2))))
    exposure = AAVE.exposure(MIXED, stable=frozenset())
    drivers = {term.asset: term.driver for term in exposure.terms}
    found = [at for at in plan.liquidation_prices if at.before is not None]

    assert {("WETH", "below"), ("WBTC", "below"), ("USDC", "above"), ("DAI", "above")} >= {
        (at.asset.symbol, at.side) for at in found
    }
    assert found
    for at in found:
        factor = float((at.before or 0) / at.price_now)
        assert pytest.approx(1, abs=1e-9) == health_factor(exposure, {drivers[at.asset.address]: factor})


def test_less_leverage_moves_liquidation_away() -> None:
    """Collateral may fall further afterwards, and debt rise further; stable debt is left out where it is known."""
    at = {price.side: price for price in plan_for(inputs_for(LENT, TO_THREE)).liquidation_prices}
    stable = plan_for(replace(inputs_for(LENT, TO_THREE), stable=frozenset({USDC.address})))

    assert Decimal("1445.78313253") == at["below"].before
    assert (at["below"].after or 0) < (at["below"].before or 0) < at["below"].price_now
    assert at["above"].price_now < (at["above"].before or 0) < (at["above"].after or 0)
    assert [("wstETH", "below")] == [(price.asset.symbol, price.side) for price in stable.liquidation_prices]


def test_what_a_wallet_lacks_bound_the_plan() -> None:
    """A repayment that stops short says which wallet is empty, or that more of it was not allowed."""
    inputs = inputs_for(LENT, TO_THREE, wallet=wallet_of({USDC: 5_000 * 10**6}), constraints=Constraints(via="wallet"))

    assert [USDC] == [leg.asset for leg in payable_debts(inputs)]
    assert ("wallet", "the wallet: it has no more USDC") == bound(plan_repayment(inputs))
    assert "cap" == bound(plan_repayment(inputs, most=Decimal(1_000)))[0]


def test_what_the_market_pays_out_bounds_a_plan() -> None:
    """With little liquidity a partial plan names it, and not the floor, the rounds or the slippage."""
    kind, text = bound(plan_for(inputs_for(TIGHT, Goal("health-factor", Decimal("1.3")))))

    assert "liquidity" == kind
    assert "the market: it pays out no more WETH now" == text


def test_the_explanation_is_part_of_what_is_hashed() -> None:
    """It survives the way to a file and back, and a document without it is a plan of an older version, still valid."""
    plan = plan_for(inputs_for(LENT, TO_THREE))
    document = plan_document(plan)
    older = {
        name: value
        for name, value in document.items()
        if name not in ("collateral_value_before", "debt_value_before", "liquidation_prices", "bound_by", "hash")
    }
    older["cost"] = {name: value for name, value in document["cost"].items() if name not in ("fee", "impact")}
    read = plan_from({**older, "hash": hash_of(older)})

    assert plan == plan_from(document)
    assert (None, (), None, None) == (read.bound_by, read.liquidation_prices, read.cost.fee, read.debt_value_before)
