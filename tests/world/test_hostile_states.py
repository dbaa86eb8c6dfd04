"""Markets, pools and tokens in trouble: each ends in a named refusal, or in the part of a plan that still works."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from defilev.abi import interface
from defilev.errors import Infeasible, PriceMissing, SimulationFailed, TokenMisbehaves, VenueDiverges
from defilev.model.account import LendingAccount
from defilev.model.plan import Goal, Plan, Swap
from defilev.model.request import Address
from defilev.model.token import Token
from defilev.pipeline.look import read_account
from defilev.pipeline.planning import PlanQuestion, make_plan
from defilev.pipeline.session import Session
from defilev.pipeline.trying import require_kept, try_plan
from tests.chaos.tokens import charging
from tests.support.conditions import drain, govern, thin
from tests.support.plans import approve, plan_of, swap, try_plan as try_by_hand, venue_of
from tests.support.positions import give
from tests.support.world import World

pytestmark = pytest.mark.world

ELSEWHERE = Address("0x" + "e1" * 20)
RAISED = Decimal("1.1")


def seen(session: Session, world: World, who: str = "comfortable") -> tuple[Session, LendingAccount]:
    """Read an account as it is now."""
    now = session.at("latest")
    return now, read_account(now, world.account(who), protocol="aave-v3", market="main")


def planned(
    session: Session, world: World, *, who: str = "comfortable", close: bool = False, target: str | None = None
) -> tuple[Session, Plan]:
    """Plan for a tenth more health, or for none of the position, as things are now."""
    now, account = seen(session, world, who)
    goal = Goal("close", None) if target is None else Goal("health-factor", Decimal(target))
    if not close and target is None:
        assert account.health_factor is not None
        goal = Goal("health-factor", round(Decimal(account.health_factor).scaleb(-18) * RAISED, 3))
    return now, make_plan(now, account, PlanQuestion(goal, Decimal("0.005"), Decimal("1.02"), 600))


def kept(session: Session, plan: Plan) -> None:
    """Try a plan, and find every promise kept."""
    require_kept(plan, try_plan(session, plan))


def test_a_paused_debt_is_named(world: World, session: Session) -> None:
    """Nothing can be repaid while the debt's reserve is paused, and the refusal says which."""
    govern(world, "main", "setReservePause(address,bool)", world.token("USDC"), True)

    with pytest.raises(Infeasible, match="USDC: ReservePaused"):
        planned(session, world)


def test_a_paused_collateral_is_named(world: World, session: Session) -> None:
    """Nothing can be withdrawn while the collateral's reserve is paused; what would help from outside is said."""
    govern(world, "main", "setReservePause(address,bool)", world.token("WETH"), True)

    with pytest.raises(Infeasible, match=r"no WETH can leave the market: .* lent out or paused") as refused:
        planned(session, world)

    assert refused.value.fix.startswith("bring ")


@pytest.mark.parametrize(
    ("signature", "word"),
    [
        ("setReserveFreeze(address,bool)", True),
        ("setSupplyCap(address,uint256)", 1),
        ("setBorrowCap(address,uint256)", 1),
    ],
)
def test_what_is_frozen_or_capped_can_be_left(world: World, session: Session, signature: str, word: object) -> None:
    """Neither a frozen reserve nor a full cap forbids what a deleverage does."""
    for symbol in ("WETH", "USDC"):
        govern(world, "main", signature, world.token(symbol), word)

    now, plan = planned(session, world)

    assert "" == plan.label
    kept(now, plan)


@pytest.mark.parametrize("market_has", [0, 10**18])
def test_a_collateral_that_is_lent_out_is_withdrawn_as_far_as_it_goes(
    world: World, session: Session, market_has: int
) -> None:
    """At full use nothing is planned; one WETH that is left is sold, and the plan is labelled a part."""
    drain(world, "main", "WETH", against="wstETH", left=market_has)

    if not market_has:
        with pytest.raises(Infeasible, match="no WETH can leave the market"):
            planned(session, world)
        return
    now, plan = planned(session, world)
    assert plan.label.startswith("PARTIAL: ")
    kept(now, plan)


def test_closing_leaves_what_the_market_cannot_pay_out(world: World, session: Session) -> None:
    """Every debt is repaid, what can leave is withdrawn, and the label names the rest."""
    give(world, "USDC", world.account("comfortable"), 200_000 * 10**6)
    drain(world, "main", "WETH", against="wstETH", left=10**18)

    now, plan = planned(session, world, close=True)

    assert "the market cannot pay out all of" in plan.label
    assert 0 == plan.promise.debt_value < plan.promise.collateral_value + 1
    kept(now, plan)


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_feed_that_says_nothing_or_is_gone_is_named(world: World, session: Session, *, is_gone: bool) -> None:
    """A price of zero, and a feed without code, are no price: the asset is named, and nothing is worth nothing."""
    if is_gone:
        world.rpc("anvil_setCode", world.description["feeds"]["WETH"]["address"], "0x")
    else:
        world.set_price("WETH", 0)

    with pytest.raises(PriceMissing, match="no price for WETH, wstETH"):
        planned(session, world)


def test_pools_without_liquidity_take_nothing(world: World, session: Session) -> None:
    """When what pools hold is next to nothing, a sale of a few dollars shows it, and the refusal says its size."""
    for pool in world.description["pools"]:
        thin(world, pool, Fraction(1, 10**9))

    with pytest.raises(VenueDiverges, match=r"WETH in USDC on uniswap-v3 lies 9\d\.\d\d% under") as refused:
        planned(session, world)

    assert str(refused.value.facts["tried_with"]).endswith(" WETH")
    assert refused.value.fix.startswith("bring ")


@pytest.mark.parametrize(("price", "side"), [(3100, "under"), (2900, "over")])
def test_pools_far_from_the_oracle_are_not_sold_to(world: World, session: Session, price: int, side: str) -> None:
    """When the oracle moves by three per cent and no pool follows, the plan is refused with the distance."""
    world.set_price("WETH", price * 10**8)

    with pytest.raises(VenueDiverges, match=rf"WETH in USDC on uniswap-v3 lies 3\.\d\d% {side} the oracle's"):
        planned(session, world)


def test_an_account_that_changed_since_is_not_offered_the_old_plan(world: World, session: Session) -> None:
    """The owner withdraws after the plan was made: tried again, it breaks its promise, and that is an error."""
    _, plan = planned(session, world)
    owner, weth = world.account("comfortable"), world.token("WETH")
    data = interface("aave_v3_pool")["withdraw"].encode(weth, 10 * 10**18, owner)
    assert world.send(owner, world.pool("main"), data)["status"] == "0x1"
    now = session.at("latest")

    with pytest.raises(SimulationFailed):
        require_kept(plan, try_plan(now, plan))


def test_below_one_only_help_from_outside_is_offered(world: World, session: Session) -> None:
    """A liquidatable account is refused with what would have to be brought."""
    with pytest.raises(Infeasible) as refused:
        planned(session, world, who="liquidatable", target="1.2")

    assert refused.value.fix.startswith("bring ")
    assert "more to the wallet and plan again" in refused.value.fix


@pytest.mark.parametrize("symbol", ["WETH", "USDC"])
def test_a_token_that_keeps_a_fee_is_named_and_not_offered(world: World, session: Session, symbol: str) -> None:
    """One per cent of every transfer is missing: the plan is tried, found out, and the token is named."""
    token = world.token(symbol)
    world.rpc("anvil_setCode", ELSEWHERE, world.rpc("eth_getCode", token, "latest"))
    world.rpc("anvil_setCode", token, charging(ELSEWHERE, percent=1))

    with pytest.raises((Infeasible, TokenMisbehaves)) as refused:
        kept(*planned(session, world))

    assert symbol in refused.value.fact


@pytest.mark.parametrize("engine", ["anvil", "simulate-v1"])
def test_a_token_without_return_values_is_approved_and_sold(world: World, session: Session, engine: str) -> None:
    """USDT's approve returns nothing and refuses to replace an allowance: what is granted exactly is used up."""
    account = seen(session, world)[1]
    usdt = Token(world.token("USDT"), "USDT", 6)
    usdc = next(leg.asset for leg in account.legs if leg.asset.symbol == "USDC")
    give(world, "USDT", account.owner, 1_000 * 10**6)
    account = seen(session, world)[1]
    sale = swap(world, "USDT/USDC 0.01%", usdt, usdc, amount_in=1_000 * 10**6, minimum_out=990 * 10**6)
    router = venue_of(world).spender
    actions = [approve(usdt, router, 1_000 * 10**6), sale, approve(usdt, router, 10**6), approve(usdt, router, 0)]

    report = try_by_hand(world, account, plan_of(world, account, actions), engine=engine)  # type: ignore[arg-type]

    assert [None] * 4 == [step.revert_reason for step in report.steps]


def test_a_sale_along_two_routes_keeps_its_promise(world: World, session: Session) -> None:
    """With the deep pool thinned to its neighbour's size both take a part, on the real router, and the plan holds."""
    thin(world, "WETH/USDC 0.05%", Fraction(1, 300))
    thin(world, "WBTC/USDC 0.3%", Fraction(1, 1000))

    now, account = seen(session, world)
    goal = Goal("health-factor", Decimal("2.6"))
    plan = make_plan(now, account, PlanQuestion(goal, Decimal("0.01"), Decimal("1.02"), 600))

    swaps = [step.action for step in plan.steps if isinstance(step.action, Swap)]
    assert 2 <= len(swaps)
    kept(now, plan)
