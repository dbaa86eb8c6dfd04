from __future__ import annotations

import os
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest
from hypothesis import event, given, settings, strategies as st

from defilev.config.settings import Settings
from defilev.errors import Infeasible
from defilev.model.account import LendingAccount
from defilev.model.plan import Goal, Plan
from defilev.model.simulation import SimulationReport
from defilev.pipeline.look import read_account
from defilev.pipeline.planning import PlanQuestion, make_plan
from defilev.pipeline.session import Session, connect
from defilev.pipeline.trying import try_plan
from defilev.simulate import EngineChoice
from defilev.units import WAD
from tests.support.positions import Recipe, amount_of, give, open_position, recipes
from tests.support.wallets import spend
from tests.support.world import EVERY_MARKET, World

pytestmark = pytest.mark.world

EXAMPLES = int(os.environ.get("DEFILEV_PLAN_EXAMPLES", "1000" if os.environ.get("DEFILEV_FULL") else "50"))
THOUSANDTH = WAD // 1000
A_MILLIONTH = WAD // 1_000_000


@dataclass(frozen=True)
class Wish:
    """A goal by how far above the present health factor it lies, in basis points; 0 closes the position."""

    raised: int
    slippage: Decimal
    floor: Decimal
    wallet_cents: int
    engine: EngineChoice


engines: st.SearchStrategy[EngineChoice] = st.sampled_from(("simulate-v1", "simulate-v1", "simulate-v1", "anvil"))
wishes = st.builds(
    Wish,
    raised=st.integers(20, 30_000) | st.just(0),
    slippage=st.sampled_from([Decimal("0.003"), Decimal("0.005"), Decimal("0.02")]),
    floor=st.sampled_from([Decimal("1.02"), Decimal("1.005"), Decimal("1.1")]),
    wallet_cents=st.just(0) | st.integers(1, 1_000_000),
    engine=engines,
)


@pytest.mark.parametrize("market", EVERY_MARKET)
def test_every_plan_that_is_offered_keeps_its_promise(market: str, world_session: World) -> None:
    """An offered plan succeeds on a fork, never goes below its floor, and lands where it promised.

    Of whoever takes an isolated market's fees it is not asked: every second gives them a position again.
    """

    @settings(max_examples=EXAMPLES)
    @given(recipe=recipes(market, least_debts=1), wish=wishes)
    def check(recipe: Recipe, wish: Wish) -> None:
        snapshot = world_session.rpc("evm_snapshot")
        try:
            tried(world_session, market, replace(recipe, takes_fee=False), wish)
        finally:
            world_session.rpc("evm_revert", snapshot)

    check()


def tried(world: World, market: str, recipe: Recipe, wish: Wish) -> None:
    """Make the position, plan, simulate, and hold the outcome against the plan."""
    open_position(world, market, recipe)
    for symbol in recipe.borrows:
        spend(world, symbol, recipe.owner)
    if recipe.borrows and wish.wallet_cents:
        symbol = next(iter(recipe.borrows))
        give(world, symbol, recipe.owner, amount_of(world, symbol, wish.wallet_cents))
    world.rpc("anvil_setBalance", recipe.owner, hex(10**19))
    session = connect(Settings(rpc_url=(world.rpc_url,), address_book=(world.address_book,)))
    try:
        entry = world.market(market)
        account = read_account(session, recipe.owner, protocol=entry.protocol, market=entry.market)
        plan = offered(session, account, wish)
        if plan is not None:
            report = try_plan(session, plan, engine=wish.engine)
            hold(plan, report, account, wish)
    finally:
        session.close()


def offered(session: Session, account: LendingAccount, wish: Wish) -> Plan | None:
    """Return the plan for the wish, or `None` when the position allows none."""
    goal = Goal("close", None)
    if wish.raised and account.health_factor is not None:
        target = Decimal(account.health_factor * (10_000 + wish.raised)) / 10_000 / WAD
        goal = Goal("health-factor", target.quantize(Decimal("1e-9")))
    try:
        plan = make_plan(session, account, PlanQuestion(goal, wish.slippage, wish.floor, 600))
    except Infeasible as refused:
        event(f"refused: {refused.fact[:24]}")
        return None
    event(f"{goal.kind} {'partial' if plan.label else 'whole'} {len(plan.steps) // 5} rounds by {wish.engine}")
    return plan


def hold(plan: Plan, report: SimulationReport, account: LendingAccount, wish: Wish) -> None:
    """Compare what happened with what was promised."""
    assert [step.revert_reason for step in report.steps if step.status != "ok"] == []
    assert [check for check in report.conditions if not check.holds] == []
    lowest = min(plan.floor, (account.health_factor or plan.floor) - A_MILLIONTH)
    assert all(step.health_factor is None or step.health_factor >= lowest for step in report.steps)
    for planned, happened in zip(plan.steps, report.steps, strict=True):
        if planned.health_factor and happened.health_factor:
            assert happened.health_factor == pytest.approx(planned.health_factor, rel=1e-6)
    if plan.goal.kind == "close" and not plan.label:
        assert (report.health_factor, report.debt_value, report.collateral_value) == (None, 0, 0)
    elif plan.goal.value is not None and not plan.label and report.health_factor is not None:
        target = int(plan.goal.value * WAD)
        promised = plan.promise.health_factor
        assert promised is not None
        assert target <= promised <= target + THOUSANDTH
        assert promised - A_MILLIONTH <= report.health_factor <= target + 10 * THOUSANDTH
    assert account.owner == plan.owner
