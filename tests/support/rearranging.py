"""Plans that rearrange positions of the local chain, executed on forks of it and held against the policy."""

from __future__ import annotations

from decimal import Decimal
from random import Random

from defilev.abi import checksum
from defilev.execute.policy import check_plan
from defilev.model.account import LendingAccount
from defilev.model.plan import Goal, Plan
from defilev.model.simulation import SimulationReport
from defilev.pipeline.acting import policy_of
from defilev.pipeline.planning import PlanQuestion, make_plan
from defilev.pipeline.session import Session
from defilev.pipeline.trying import require_kept, try_plan
from defilev.simulate import EngineChoice
from tests.support.positions import Recipe
from tests.support.recipes import SYMBOLS

__all__ = ["FLOOR", "drawn_goal", "drawn_position", "executed", "rearranged"]

FLOOR = Decimal("1.02")


def rearranged(session: Session, account: LendingAccount, goal: Goal, *, floor: Decimal = FLOOR) -> Plan:
    """Return the plan for a goal, with a per cent of slippage."""
    return make_plan(session, account, PlanQuestion(goal, Decimal("0.01"), floor, 600))


def executed(
    session: Session, account: LendingAccount, plan: Plan, *, engine: EngineChoice = "anvil"
) -> SimulationReport:
    """Return what came of the plan on a fork, once it is allowed to be signed and has kept all that it says."""
    check_plan(plan, policy=policy_of(session, account))
    report = try_plan(session, plan, engine=engine, account=account)
    require_kept(plan, report, before=account.health_factor)
    assert [] == [step.revert_reason for step in report.steps if step.status != "ok"]
    assert [] == [check for check in report.conditions if not check.holds]
    assert all(step.health_factor is None or step.health_factor >= plan.floor for step in report.steps)
    return report


def drawn_position(random: Random) -> tuple[str, Recipe]:
    """Draw an account of one to three collaterals and one debt or two that is some way from liquidation."""
    market = random.choice(("main", "main", "spark"))
    symbols = SYMBOLS[market][:5]
    recipe = Recipe(
        owner=checksum("0x" + random.randbytes(20).hex()),
        supplies={symbol: random.randint(50_000, 3_000_000) for symbol in random.sample(symbols, random.randint(1, 3))},
        disabled=frozenset(),
        borrows={symbol: random.randint(500, 8_000) for symbol in random.sample(symbols, random.randint(1, 2))},
        e_mode=False,
        elapsed=random.choice((12, 3_600, 86_400)),
    )
    return market, recipe


def drawn_goal(random: Random, account: LendingAccount) -> Goal:
    """Draw an exchange of one of the account's legs for another asset: of all of it, or of a part."""
    leg = random.choice(account.legs)
    others = [symbol for symbol in SYMBOLS["spark"] if symbol != leg.asset.symbol]
    whole = Decimal(leg.amount).scaleb(-leg.asset.decimals)
    amount = None if random.random() < 0.5 else (whole * random.randint(5, 95) / 100).quantize(Decimal("1e-6"))
    return Goal(
        "swap-collateral" if leg.side == "supply" else "swap-debt",
        amount or None,
        leg.asset.symbol,
        random.choice(others),
    )
