from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest

from defilev.config.settings import Settings
from defilev.errors import Infeasible
from defilev.model.account import LendingAccount
from defilev.model.plan import Goal, Withdraw
from defilev.pipeline.look import read_account
from defilev.pipeline.session import Session, connect
from defilev.pipeline.trying import try_plan
from defilev.units import UINT256_MAX
from tests.support.positions import open_position
from tests.support.rearranging import drawn_goal, drawn_position, executed, rearranged
from tests.support.wallets import spend
from tests.support.world import MARKETS, World

pytestmark = pytest.mark.world

EXCHANGES = 40


@contextmanager
def at_newest(world: World) -> Iterator[Session]:
    """Open a session at the newest block of the local chain."""
    session = connect(Settings(rpc_url=(world.rpc_url,), address_book=(world.address_book,)))
    try:
        yield session
    finally:
        session.close()


@pytest.fixture
def session(world: World) -> Iterator[Session]:
    """A connection to the world as production makes it."""
    with at_newest(world) as connected:
        yield connected


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
    with at_newest(world) as later:
        inside = account_of(later, world, "debt-free", "main")
        executed(later, inside, rearranged(later, inside, Goal("e-mode", Decimal(0))))


BLOCKED = [
    ("comfortable", Goal("e-mode", Decimal(1)), "e-mode 1 ETH correlated is closed to .*: USDC is owed and cannot be"),
    ("ltv-zero", Goal("e-mode", Decimal(1)), "LUSD is enabled as collateral and has a loan-to-value of zero there"),
    ("comfortable", Goal("e-mode", Decimal(7)), "aave-v3 main has no e-mode 7 that can be entered"),
    ("loop", Goal("e-mode", Decimal(1)), "is in e-mode 1 already"),
    ("comfortable", Goal("e-mode", Decimal(0)), "is in no e-mode"),
    ("loop", Goal("swap-debt", Decimal(5), "WETH", "USDC"), "refuse to borrow: BorrowingNotEnabled"),
    ("ltv-zero", Goal("swap-collateral", None, "WETH", "wstETH"), "refuse to withdraw: LtvValidationFailed"),
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
        with at_newest(world_session) as session:
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
