"""Simulation on the real contracts: both engines tell the same truth, and a plan that fails is told in full."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from defilev.config.settings import Settings
from defilev.errors import PlanForAnotherChain
from defilev.model.account import LendingAccount
from defilev.model.plan import Action, Goal, Plan, PostCondition, Repay, Withdraw
from defilev.model.simulation import SimulationReport
from defilev.pipeline.look import read_account
from defilev.pipeline.planning import PlanQuestion, make_plan
from defilev.pipeline.session import connect
from defilev.simulate.trial import EngineChoice
from defilev.units import WAD
from tests.support.plans import approve, plan_of, source_of, spender_of, swap, token_of, try_plan, venue_of
from tests.support.positions import give
from tests.support.world import World

pytestmark = pytest.mark.world

ENGINES: tuple[EngineChoice, ...] = ("anvil", "simulate-v1")
MARKETS = ("main", "spark")
SOLD = 5 * 10**18
BOUGHT = 10_000 * 10**6
POOL = "WETH/USDC 0.05%"


def read(world: World, market: str, name: str) -> LendingAccount:
    """Return a named account of a market."""
    return world.read(market, [world.account(name)])[0]


def deleverage(world: World, account: LendingAccount) -> list[Action]:
    """Withdraw WETH, sell it for at least `BOUGHT`, repay with that."""
    weth, usdc = token_of(account, "WETH"), token_of(account, "USDC")
    pool = spender_of(account)
    return [
        Withdraw(weth, SOLD),
        approve(weth, venue_of(world).spender, SOLD),
        swap(world, POOL, weth, usdc, amount_in=SOLD, minimum_out=BOUGHT),
        approve(usdc, pool, BOUGHT),
        Repay(usdc, BOUGHT),
    ]


def promised(world: World, account: LendingAccount) -> list[PostCondition]:
    """Return what a deleverage of `SOLD` WETH keeps."""
    weth, usdc = token_of(account, "WETH"), token_of(account, "USDC")
    supplied = next(leg.amount for leg in account.legs if leg.asset == weth)
    owed = next(leg.amount for leg in account.legs if leg.asset == usdc)
    assert account.health_factor is not None
    return [
        PostCondition("health-factor-at-least", limit=account.health_factor),
        PostCondition("collateral-at-least", limit=supplied - SOLD - 2, token=weth),
        PostCondition("debt-at-most", limit=owed - BOUGHT + 10**6, token=usdc),
        PostCondition("allowance-zero", token=weth, spender=venue_of(world).spender),
        PostCondition("allowance-zero", token=usdc, spender=spender_of(account)),
        PostCondition("balance-at-least", limit=world.balance("USDC", account.owner), token=usdc),
    ]


def deleverage_plan(world: World, market: str) -> tuple[LendingAccount, Plan]:
    """Return the comfortable account and a plan that lowers its debt."""
    account = read(world, market, "comfortable")
    return account, plan_of(world, account, deleverage(world, account), conditions=promised(world, account))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("market", MARKETS)
def test_a_sound_plan_runs_and_keeps_its_promises(world: World, market: str, engine: EngineChoice) -> None:
    """Every step of a sound plan succeeds, 12 s after the one before, and its health is the one that was predicted."""
    account, plan = deleverage_plan(world, market)
    report = try_plan(world, account, plan, engine=engine)
    assert report.succeeded
    assert (engine, plan.hash, account.block) == (report.engine, report.plan_hash, report.block)
    assert [step.at for step in plan.steps] == [step.timestamp for step in report.steps]
    for step, tried in zip(plan.steps, report.steps, strict=True):
        assert step.health_factor is not None
        assert float(step.health_factor) == pytest.approx(tried.health_factor, rel=1e-6)
    assert report.health_factor == report.steps[-1].health_factor
    assert sum(step.gas_used or 0 for step in report.steps) == report.gas_used
    assert report.gas_price > 10**9


@pytest.mark.parametrize("market", MARKETS)
def test_the_engines_agree(world: World, market: str) -> None:
    """A fork and `eth_simulateV1` give the same report, to the wei and the unit of gas."""
    account, plan = deleverage_plan(world, market)
    forked, simulated = (try_plan(world, account, plan, engine=engine) for engine in ENGINES)
    assert replace(simulated, engine="anvil") == forked


GOALS = {
    "raised": (Goal("health-factor", Decimal("2.5")), None),
    "repaid": (Goal("health-factor", Decimal("2.5")), 200_000 * 10**6),
    "closed": (Goal("close", None), 200_000 * 10**6),
}


@pytest.mark.parametrize(("goal", "wallet"), GOALS.values(), ids=GOALS)
def test_the_engines_agree_on_an_isolated_market(world: World, goal: Goal, wallet: int | None) -> None:
    """A deleverage, a repayment from the wallet and closing by shares: held by both, to the wei and the unit of gas."""
    owner = world.account("morpho-comfortable")
    if wallet is not None:
        give(world, "USDC", owner, wallet)
    session = connect(Settings(rpc_url=(world.rpc_url,), address_book=(world.address_book,)))
    account = read_account(session, owner, protocol="morpho-blue")
    plan = make_plan(session, account, PlanQuestion(goal, Decimal("0.005"), Decimal("1.02"), 600))
    session.close()

    forked, simulated = (try_plan(world, account, plan, engine=engine) for engine in ENGINES)

    assert forked.succeeded
    assert replace(simulated, engine="anvil") == forked
    for step, tried in zip(plan.steps, forked.steps, strict=True):
        expected = None if step.health_factor is None else pytest.approx(step.health_factor, rel=1e-6)
        assert expected == tried.health_factor


@pytest.mark.parametrize("engine", ENGINES)
def test_a_simulation_changes_nothing(world: World, engine: EngineChoice) -> None:
    """The chain that was forked is as it was: no block, no balance, no nonce of it moved."""
    account, plan = deleverage_plan(world, "main")
    try_plan(world, account, plan, engine=engine)
    assert account == read(world, "main", "comfortable")


@pytest.mark.parametrize("engine", ENGINES)
def test_what_the_wallet_gains_is_reported(world: World, engine: EngineChoice) -> None:
    """What a better fill brings beyond the repayment stays in the wallet and is its only change."""
    account, plan = deleverage_plan(world, "main")
    report = try_plan(world, account, plan, engine=engine)
    bought = [move for move in report.steps[2].movements if move.recipient == account.owner]
    assert [("USDC", 6)] == [(move.symbol, move.decimals) for move in bought]
    left_over = bought[0].amount - BOUGHT
    assert left_over > 0
    assert [("USDC", left_over, account.owner)] == [
        (change.symbol, change.amount, change.recipient) for change in report.wallet_changes
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_auto_takes_what_the_node_has(world: World, engine: EngineChoice) -> None:
    """`auto` simulates through the node when it can, as the local one does."""
    account, plan = deleverage_plan(world, "main")
    assert "simulate-v1" == try_plan(world, account, plan, engine="auto").engine


def failed(report: SimulationReport, position: int) -> str:
    """Return why the step at `position` failed, having checked that the report is complete around it."""
    statuses = [step.status for step in report.steps]
    assert ["ok"] * position + ["reverted"] + ["not-run"] * (len(statuses) - position - 1) == statuses
    assert not report.succeeded
    assert (None, None, None) == (report.health_factor, report.collateral_value, report.debt_value)
    assert all(not check.holds and check.found is None for check in report.conditions)
    reason = report.steps[position].revert_reason
    assert reason is not None
    return reason


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("market", "reason"),
    [
        ("main", "HealthFactorLowerThanLiquidationThreshold()"),
        ("spark", "35 (health factor lower than the liquidation threshold)"),
        ("wstETH/USDC", "insufficient collateral"),
    ],
)
def test_a_revert_of_the_market_is_explained(world: World, engine: EngineChoice, market: str, reason: str) -> None:
    """A withdrawal too large fails with the market's own reason, by name or by number, and later steps do not run."""
    account = read(world, market, "comfortable" if market in MARKETS else "morpho-comfortable")
    held = next(leg for leg in account.legs if leg.side == "supply")
    parts = (held.amount // 50, held.amount * 4 // 5, held.amount // 50)
    plan = plan_of(world, account, [Withdraw(held.asset, part) for part in parts])
    assert reason == failed(try_plan(world, account, plan, engine=engine), 1)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_fill_below_the_minimum_is_explained(world: World, engine: EngineChoice) -> None:
    """A swap that would bring less than its minimum fails in the router's words."""
    account = read(world, "main", "comfortable")
    weth, usdc = token_of(account, "WETH"), token_of(account, "USDC")
    actions: list[Action] = [
        Withdraw(weth, SOLD),
        approve(weth, venue_of(world).spender, SOLD),
        swap(world, POOL, weth, usdc, amount_in=SOLD, minimum_out=BOUGHT * 10),
    ]
    report = try_plan(world, account, plan_of(world, account, actions), engine=engine)
    assert "Too little received" == failed(report, 2)


@pytest.mark.parametrize("engine", ENGINES)
def test_gas_is_not_free(world: World, engine: EngineChoice) -> None:
    """An owner who cannot pay for a step's gas sees it refused, at the step where the money ends."""
    account, plan = deleverage_plan(world, "main")
    report = try_plan(world, account, plan, engine=engine)
    first = report.steps[0].gas_used or 0
    enough_for_one = 600_000 * (report.gas_price + (account.block.base_fee or 0)) + first * report.gas_price // 2
    world.rpc("anvil_setBalance", account.owner, hex(enough_for_one))
    reason = failed(try_plan(world, account, plan, engine=engine), 1)
    assert "not taken by the chain" in reason
    assert "insufficient funds" in reason.lower()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_step_that_runs_out_of_gas_says_so(world: World, engine: EngineChoice) -> None:
    """A gas limit too low is told apart from a contract's refusal."""
    account, plan = deleverage_plan(world, "main")
    starved = replace(plan, steps=(replace(plan.steps[0], gas_limit=100_000), *plan.steps[1:]))
    assert "out of gas" in failed(try_plan(world, account, starved, engine=engine), 0)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_broken_promise_is_found(world: World, engine: EngineChoice) -> None:
    """A plan whose steps all succeed still fails when a post-condition does not hold, with the value found."""
    account = read(world, "main", "comfortable")
    weth, usdc = token_of(account, "WETH"), token_of(account, "USDC")
    router = venue_of(world).spender
    conditions = [
        PostCondition("health-factor-at-least", limit=9 * WAD),
        PostCondition("allowance-zero", token=weth, spender=router),
        PostCondition("no-debt"),
        PostCondition("debt-at-most", limit=10**30, token=usdc),
    ]
    plan = plan_of(world, account, [approve(weth, router, 5)], conditions=conditions)
    report = try_plan(world, account, plan, engine=engine)
    assert not report.succeeded
    assert [False, False, False, True] == [check.holds for check in report.conditions]
    assert (report.health_factor, 5) == (report.conditions[0].found, report.conditions[1].found)
    assert report.conditions[2].found == report.debt_value


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("market", MARKETS)
def test_a_close_leaves_nothing(world: World, market: str, engine: EngineChoice) -> None:
    """Repaying and withdrawing everything leaves no debt and no collateral, and a health factor that is none."""
    account = read(world, market, "mixed" if market == "main" else "comfortable")
    spare = 10**24
    actions: list[Action] = []
    for leg in account.legs:
        if leg.side == "borrow":
            world.rpc("anvil_dealERC20", account.owner, leg.asset.address, hex(2 * leg.amount))
            actions += [approve(leg.asset, world.pool(market), spare), Repay(leg.asset, None)]
            actions += [approve(leg.asset, world.pool(market), 0)]
    actions += [Withdraw(leg.asset, None) for leg in account.legs if leg.side == "supply"]
    conditions = [PostCondition("no-debt"), PostCondition("no-collateral")]
    report = try_plan(world, account, plan_of(world, account, actions, conditions=conditions), engine=engine)
    assert report.succeeded
    assert (None, 0, 0) == (report.health_factor, report.collateral_value, report.debt_value)


def test_a_plan_for_another_chain_is_not_tried(world: World) -> None:
    """The node's chain id must be the plan's before anything is simulated."""
    account, plan = deleverage_plan(world, "main")
    with pytest.raises(PlanForAnotherChain, match="chain 1,"):
        try_plan(world, account, replace(plan, chain_id=1), engine="auto")


def test_an_older_block_can_be_simulated(world: World) -> None:
    """A plan is tried from its own block, even after the chain has moved on, with the same result."""
    account, plan = deleverage_plan(world, "main")
    before = [try_plan(world, account, plan, engine=engine) for engine in ENGINES]
    world.set_price("WETH", 1_000 * 10**8)
    world.advance(3600)
    assert before == [try_plan(world, account, plan, engine=engine) for engine in ENGINES]
    assert source_of(world, account).block.number < world.head().number
