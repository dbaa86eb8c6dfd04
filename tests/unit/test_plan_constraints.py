"""What the user allows of a plan: which way, what is sold and repaid, what is kept, and who pays."""

from __future__ import annotations

from decimal import Decimal

import pytest

from defilev.errors import Infeasible, InvalidNumber, UnknownName, UsageError
from defilev.model.plan import Approve, Goal, Repay, Supply, Swap, Withdraw
from defilev.plan import ANYTHING, Constraints, parse_constraints
from defilev.plan.constraints import Keep
from defilev.units import WAD
from tests.factories import DAI, USDC, WBTC, WETH, WSTETH
from tests.support.markets import POOL, an_aave_account, inputs_for, plan_for, wallet_of
from tests.unit.test_plan_staircase import actions, kinds

TO_TWO = Goal("health-factor", Decimal(2))
ACCOUNT = an_aave_account(
    {WETH: 20 * 10**18, WBTC: 10**8, WSTETH: 20 * 10**18}, {USDC: 60_000 * 10**6, DAI: 50_000 * 10**18}
)
RICH = wallet_of({USDC: 10**12, DAI: 10**24, WETH: 10**21, WBTC: 10**10, WSTETH: 10**21})


def sold(constraints: Constraints) -> set[str]:
    """Return the symbols that a plan without a wallet withdraws."""
    plan = plan_for(inputs_for(ACCOUNT, TO_TWO, constraints=constraints, max_slippage="0.01"))
    return {action.asset.symbol for action in actions(plan, Withdraw)}


def test_what_is_typed_is_what_is_meant() -> None:
    """Ways, assets and penalties are read from their one spelling."""
    wanted = Constraints("sell", ("WETH", "WBTC"), ("USDC",), (Keep("wstETH"), Keep("DAI", Decimal("0.02"))))

    assert wanted == parse_constraints(via="sell", sell=["WETH", "WBTC"], repay=["USDC"], keep=["wstETH", "DAI=2%"])
    assert ANYTHING == parse_constraints()


@pytest.mark.parametrize(
    ("typed", "error", "fact"),
    [
        ({"via": "luck"}, UsageError, "no way to a goal"),
        ({"via": "wallet", "sell": ["WETH"]}, UsageError, "sells nothing"),
        ({"via": "collateral", "repay": ["USDC"]}, UsageError, "repays nothing"),
        ({"sell": ["WETH"], "keep": ["weth"]}, UsageError, "contradict"),
        ({"keep": ["WETH=150%"]}, InvalidNumber, "penalty"),
        ({"keep": ["WETH=2"]}, InvalidNumber, "percent"),
    ],
)
def test_constraints_that_cannot_be_meant_are_refused(typed: dict, error: type[Exception], fact: str) -> None:
    """A way that does not exist, constraints that contradict it or each other, and penalties that are none."""
    with pytest.raises(error, match=fact):
        parse_constraints(**typed)


def test_nothing_but_what_is_named_is_sold() -> None:
    """--sell limits the sales, --keep leaves out of them, both by symbol or address in any case."""
    assert {"WBTC"} == sold(Constraints(sell=("wbtc",)))
    assert sold(Constraints(sell=("WETH", WSTETH.address))) <= {"WETH", "wstETH"}
    assert sold(Constraints(keep=(Keep("WETH"), Keep(WSTETH.address.lower())))) == {"WBTC"}


def test_a_penalty_moves_the_sale_elsewhere() -> None:
    """What costs one per cent more than the rest is not sold while the rest suffices; a penalty on all changes none."""
    cheapest = sold(ANYTHING)
    (first,) = cheapest

    assert first not in sold(Constraints(keep=(Keep(first, Decimal("0.05")),)))
    everywhere = tuple(Keep(token.symbol, Decimal("0.05")) for token in (WETH, WBTC, WSTETH))
    assert cheapest == sold(Constraints(keep=everywhere))


def test_what_is_kept_is_not_taken_from_the_wallet() -> None:
    """A debt asset that is kept stays in the wallet; the other debt is repaid from there."""
    plan = plan_for(inputs_for(ACCOUNT, TO_TWO, wallet=RICH, constraints=Constraints(keep=(Keep("USDC"),))))

    assert {DAI} == {action.asset for action in actions(plan, Repay)}


def test_a_name_that_is_kept_must_exist() -> None:
    """A slip in --keep would let the asset be sold that was meant."""
    with pytest.raises(UnknownName, match="wstEHT"):
        plan_for(inputs_for(ACCOUNT, TO_TWO, constraints=Constraints(keep=(Keep("wstEHT"),))))


def test_nothing_left_to_sell_is_said() -> None:
    """When everything is kept the refusal says so."""
    keep = tuple(Keep(token.symbol) for token in (WETH, WBTC, WSTETH))

    with pytest.raises(Infeasible, match="--keep leaves nothing"):
        plan_for(inputs_for(ACCOUNT, TO_TWO, constraints=Constraints(keep=keep)))


def test_selling_leaves_the_wallet_alone() -> None:
    """Via sell a full wallet changes nothing but its balances' promises."""
    poor = plan_for(inputs_for(ACCOUNT, TO_TWO, constraints=Constraints("sell"), max_slippage="0.01"))
    rich = plan_for(inputs_for(ACCOUNT, TO_TWO, constraints=Constraints("sell"), max_slippage="0.01", wallet=RICH))

    assert [step.data for step in poor.steps] == [step.data for step in rich.steps]
    assert actions(rich, Swap)


def test_the_wallet_alone_sells_nothing() -> None:
    """Via wallet there are repayments and their approvals; a part of the goal is labelled as such."""
    whole = plan_for(inputs_for(ACCOUNT, TO_TWO, constraints=Constraints("wallet"), wallet=RICH))
    part = plan_for(
        inputs_for(ACCOUNT, TO_TWO, constraints=Constraints("wallet"), wallet=wallet_of({DAI: 5_000 * 10**18}))
    )

    assert ["approve", "repay"] == kinds(whole)
    assert "" == whole.label
    assert part.label.startswith("PARTIAL")


def test_collateral_is_added_to_land_on_the_goal() -> None:
    """Via collateral exactly what is supplied is approved, the goal is reached by little, and no debt changes."""
    plan = plan_for(inputs_for(ACCOUNT, TO_TWO, constraints=Constraints("collateral"), wallet=RICH))

    approve, supply = (step.action for step in plan.steps)
    assert isinstance(supply, Supply)
    assert Approve(supply.asset, POOL, "aave-v3 pool", supply.amount) == approve
    assert plan.promise.health_factor is not None
    assert 2 * WAD <= plan.promise.health_factor <= 2 * WAD + WAD // 1000
    assert 0 == plan.cost.expected == plan.cost.worst


def test_collateral_is_added_from_several_balances() -> None:
    """Where one balance does not reach the goal the next follows; what does not reach it is a part."""
    wallet = wallet_of({WETH: 10**18, WBTC: 10**7, WSTETH: 10**18})
    plan = plan_for(inputs_for(ACCOUNT, TO_TWO, constraints=Constraints("collateral"), wallet=wallet))

    first, *_, last = [action.asset for action in actions(plan, Supply)]
    assert WBTC == first != last


def test_what_is_owed_or_new_is_never_added() -> None:
    """An asset that is owed would better be repaid, and one that is no collateral of the position may not become it."""
    account = an_aave_account({WETH: 20 * 10**18}, {USDC: 30_000 * 10**6})

    with pytest.raises(Infeasible, match="0 WETH"):
        plan_for(
            inputs_for(
                account, TO_TWO, constraints=Constraints("collateral"), wallet=wallet_of({USDC: 10**10, WBTC: 10**8})
            )
        )


def test_kept_collateral_is_not_added() -> None:
    """--keep is about the wallet too."""
    wallet = wallet_of({WETH: 10**21})

    with pytest.raises(Infeasible, match="too little of the collateral"):
        plan_for(
            inputs_for(ACCOUNT, TO_TWO, constraints=Constraints("collateral", keep=(Keep("WETH"),)), wallet=wallet)
        )
