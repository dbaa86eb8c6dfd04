from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from defilev.abi import checksum
from defilev.config.settings import LimitSettings, Settings
from defilev.errors import Infeasible, PolicyViolation
from defilev.execute.password import read_password_file
from defilev.execute.policy import check_plan
from defilev.execute.signer import KeystoreSigner
from defilev.journal import open_journal, place_of
from defilev.model.account import LendingAccount
from defilev.model.plan import Goal, Plan
from defilev.pipeline.acting import policy_of, try_again
from defilev.pipeline.journalled import Ready
from defilev.pipeline.look import read_account
from defilev.pipeline.planning import PlanQuestion, make_plan
from defilev.pipeline.recording import chain_identity
from defilev.pipeline.session import Session, connect
from defilev.pipeline.trying import require_kept, try_plan
from defilev.plan import goes_up
from defilev.units import WAD
from tests.support.positions import Recipe, open_position
from tests.support.recipes import SYMBOLS
from tests.support.sessions import connected, put_back
from tests.support.wallets import spend
from tests.support.world import World

pytestmark = pytest.mark.world

FLOOR = Decimal("1.02")
LEVER_UPS = 26
HUNDREDTH = WAD // 100


def drawn(random: Random) -> tuple[str, Recipe]:
    """Draw an account with room to borrow: one to three collaterals, one debt or two, now and then in e-mode."""
    market = random.choice(("main", "main", "spark"))
    e_mode = random.random() < 0.25
    symbols = SYMBOLS[market][:5]
    collaterals = ["wstETH"] if e_mode else random.sample(symbols, random.randint(1, 3))
    debts = ["WETH"] if e_mode else random.sample(symbols, random.randint(1, 2))
    recipe = Recipe(
        owner=checksum("0x" + random.randbytes(20).hex()),
        supplies={symbol: random.randint(50_000, 2_000_000) for symbol in collaterals},
        disabled=frozenset(),
        borrows={symbol: random.randint(200, 4_000) for symbol in debts},
        e_mode=e_mode,
        elapsed=random.choice((12, 3_600)),
    )
    return market, recipe


def goal_above(random: Random, account: LendingAccount) -> Goal:
    """Draw a goal of more leverage than `account` has: a part of the way to what its collateral bears."""
    assert account.health_factor is not None
    health = Decimal(account.health_factor) / WAD
    part = Decimal(random.randint(10, 80)) / 100
    if random.random() < 0.5:
        return Goal("health-factor", (health - (health - Decimal("1.2")) * part).quantize(Decimal("1e-6")))
    now = Decimal(account.collateral_value) / account.equity_value
    return Goal("leverage", (now + part).quantize(Decimal("1e-6")))


def test_random_lever_ups_hold_on_a_fork(world_session: World) -> None:
    """None reverts or goes below its floor, and all land on their goal: with health or leverage within a hundredth."""
    random = Random(8)
    offered, refused = 0, []
    while offered < LEVER_UPS:
        with put_back(world_session):
            market, recipe = drawn(random)
            open_position(world_session, market, recipe)
            for symbol in recipe.borrows:
                spend(world_session, symbol, recipe.owner)
            world_session.rpc("anvil_setBalance", recipe.owner, hex(10**19))
            with connected(world_session) as session:
                entry = world_session.market(market)
                account = read_account(session, recipe.owner, protocol=entry.protocol, market=entry.market)
                if account.health_factor is None or not goes_up(account, goal := goal_above(random, account)):
                    continue
                try:
                    plan = make_plan(session, account, PlanQuestion(goal, Decimal("0.02"), FLOOR, 600, may_lever=True))
                except Infeasible as refusal:
                    refused.append(refusal.fact)
                    continue
                lands(session, account, plan)
                offered += 1
    assert len(refused) < LEVER_UPS, refused


def lands(session: Session, account: LendingAccount, plan: Plan) -> None:
    """Execute the plan on a fork, and hold what came of it against the goal."""
    report = try_plan(session, plan, engine="simulate-v1", account=account)
    require_kept(plan, report, before=account.health_factor)
    assert [] == [step.revert_reason for step in report.steps if step.status != "ok"]
    assert [] == [check for check in report.conditions if not check.holds]
    assert all(step.health_factor is None or step.health_factor >= plan.floor for step in report.steps)
    assert report.health_factor is not None
    assert plan.goal.value is not None
    if plan.goal.kind == "health-factor":
        assert 0 <= report.health_factor - int(plan.goal.value * WAD) <= HUNDREDTH
        return
    assert report.collateral_value is not None
    assert report.debt_value is not None
    leverage = Decimal(report.collateral_value) / (report.collateral_value - report.debt_value)
    assert plan.goal.value - Decimal("0.01") <= leverage <= plan.goal.value


def an_open_session(world: World, limits: LimitSettings) -> Session:
    """Open a session whose settings allow so much leverage."""
    return connect(Settings(rpc_url=(world.rpc_url,), address_book=(world.address_book,), limits=limits))


def test_a_guard_raises_no_leverage_whatever_the_settings_say(world: World, tmp_path: Path) -> None:
    """Its question gets no such plan, its policy refuses one, and a journal in its hands sends none."""
    session = an_open_session(world, LimitSettings(max_leverage=Decimal(5)))
    owner = world.account("comfortable")
    account = read_account(session, owner, protocol="aave-v3", market="main")
    goal = Goal("health-factor", Decimal("1.5"))
    asked = PlanQuestion(goal, Decimal("0.01"), FLOOR, 600)
    plan = make_plan(session, account, replace(asked, may_lever=True))
    keystore, password_file = world.credentials("comfortable")
    signer = KeystoreSigner.unlock(keystore, password=read_password_file(password_file), owner=owner)
    retried = try_again(session, plan)
    sent = world.node.nonce(owner, block=world.head())

    with pytest.raises(Infeasible, match="already, not below the target"):
        make_plan(session, account, asked)
    check_plan(plan, policy=policy_of(session, account))
    with pytest.raises(PolicyViolation, match="a call that raises leverage"):
        check_plan(plan, policy=policy_of(session, account, levers=False))
    with (
        open_journal(place_of(tmp_path / "journal.db")) as journal,
        pytest.raises(PolicyViolation, match="a call that"),
    ):
        Ready(journal, chain_identity(session), epoch=1).send(retried, plan, signer, tell=lambda step, event: None)
    session.close()
    assert sent == world.node.nonce(owner, block=world.head())
