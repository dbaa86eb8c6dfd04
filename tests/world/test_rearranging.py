from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from defilev.abi import interface
from defilev.errors import Infeasible
from defilev.model.account import LendingAccount
from defilev.model.plan import Goal, Plan, Withdraw
from defilev.model.request import Address
from defilev.pipeline.look import read_account
from defilev.pipeline.planning import PlanQuestion, make_plan
from defilev.pipeline.session import Session
from defilev.pipeline.trying import try_plan
from defilev.plan import Constraints
from defilev.units import UINT256_MAX
from tests.support.positions import Recipe, approve, give, open_position
from tests.support.rearranging import drawn_goal, drawn_position, executed, rearranged
from tests.support.sessions import connected
from tests.support.wallets import spend
from tests.support.world import MARKETS, World

pytestmark = pytest.mark.world

EXCHANGES = 40


def account_of(session: Session, world: World, who: str, market: str) -> LendingAccount:
    """Read a named account."""
    entry = world.market(market)
    return read_account(session, world.account(who), protocol=entry.protocol, market=entry.market)


def amounts(account: LendingAccount, side: str) -> dict[str, int]:
    """Return what is supplied or owed, in base units by symbol."""
    return {leg.asset.symbol: leg.amount for leg in account.legs if leg.side == side}


SWAPS = [
    ("comfortable", Goal("swap-collateral", None, "WETH", "wstETH")),
    ("comfortable", Goal("swap-collateral", Decimal(10), "WETH", "WBTC")),
    ("not-enabled", Goal("swap-collateral", None, "WBTC", "WETH")),
    ("mixed", Goal("swap-debt", None, "USDC", "DAI")),
    ("mixed", Goal("swap-debt", Decimal(10_000), "DAI", "WETH")),
    ("short", Goal("swap-debt", None, "WETH", "wstETH")),
    ("dust", Goal("swap-debt", None, "USDC", "DAI")),
]


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize(
    ("who", "goal"), SWAPS, ids=[f"{who} {goal.replaced}={goal.replacement}" for who, goal in SWAPS]
)
def test_an_exchange_holds_alike_in_both_engines(
    session: Session, world: World, market: str, who: str, goal: Goal
) -> None:
    """An asset takes another's place above the floor, by calls that may be signed, with one and the same report."""
    account = account_of(session, world, who, market)
    plan = rearranged(session, account, goal)
    report = executed(session, account, plan)

    assert "" == plan.label
    assert report == replace(try_plan(session, plan, engine="simulate-v1"), engine="anvil")


def test_nothing_of_an_exchanged_collateral_is_left_but_its_interest(session: Session, world: World) -> None:
    """All of it is withdrawn as the protocol's own "all", and at least the promised amount of the other is supplied."""
    account = account_of(session, world, "comfortable", "main")
    plan = rearranged(session, account, Goal("swap-collateral", None, "WETH", "wstETH"))
    least = next(each.limit for each in plan.post_conditions if each.kind == "collateral-at-least")

    last = [step for step in plan.steps if isinstance(step.action, Withdraw)][-1]

    assert str(UINT256_MAX) == dict(last.arguments)["amount"]
    assert least is not None
    assert Decimal(least) / 10**18 > Decimal(50) * Decimal(2440) / Decimal(3050) * Decimal("0.9")


def test_nothing_of_an_exchanged_debt_is_left(session: Session, world: World) -> None:
    """The last round repays all that is owed when it runs, and leaves no allowance for what that did not take."""
    account = account_of(session, world, "mixed", "main")
    plan = rearranged(session, account, Goal("swap-debt", None, "USDC", "DAI"))
    limits = {
        each.token.symbol: each.limit for each in plan.post_conditions if each.kind == "debt-at-most" and each.token
    }

    assert 0 == limits["USDC"]
    assert amounts(account, "borrow")["DAI"] < (limits["DAI"] or 0)
    assert ["repay", "approve"] == [step.action.kind for step in plan.steps[-2:]]


E_MODES = [("short", 1), ("debt-free", 1)]


@pytest.mark.parametrize(("who", "category"), E_MODES)
def test_an_e_mode_is_entered(session: Session, world: World, who: str, category: int) -> None:
    """One transaction enters it, and that the account is in it afterwards is one of the plan's conditions."""
    account = account_of(session, world, who, "main")
    plan = rearranged(session, account, Goal("e-mode", Decimal(category)))
    report = executed(session, account, plan)

    assert ["setUserEMode"] == [step.function for step in plan.steps]
    assert [category] == [check.found for check in report.conditions if check.condition.kind == "e-mode-is"]


def test_an_e_mode_is_left(session: Session, world: World) -> None:
    """Leaving it is planned where the floor allows, which the owner may lower, and refused with both figures else."""
    account = account_of(session, world, "loop", "spark")
    with pytest.raises(Infeasible, match=r"with no e-mode the health factor would go from 1\.04\d+ to 0\.\d+, below"):
        rearranged(session, account, Goal("e-mode", Decimal(0)))

    entered = account_of(session, world, "debt-free", "main")
    plan = rearranged(session, entered, Goal("e-mode", Decimal(1)))
    assert world.send(entered.owner, plan.steps[0].to, bytes.fromhex(plan.steps[0].data[2:]))["status"] == "0x1"
    with connected(world) as later:
        inside = account_of(later, world, "debt-free", "main")
        executed(later, inside, rearranged(later, inside, Goal("e-mode", Decimal(0))))


BLOCKED = [
    ("comfortable", Goal("e-mode", Decimal(1)), "e-mode 1 ETH correlated is closed to .*: USDC is owed and cannot be"),
    ("ltv-zero", Goal("e-mode", Decimal(1)), "LUSD is enabled as collateral and has a loan-to-value of zero there"),
    ("comfortable", Goal("e-mode", Decimal(7)), "aave-v3 main has no e-mode 7 that can be entered"),
    ("loop", Goal("e-mode", Decimal(1)), "is in e-mode 1 already"),
    ("comfortable", Goal("e-mode", Decimal(0)), "is in no e-mode"),
    ("loop", Goal("swap-debt", Decimal(5), "WETH", "USDC"), "refuse to borrow USDC: BorrowingNotEnabled"),
    ("ltv-zero", Goal("swap-collateral", None, "WETH", "wstETH"), "refuse to withdraw WETH: LtvValidationFailed"),
    ("liquidatable", Goal("swap-collateral", None, "WETH", "wstETH"), "HealthFactorLowerThanLiquidationThreshold"),
    ("comfortable", Goal("swap-collateral", None, "WETH", "WETH"), "WETH is exchanged for itself"),
]


@pytest.mark.parametrize(("who", "goal", "fact"), BLOCKED)
def test_what_stands_in_the_way_is_named(session: Session, world: World, who: str, goal: Goal, fact: str) -> None:
    """Every refusal says which asset, which limit or which rule of the contract it is."""
    with pytest.raises(Infeasible, match=fact):
        rearranged(session, account_of(session, world, who, "main"), goal)


def test_random_exchanges_hold_on_a_fork(world_session: World) -> None:
    """None reverts, goes below its floor or leaves an allowance; what is not offered is refused by name."""
    random = Random(17)
    offered, refused = 0, []
    while offered < EXCHANGES:
        snapshot = world_session.rpc("evm_snapshot")
        market, recipe = drawn_position(random)
        open_position(world_session, market, recipe)
        for symbol in recipe.borrows:
            spend(world_session, symbol, recipe.owner)
        world_session.rpc("anvil_setBalance", recipe.owner, hex(10**19))
        with connected(world_session) as session:
            entry = world_session.market(market)
            account = read_account(session, recipe.owner, protocol=entry.protocol, market=entry.market)
            try:
                plan = rearranged(session, account, drawn_goal(random, account))
            except Infeasible as refusal:
                refused.append(refusal.fact)
            else:
                executed(session, account, plan, engine="simulate-v1")
                offered += 1
        world_session.rpc("evm_revert", snapshot)
    assert len(refused) < EXCHANGES, refused


def rescued(session: Session, account: LendingAccount, health: str, **question: Any) -> Plan:
    """Return the plan for more health of somebody who asks for it."""
    asked = PlanQuestion(Goal("health-factor", Decimal(health)), Decimal("0.01"), Decimal("1.02"), 600, may_lever=True)
    return make_plan(session, account, replace(asked, **question))


def test_an_idle_supply_rescues_a_position_that_nothing_can_leave(world: World) -> None:
    """After a fall that no pool has seen yet nothing is sold; enabling what lies idle is enough, and is said."""
    world.set_price("WETH", 1_200 * 10**8)
    with connected(world) as session:
        account = account_of(session, world, "not-enabled", "main")
        plan = rescued(session, account, "1.5")
        executed(session, account, plan)

        assert ["setUserUseReserveAsCollateral"] == [step.function for step in plan.steps]
        assert "collateral-enabled" in {notice.name for notice in plan.warnings}
        with pytest.raises(Infeasible, match="over the oracle's"):
            rescued(session, account, "1.5", may_lever=False)


def test_collateral_of_zero_ltv_steps_aside(world: World) -> None:
    """No other collateral may leave before it; where health bears it, it is disabled first, and that is said."""
    owner = world.account("ltv-zero")
    give(world, "WETH", owner, 100 * 10**18)
    approve(world, "WETH", owner, world.pool("main"))
    call = interface("aave_v3_pool")["supply"].encode(world.token("WETH"), 100 * 10**18, owner, 0)
    assert "0x1" == world.send(owner, world.pool("main"), call)["status"]
    with connected(world) as session:
        account = account_of(session, world, "ltv-zero", "main")
        assert account.health_factor is not None
        plan = rescued(
            session, account, str(account.health_factor // 10**18 + 1), constraints=Constraints(sell=("WETH",))
        )
        executed(session, account, plan)

        kinds = [step.action.kind for step in plan.steps]
        assert ["set-collateral", "withdraw", "approve", "swap", "approve", "repay"] == kinds[:6]
        assert "collateral-disabled" in {notice.name for notice in plan.warnings}


def test_an_e_mode_makes_a_goal_reachable(world: World) -> None:
    """Where no venue takes what must be sold, the e-mode that lets the account in is entered, and that is said."""
    owner = Address("0x1111111111111111111111111111111111111111")
    recipe = Recipe(
        owner=owner, supplies={"wstETH": 1_000_000}, disabled=frozenset(), borrows={"WETH": 9_500}, e_mode=False,
        elapsed=12,
    )  # fmt: skip
    open_position(world, "main", recipe)
    spend(world, "WETH", owner)
    world.rpc("anvil_setBalance", owner, hex(10**19))
    with connected(world) as session:
        account = read_account(session, owner, protocol="aave-v3", market="main")
        plan = rescued(session, account, "1.2", max_slippage=Decimal("0.000001"))
        report = executed(session, account, plan)

        assert ["setUserEMode"] == [step.function for step in plan.steps]
        assert "e-mode-entered" in {notice.name for notice in plan.warnings}
        assert [1] == [check.found for check in report.conditions if check.condition.kind == "e-mode-is"]


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("close", [False, True])
def test_a_debt_is_repaid_with_the_supply_of_its_own_asset(world: World, market: str, *, close: bool) -> None:
    """One transaction, no approval and no sale to a health factor; closed, nothing is owed or left."""
    owner = Address("0x2222222222222222222222222222222222222222")
    recipe = Recipe(
        owner=owner, supplies={"WETH": 1_000_000, "USDC": 900_000}, disabled=frozenset(), borrows={"USDC": 5_000},
        e_mode=False, elapsed=86_400,
    )  # fmt: skip
    open_position(world, market, recipe)
    spend(world, "USDC", owner)
    world.rpc("anvil_setBalance", owner, hex(10**19))
    with connected(world) as session:
        entry = world.market(market)
        account = read_account(session, owner, protocol=entry.protocol, market=entry.market)
        assert account.health_factor is not None
        higher = Decimal(account.health_factor).scaleb(-18) + 1
        goal = Goal("close", None) if close else Goal("health-factor", higher.quantize(Decimal("0.01")))
        constraints = Constraints(sell=("USDC",))
        question = PlanQuestion(goal, Decimal("0.01"), Decimal("1.02"), 600, constraints=constraints)
        plan = make_plan(session, account, question)
        executed(session, account, plan)

        assert "repayWithATokens" == plan.steps[0].function
        assert not {"approve", "exactInputSingle"} & {step.function for step in plan.steps}
        assert close or len(plan.steps) == 1
