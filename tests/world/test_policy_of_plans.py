from __future__ import annotations

from decimal import Decimal

import pytest

from defilev.execute.policy import check_plan
from defilev.model.plan import Goal
from defilev.pipeline.acting import policy_of
from defilev.pipeline.planning import PlanQuestion, make_plan
from defilev.pipeline.session import Session
from tests.support.world import MARKETS, World

pytestmark = pytest.mark.world

STEP = Decimal("0.05")


POSITIONS = [(market, who) for market in MARKETS for who in ("comfortable", "mixed", "loop", "short")]
POSITIONS += [("wstETH/USDC", "morpho-comfortable"), ("wstETH/USDC", "morpho-near"), ("wstETH/WETH", "morpho-several")]


@pytest.mark.parametrize(("market", "who"), POSITIONS)
@pytest.mark.parametrize("goal", ["health-factor", "close"])
def test_what_the_planner_offers_the_policy_allows(
    session: Session, world: World, market: str, who: str, goal: str
) -> None:
    """Plans for a little more health and for closing pass the policy, call by call, on every lender that runs here."""
    account = world.read(market, [world.account(who)], block=session.block)[0]
    if account.health_factor is None:
        pytest.skip(f"{who} owes nothing on {market}")
    health_factor = Decimal(account.health_factor).scaleb(-18)
    wanted = Goal("close", None) if goal == "close" else Goal("health-factor", round(health_factor + STEP, 3))
    question = PlanQuestion(wanted, max_slippage=Decimal("0.01"), floor=Decimal("1.01"), window=600)

    plan = make_plan(session, account, question)

    check_plan(plan, policy=policy_of(session, account))
