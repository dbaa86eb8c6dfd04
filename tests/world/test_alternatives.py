"""Every way to a goal is a plan that the policy allows and that keeps its promise on a fork, and they are ranked."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from defilev.config.settings import Settings
from defilev.errors import Infeasible, UsageError
from defilev.execute.policy import check_plan
from defilev.model.account import LendingAccount
from defilev.model.plan import Goal
from defilev.pipeline.acting import policy_of
from defilev.pipeline.comparing import find_alternatives
from defilev.pipeline.loans import read_loan
from defilev.pipeline.planning import PlanQuestion
from defilev.pipeline.session import Session, connect
from defilev.pipeline.trying import require_kept, try_plan
from defilev.plan import Constraints
from defilev.plan.alternatives import Alternative, health_gain, total_cost
from defilev.plan.constraints import Keep
from tests.support.positions import give
from tests.support.world import World

pytestmark = pytest.mark.world

RAISED = Decimal("0.15")
HELD = {"USDC": 40_000 * 10**6, "DAI": 30_000 * 10**18, "WETH": 20 * 10**18, "wstETH": 15 * 10**18, "WBTC": 10**8}
WAYS = {
    ("aave-v3", "comfortable"): {"sell", "wallet", "payer", "collateral"},
    ("aave-v3", "mixed"): {"sell", "wallet", "payer", "collateral"},
    ("aave-v3", "short"): {"sell", "wallet", "payer", "collateral"},
    ("sparklend", "mixed"): {"sell", "wallet", "payer", "collateral"},
    ("morpho-blue", "morpho-near"): {"sell", "wallet", "collateral"},
    ("perp-curie", "perp-near"): {"reduce", "margin", "payer"},
}


@pytest.fixture
def session(world: World) -> Iterator[Session]:
    """A connection as production makes it, to a world where some accounts have all that they could need."""
    for _, who in WAYS:
        for symbol, amount in HELD.items():
            give(world, symbol, world.account(who), amount)
    for symbol, amount in HELD.items():
        give(world, symbol, world.account("empty"), amount)
    connected = connect(Settings(rpc_url=(world.rpc_url,), address_book=(world.address_book,)))
    yield connected
    connected.close()


def question(account: LendingAccount, payer: str | None = None, **constraints: object) -> PlanQuestion:
    """Return the question for a little more health than there is."""
    health = Decimal(account.health_factor or 0).scaleb(-18)
    goal = Goal("health-factor", round(health + RAISED, 3))
    wanted = Constraints("payer" if payer else None, **constraints)  # type: ignore[arg-type]
    return PlanQuestion(goal, Decimal("0.01"), Decimal("1.001"), 600, constraints=wanted, payer=payer)  # type: ignore[arg-type]


@pytest.mark.parametrize(("protocol", "who"), WAYS)
def test_every_way_is_allowed_and_keeps_its_promise(session: Session, world: World, protocol: str, who: str) -> None:
    """Each alternative's plan passes the policy of whoever signs it, runs, and does what it says on a fork."""
    account = read_loan(session, world.account(who), protocol=protocol)
    found = find_alternatives(session, account, question(account, world.account("empty")))

    plans = [way.plan for way in found if way.plan is not None]
    assert WAYS[protocol, who] <= {way.constraints.via for way in found if way.plan is not None}
    for plan in plans:
        check_plan(plan, policy=policy_of(session, account, payer=plan.payer))
        report = try_plan(session, plan, engine="anvil" if plan.payer else "auto")
        require_kept(plan, report, before=account.health_factor)


def test_the_ways_are_in_the_order_of_what_health_costs(session: Session, world: World) -> None:
    """First what reaches the goal, the least cost for its health before the rest; last what cannot be."""
    account = read_loan(session, world.account("mixed"), protocol="aave-v3")
    found = find_alternatives(session, account, question(account))

    assert sorted(found, key=_rank) == list(found)
    assert len({way.constraints for way in found}) == len(found) > 3


def _rank(way: Alternative) -> tuple[int, Decimal]:
    if way.plan is None:
        return 2, Decimal(0)
    gain = health_gain(way.plan)
    assert gain is not None
    return int(bool(way.plan.label)), total_cost(way.plan) / gain


def test_what_is_kept_is_kept_by_every_way(session: Session, world: World) -> None:
    """No alternative sells, supplies or spends an asset that is kept."""
    account = read_loan(session, world.account("mixed"), protocol="aave-v3")
    kept = (Keep("WETH"), Keep("USDC"))
    found = find_alternatives(session, account, question(account, keep=kept))

    for plan in (way.plan for way in found if way.plan is not None):
        taken = {
            action.asset.symbol
            for step in plan.steps
            for action in step.actions
            if action.kind in ("withdraw", "supply") or (action.kind == "repay" and len(plan.steps) == 2)
        }
        assert taken.isdisjoint({"WETH", "USDC"})


def test_comparing_is_refused_where_there_is_nothing_to_compare(session: Session, world: World) -> None:
    """A goal that is met, closing, and a way that was chosen already."""
    account = read_loan(session, world.account("comfortable"), protocol="aave-v3")
    asked = question(account)

    with pytest.raises(Infeasible, match="already"):
        find_alternatives(session, account, PlanQuestion(Goal("health-factor", Decimal("1.01")), *_limits(asked)))
    with pytest.raises(UsageError, match="one way"):
        find_alternatives(session, account, PlanQuestion(Goal("close", None), *_limits(asked)))
    with pytest.raises(UsageError, match="chooses one"):
        find_alternatives(session, account, _via_sell(asked))


def _limits(asked: PlanQuestion) -> tuple[Decimal, Decimal, int]:
    return asked.max_slippage, asked.floor, asked.window


def _via_sell(asked: PlanQuestion) -> PlanQuestion:
    return PlanQuestion(asked.goal, *_limits(asked), constraints=Constraints("sell"))
