"""Plans as the planner makes them, tried by both engines on both markets."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from defilev.abi import encode, keccak
from defilev.config.settings import Settings
from defilev.model.account import LendingAccount
from defilev.model.plan import Goal, Plan
from defilev.model.request import Address
from defilev.pipeline.look import read_account
from defilev.pipeline.planning import PlanQuestion, make_plan
from defilev.pipeline.session import Session, connect
from defilev.pipeline.trying import require_kept, try_plan
from defilev.simulate import EngineChoice
from tests.support.positions import Recipe, open_position
from tests.support.world import MARKETS, World

pytestmark = pytest.mark.world

ENGINES: tuple[EngineChoice, ...] = ("anvil", "simulate-v1")
RAISED = Decimal("0.05")
ACCOUNTS = ("comfortable", "mixed", "loop", "short", "not-enabled")
CASES = [*((who, goal) for who in ACCOUNTS for goal in ("health-factor", "close")), ("dust", "close")]


def planned(session: Session, account: LendingAccount, goal: str) -> Plan:
    """Return a plan for a little more health or for closing."""
    assert account.health_factor is not None
    raised = round(Decimal(account.health_factor).scaleb(-18) + RAISED, 3)
    wanted = Goal("close", None) if goal == "close" else Goal("health-factor", raised)
    question = PlanQuestion(wanted, max_slippage=Decimal("0.01"), floor=Decimal("1.01"), window=600)
    return make_plan(session, account, question)


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize(("who", "goal"), CASES)
def test_what_is_offered_succeeds_alike_in_both_engines(
    session: Session, world: World, market: str, who: str, goal: str
) -> None:
    """A plan that is offered keeps its promise on a fork and in `eth_simulateV1`, with one and the same report."""
    account = world.read(market, [world.account(who)], block=session.block)[0]
    plan = planned(session, account, goal)
    forked, simulated = (try_plan(session, plan, engine=engine) for engine in ENGINES)
    require_kept(plan, forked)
    assert forked == replace(simulated, engine="anvil")


@pytest.mark.parametrize("waited", [0, 300])
def test_closing_leaves_nothing_of_what_is_lent_beside_a_debt(world: World, waited: int) -> None:
    """All shares of it are withdrawn at once and pay for the debt: whenever that is, none is left over."""
    market, owner = "wstETH/WETH", Address("0x1111111111111111111111111111111111111111")
    recipe = Recipe(
        owner=owner, supplies={"wstETH": 1_000_000}, disabled=frozenset(), borrows={"WETH": 8_000}, e_mode=False,
        elapsed=86_400, lent=1_000_000,
    )  # fmt: skip
    open_position(world, market, recipe)
    spent = world.balance("WETH", owner)
    transfer = keccak(b"transfer(address,uint256)")[:4] + encode(["address", "uint256"], [world.pool(market), spent])
    assert world.send(owner, world.token("WETH"), transfer)["status"] == "0x1"
    made = connect(Settings(rpc_url=(world.rpc_url,), address_book=(world.address_book,)))
    plan = planned(made, read_account(made, owner, protocol="morpho-blue"), "close")
    made.close()
    world.advance(waited or 12)
    later = connect(Settings(rpc_url=(world.rpc_url,), address_book=(world.address_book,)))
    report = try_plan(later, plan)
    later.close()
    functions = [step.function for step in plan.steps]

    require_kept(plan, report)
    assert ("withdraw", 1) == (functions[0], functions.count("withdraw"))
    assert [0, 0] == [balance.found for balance in report.conditions[:2]]
