from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from defilev.errors import Infeasible, SequencerDown, StalePrice, UnknownName, VenueDiverges
from defilev.model.account import LendingAccount, Notice
from defilev.model.plan import Approve, Borrow, Goal, Plan, Supply, Swap
from defilev.model.token import TokenBalance
from defilev.plan import Constraints, goes_up
from defilev.plan.inputs import MAX_ROUNDS
from defilev.units import WAD
from tests.factories import DAI, USDC, WBTC, WETH
from tests.support.levering import Totals, lever_plan
from tests.support.markets import (
    BORROWABLE,
    POOL,
    PRICES,
    Terms,
    an_aave_account,
    deep_pools,
    inputs_for,
    plan_for,
    wallet_of,
)
from tests.support.pools import ROUTER, Pools

LENT = an_aave_account({WETH: 50 * 10**18}, {USDC: 30_000 * 10**6})
TO_1_5 = Goal("health-factor", Decimal("1.5"))
TO_1_9_TIMES = Goal("leverage", Decimal("1.9"))
FROZEN, PAUSED, IN_ISOLATION, SILOED = 1 << 57, 1 << 60, 1 << 61, 1 << 62


def lent(supplies: dict | None = None, borrows: dict | None = None, **options: Any) -> LendingAccount:
    """Fifty WETH against 30,000 USDC, unless something else is said."""
    usual = {USDC: 30_000 * 10**6} if borrows is None else borrows
    return an_aave_account(supplies or {WETH: 50 * 10**18}, usual, **options)


def actions(plan: Plan, kind: type) -> list:
    """Return the actions of one kind."""
    return [step.action for step in plan.steps if isinstance(step.action, kind)]


def test_a_round_is_five_transactions() -> None:
    """Borrow, approve, swap, approve, supply; each approval is exactly what the next step takes."""
    plan = lever_plan(inputs_for(LENT, TO_1_9_TIMES))

    assert ["borrow", "approve", "swap", "approve", "supply"] == [step.action.kind for step in plan.steps]
    borrow, to_router, swap, to_pool, supply = (step.action for step in plan.steps)
    assert isinstance(borrow, Borrow)
    assert isinstance(swap, Swap)
    assert Approve(USDC, ROUTER, "swap router", borrow.amount) == to_router
    assert Approve(WETH, POOL, "aave-v3 pool", swap.minimum_out) == to_pool
    assert (Supply(WETH, swap.minimum_out), borrow.amount) == (supply, swap.amount_in)


def test_one_round_to_a_leverage_is_the_closed_form() -> None:
    """With collateral 150,000, debt 30,000 and 0.995 kept, `V = (L(C − D) − C)/(k + L(1 − k))` is borrowed."""
    (borrow,) = actions(lever_plan(inputs_for(LENT, TO_1_9_TIMES)), Borrow)

    exact = (1.9 * 120_000 - 150_000) / (0.995 + 1.9 * 0.005)
    assert borrow.amount == pytest.approx(exact * 10**6, rel=5e-4)


def test_one_round_to_a_health_factor_is_the_closed_form() -> None:
    """`V = (A − hD)/(h − k·l)` of capacity 0.83 · 150,000 is borrowed for a health factor of 2."""
    (borrow,) = actions(lever_plan(inputs_for(LENT, Goal("health-factor", Decimal(2)))), Borrow)

    exact = (0.83 * 150_000 - 2 * 30_000) / (2 - 0.995 * 0.83)
    assert borrow.amount == pytest.approx(exact * 10**6, rel=5e-4)


@pytest.mark.parametrize("health", ["4", "2.5", "1.6", "1.2"])
def test_health_lands_on_the_goal_or_a_thousandth_above(health: str) -> None:
    """After the worst fills, at the latest time; and the plan never dips below its floor."""
    plan = lever_plan(inputs_for(LENT, Goal("health-factor", Decimal(health))))

    promised, lowest = plan.promise.health_factor, plan.promise.lowest_health_factor
    assert promised is not None
    assert 0 <= promised - int(Decimal(health) * WAD) <= WAD // 1000
    assert lowest is not None
    assert plan.floor <= lowest


@pytest.mark.parametrize("leverage", ["1.3", "2", "3.5"])
def test_leverage_never_passes_what_was_named(leverage: str) -> None:
    """The promise lies at most a thousandth below it."""
    promised = lever_plan(inputs_for(LENT, Goal("leverage", Decimal(leverage)))).promise.leverage

    assert promised is not None
    assert Decimal(leverage) - Decimal("0.0011") <= promised <= Decimal(leverage)


def test_a_position_without_debt_borrows_what_is_named() -> None:
    """Where nothing is owed yet the user says what to borrow."""
    account = lent(borrows={})

    plan = lever_plan(inputs_for(account, TO_1_5, constraints=Constraints(borrow="usdc")))

    assert {USDC} == {borrow.asset for borrow in actions(plan, Borrow)}
    with pytest.raises(Infeasible, match="say what to borrow"):
        lever_plan(inputs_for(account, TO_1_5))


def test_the_largest_collateral_and_debt_or_those_named() -> None:
    """Without a word the largest of both; else any token of the market, held or not."""
    account = lent({WETH: 20 * 10**18, WBTC: 10**8}, {USDC: 10_000 * 10**6, DAI: 9_000 * 10**18})

    usual = lever_plan(inputs_for(account, TO_1_9_TIMES))
    chosen = lever_plan(inputs_for(account, TO_1_9_TIMES, constraints=Constraints(buy="WETH", borrow=DAI.address)))

    assert (USDC, WBTC) == (actions(usual, Borrow)[0].asset, actions(usual, Supply)[0].asset)
    assert (DAI, WETH) == (actions(chosen, Borrow)[0].asset, actions(chosen, Supply)[0].asset)
    with pytest.raises(UnknownName, match="not in the market"):
        lever_plan(inputs_for(account, TO_1_9_TIMES, constraints=Constraints(buy="PEPE")))


def test_what_it_promises_is_held_afterwards() -> None:
    """Health at least, debt at most, collateral at least, and no allowance left: for what is new as well."""
    plan = lever_plan(inputs_for(LENT, TO_1_5, constraints=Constraints(buy="USDC", borrow="DAI")))

    kinds = {(each.kind, each.token) for each in plan.post_conditions}
    assert {("debt-at-most", DAI), ("debt-at-most", USDC), ("collateral-at-least", USDC)} <= kinds
    assert {("allowance-zero", DAI), ("allowance-zero", USDC), ("health-factor-at-least", None)} <= kinds


def test_what_an_earlier_run_left_in_the_wallet_goes_first() -> None:
    """What was bought is supplied and what was borrowed is sold before anything more is borrowed."""
    left = (TokenBalance(WETH, 10**18), TokenBalance(USDC, 9_000 * 10**6))
    inputs = replace(inputs_for(LENT, TO_1_5, wallet=wallet_of({WETH: 10**18, USDC: 9_000 * 10**6})), in_hand=left)

    plan = lever_plan(inputs)

    assert ["approve", "supply", "approve", "swap", "approve", "supply", "borrow"] == [
        step.action.kind for step in plan.steps
    ][:7]
    assert Supply(WETH, 10**18) == plan.steps[1].action


BORROWED = {"usdc": 2_000_000 * 10**6}
REFUSED = {
    "frozen collateral": ({WETH: Terms(flags=FROZEN)}, {}, "refuse to supply WETH: ReserveFrozen"),
    "frozen debt": ({USDC: Terms(flags=FROZEN)}, {}, "refuse to borrow USDC: ReserveFrozen"),
    "paused debt": ({USDC: Terms(flags=PAUSED)}, {}, "refuse to borrow USDC: ReservePaused"),
    "borrowing disabled": ({USDC: Terms(flags=BORROWABLE)}, {}, "refuse to borrow USDC: BorrowingNotEnabled"),
    "nothing to lend": ({USDC: Terms(liquidity=0)}, {}, "not enough liquidity"),
    "a zero loan-to-value": ({WETH: Terms(loan_to_value=0)}, {}, "its loan-to-value is zero"),
    "a borrow cap": ({USDC: Terms(borrow_cap=1_000)}, {USDC: 999_950_000}, "the borrow cap of USDC is reached"),
    "a supply cap": ({WETH: Terms(supply_cap=100)}, {WETH: 100 * 10**18}, "the supply cap of WETH is reached"),
    "a debt ceiling": (
        {WETH: Terms(debt_ceiling=3_000_000), USDC: Terms(flags=IN_ISOLATION)}, {}, "debt ceiling of WETH is reached",
    ),
    "isolation": ({WETH: Terms(debt_ceiling=10**9)}, {}, "which is isolated collateral"),
}  # fmt: skip


@pytest.mark.parametrize(("terms", "scaled", "fact"), REFUSED.values(), ids=REFUSED)
def test_the_market_s_own_limits_are_refused_by_name(terms: dict, scaled: dict, fact: str) -> None:
    """Flags, caps, ceilings and liquidity: each says which it is, and nothing is offered."""
    totals = Totals(scaled=scaled, isolated={WETH: 2_999_999})

    with pytest.raises(Infeasible, match=fact):
        lever_plan(inputs_for(lent(terms=terms), TO_1_5), totals)


def test_the_treasury_s_share_counts_towards_a_supply_cap() -> None:
    """Less than a token is left below the cap once what has accrued to the treasury is added."""
    terms = {WETH: Terms(supply_cap=1_000)}
    most = Totals(scaled={WETH: 900 * 10**18}, treasury={WETH: 99 * 10**18})

    lever_plan(inputs_for(lent(terms=terms), TO_1_5), replace(most, treasury={}))
    with pytest.raises(Infeasible, match="the supply cap of WETH is reached"):
        lever_plan(inputs_for(lent(terms=terms), TO_1_5), most)


def test_a_siloed_debt_stands_alone() -> None:
    """Beside USDC nothing siloed is borrowed, and beside a siloed USDC nothing else."""
    for siloed in (USDC, DAI):
        account = lent(terms={siloed: Terms(flags=SILOED)})
        with pytest.raises(Infeasible, match=rf"DAI cannot be borrowed beside USDC: {siloed.symbol} is siloed"):
            lever_plan(inputs_for(account, TO_1_5, constraints=Constraints(borrow="DAI")))


def test_collateral_that_would_lie_idle_is_not_bought() -> None:
    """Supply that is not enabled stays so, however much is added to it; isolated collateral is never enabled."""
    idle = lent({WETH: 50 * 10**18, WBTC: 10**7}, idle=frozenset({WBTC}))
    isolated = lent(terms={WBTC: Terms(debt_ceiling=10**9)})

    with pytest.raises(Infeasible, match="WBTC is not used as collateral"):
        lever_plan(inputs_for(idle, TO_1_5, constraints=Constraints(buy="WBTC")))
    with pytest.raises(Infeasible, match="WBTC would not count as collateral"):
        lever_plan(inputs_for(isolated, TO_1_5, constraints=Constraints(buy="WBTC")))


def test_a_stale_price_is_refused_and_not_warned_of() -> None:
    """One of the account's, and one of what would be bought."""
    late = replace(LENT, block=replace(LENT.block, timestamp=LENT.block.timestamp + 3_601))

    with pytest.raises(StalePrice, match="the price of WETH was updated 3601 s before"):
        lever_plan(inputs_for(late, TO_1_5))
    with pytest.raises(StalePrice, match="the price of DAI was updated 3601 s before"):
        lever_plan(inputs_for(replace(late, legs=()), TO_1_5, constraints=Constraints(buy="WETH", borrow="DAI")))


@pytest.mark.parametrize(
    ("notice", "error"),
    [
        ("sequencer-restarted", StalePrice),
        ("borrow-disabled", StalePrice),
        ("sequencer-down", SequencerDown),
        ("sequencer-unknown", SequencerDown),
    ],
)
def test_a_sequencer_that_is_not_up_for_long_is_refused(notice: str, error: type[Exception]) -> None:
    """Down, unknown, within its grace, or with the market's sentinel closed: no risk is added."""
    with pytest.raises(error):
        lever_plan(inputs_for(replace(LENT, warnings=(Notice(notice, "so it is"),)), TO_1_5))


def test_the_user_s_own_maximum_binds_both_kinds_of_goal() -> None:
    """A leverage above it at once, a health factor by the leverage that it comes to."""
    with pytest.raises(Infeasible, match=r"a leverage of 1\.9, above your own maximum of 1\.8"):
        lever_plan(inputs_for(LENT, TO_1_9_TIMES), max_leverage="1.8")
    with pytest.raises(
        Infeasible, match=r"a health factor of 1\.5 is a leverage of 2\.2\d+, above your own maximum of 2"
    ):
        lever_plan(inputs_for(LENT, TO_1_5), max_leverage="2")
    lever_plan(inputs_for(LENT, TO_1_5), max_leverage="2.3")


@pytest.mark.parametrize(
    ("goal", "options", "fact"),
    [
        (Goal("health-factor", Decimal("1.1")), {"floor": "1.2"}, r"below the floor of 1\.2000"),
        (
            Goal("leverage", Decimal(3)),
            {"floor": "1.3"},
            r"would fall below the floor of 1\.3000, and a plan has no more",
        ),
        (TO_1_5, {"venue": None}, "no venue"),
        (TO_1_5, {"constraints": Constraints(borrow="WETH")}, "changes nothing but the interest"),
    ],
)
def test_what_cannot_be_done_is_refused(goal: Goal, options: dict, fact: str) -> None:
    """Each refusal says what is so."""
    with pytest.raises(Infeasible, match=fact):
        lever_plan(inputs_for(LENT, goal, **options))


def test_a_goal_out_of_reach_says_what_binds_and_how_far_it_goes() -> None:
    """The loan-to-value lets no one borrow to a health factor of 1.04: the reach is part of the refusal."""
    with pytest.raises(Infeasible, match="is out of reach") as refused:
        lever_plan(inputs_for(LENT, Goal("health-factor", Decimal("1.04"))))

    assert 4 < float(str(refused.value.facts["leverage"])) < 5
    assert "the loan-to-value of 80.00% lets no more be borrowed" in str(refused.value.facts["binding"])
    assert f"no more than {MAX_ROUNDS} rounds" in str(refused.value.facts["binding"])


def test_a_cap_on_the_way_says_how_far_it_goes() -> None:
    """A borrow cap that lets a part of the goal through: that part is said, and nothing is offered."""
    totals = Totals(scaled={USDC: 60_000 * 10**6})

    with pytest.raises(Infeasible, match="the borrow cap of USDC is reached, after a leverage of") as refused:
        lever_plan(inputs_for(lent(terms={USDC: Terms(borrow_cap=160_000)}), TO_1_5), totals)

    assert 2 < float(str(refused.value.facts["leverage"])) < 2.25


def test_borrowing_needs_loan_to_value_and_not_the_threshold() -> None:
    """Half of the collateral may be borrowed against, though 83 % of it protect: the first round stops there."""
    account = lent(terms={WETH: Terms(loan_to_value=5000)})

    first, *_ = actions(lever_plan(inputs_for(account, Goal("leverage", Decimal("1.9")))), Borrow)

    assert Fraction(first.amount + 30_000 * 10**6, 10**6) <= 75_000
    assert first.amount > 44_000 * 10**6


def test_a_venue_that_gives_too_little_is_refused() -> None:
    """Where WETH costs one per cent more than the oracle says, half a per cent of slippage buys none."""
    pools = Pools()
    pools.add_at({**PRICES, WETH: 3030 * 10**8}, WETH, USDC, fee=100, value=10**9 * 10**8)

    with pytest.raises(Infeasible, match=r"USDC for WETH costs 1\.0\d% against the oracle"):
        lever_plan(inputs_for(LENT, TO_1_5), Totals(pools))


def test_a_venue_far_from_the_oracle_is_refused_by_its_price() -> None:
    """Where WETH costs two per cent more than the oracle says, the price itself is what is refused."""
    pools = Pools()
    pools.add_at({**PRICES, WETH: 3060 * 10**8}, WETH, USDC, fee=100, value=10**9 * 10**8)

    with pytest.raises(VenueDiverges, match=r"USDC in WETH on uniswap-v3 lies 1\.9[67]% under the oracle's"):
        lever_plan(inputs_for(LENT, TO_1_5), Totals(pools))


def test_shallow_pools_cut_rounds_and_costs_are_within_the_slippage() -> None:
    """A pool that bears a part of a round is used in parts, and the goal is still hit."""
    pools = deep_pools(value=10**7 * 10**8)

    plan = lever_plan(inputs_for(LENT, TO_1_5, max_slippage="0.03"), Totals(pools))

    assert 0 < plan.cost.expected <= plan.cost.worst
    assert plan.promise.health_factor is not None
    assert 0 <= plan.promise.health_factor - WAD * 3 // 2 <= WAD // 1000


def test_which_goals_go_up() -> None:
    """More than a hundredth beyond the goal is on the other side of it; closing, and an empty account, never are."""
    assert goes_up(LENT, TO_1_5)
    assert goes_up(LENT, TO_1_9_TIMES)
    assert goes_up(lent(borrows={}), TO_1_5)
    assert not goes_up(LENT, Goal("health-factor", Decimal("4.145")))
    assert not goes_up(LENT, Goal("health-factor", Decimal(5)))
    assert not goes_up(LENT, Goal("leverage", Decimal("1.2")))
    assert not goes_up(LENT, Goal("close", None))
    assert not goes_up(an_aave_account({}, {}), TO_1_5)


def test_a_deleverage_never_goes_up() -> None:
    """The planner that everything else asks, a guard among them, refuses a goal that the account is better than."""
    with pytest.raises(Infeasible, match="already"):
        plan_for(inputs_for(LENT, TO_1_5))
