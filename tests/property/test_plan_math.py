from __future__ import annotations

import os
from collections import Counter
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import event, given, settings, strategies as st

from defilev.errors import Infeasible
from defilev.model.account import LendingAccount
from defilev.model.plan import Approve, Goal, Plan, Repay, SetCollateral, SetEMode, Swap, Withdraw
from defilev.model.token import Token
from defilev.plan import PlanInputs, plan_document, plan_from
from defilev.plan.search import largest, smallest
from defilev.units import BPS, UINT256_MAX, WAD
from tests.factories import DAI, USDC, WBTC, WETH, WSTETH
from tests.support.markets import AAVE, PRICES, TOKENS, Terms, an_aave_account, inputs_for, plan_for, wallet_of

EXAMPLES = 3000 if os.environ.get("DEFILEV_FULL") else 150
THOUSANDTH = WAD // 1000
REGIMES = ("3.0", "3.6")

cents = st.integers(10**4, 10**9)
terms = st.builds(
    Terms,
    threshold=st.sampled_from((7000, 8300, 9300)),
    supply_rate=st.sampled_from(("0", "0.02", "0.3")),
    borrow_rate=st.sampled_from(("0.01", "0.05", "0.8")),
)


@st.composite
def questions(draw: st.DrawFn) -> PlanInputs:
    """Draw a healthy position of one to three collaterals and one or two debts, a wallet, and a goal some way off."""
    collaterals = draw(st.lists(st.sampled_from((WETH, WSTETH, WBTC, USDC)), min_size=1, max_size=3, unique=True))
    debts = draw(st.lists(st.sampled_from((USDC, DAI, WETH)), min_size=1, max_size=2, unique=True))
    rules = {token: draw(terms) for token in TOKENS}
    supplies = {token: amount_of(token, draw(cents)) for token in collaterals}
    idle = frozenset(token for token in collaterals[1:] if draw(st.booleans()))
    capacity = sum(
        amount * PRICES[token] * rules[token].threshold // 10**token.decimals // BPS
        for token, amount in supplies.items()
        if token not in idle
    )
    health = draw(st.integers(10_300, 40_000))
    shares = [draw(st.integers(1, 9)) for _ in debts]
    owed = {
        token: max(capacity * BPS // health * share // sum(shares) * 10**token.decimals // PRICES[token], 1)
        for token, share in zip(debts, shares, strict=True)
    }
    account = an_aave_account(supplies, owed, idle=idle, terms=rules, regime=draw(st.sampled_from(REGIMES)))
    wallet = wallet_of({debts[0]: draw(st.sampled_from((0, owed[debts[0]] // 10, owed[debts[0]] * 2)))})
    return inputs_for(
        account,
        draw(goals(account)),
        wallet=wallet,
        max_slippage=draw(st.sampled_from(("0.004", "0.01", "0.08"))),
        floor=draw(st.sampled_from(("1.001", "1.02", "1.2"))),
        window=draw(st.sampled_from((60, 600, 3600))),
    )


@st.composite
def goals(draw: st.DrawFn, account: LendingAccount) -> Goal:
    """Draw a goal between where the account is and three times as healthy."""
    push = 1 + Decimal(draw(st.integers(1, 200))) / 100
    kind = draw(st.sampled_from(("health-factor", "leverage", "close")))
    if kind == "health-factor":
        return Goal("health-factor", (Decimal(account.health_factor or WAD) / WAD * push).quantize(Decimal("1e-6")))
    if kind == "leverage" and account.equity_value > 0:
        leverage = Decimal(account.collateral_value) / account.equity_value
        return Goal("leverage", (1 + (leverage - 1) / push).quantize(Decimal("1e-6")) + Decimal("1e-6"))
    return Goal("close", None)


def amount_of(token: Token, worth: int) -> int:
    """Return base units worth so many cents."""
    return max(worth * 10**6 * 10**token.decimals // PRICES[token], 1)


@settings(max_examples=EXAMPLES)
@given(inputs=questions(), delays=st.lists(st.integers(0, 1000), min_size=80, max_size=80))
def test_an_offered_plan_holds_whenever_its_steps_are_included(inputs: PlanInputs, delays: list[int]) -> None:
    """Worst fills, any inclusion up to the expiry: no sale goes below the floor, and the end is in its band."""
    try:
        plan = plan_for(inputs)
    except Infeasible as refusal:
        event(f"refused: {refusal.fact[:20]}")
        return
    event(f"{plan.goal.kind}, {'partial' if plan.label else 'whole'}, {len(plan.steps) // 5} rounds")

    lands_in_its_band(plan, walked(plan, inputs, delays))
    lands_in_its_band(plan, walked(plan, inputs, [0] * 80))
    lands_in_its_band(plan, walked(plan, inputs, [1000] * 80))


def walked(plan: Plan, inputs: PlanInputs, delays: list[int]) -> LendingAccount:
    """Apply the plan with worst fills, each step late by its share of the window in thousandths; judge each state."""
    account = inputs.account
    wallet = Counter({held.token: held.amount for held in inputs.wallet.balances})
    allowed: Counter[tuple[Token, str]] = Counter()
    at = plan.block.timestamp
    was_selling = False
    for step, delay in zip(plan.steps, delays, strict=False):
        at = max(at, step.at + inputs.window * delay // 1000)
        before = account
        account = AAVE.apply(before, step.actions[0], at=at)
        match step.action:
            case Approve(asset, spender, _, amount):
                allowed[asset, spender] = amount
            case Withdraw(asset, amount):
                was_selling = True
                wallet[asset] += held(before, asset, at) if amount is None else amount
            case Swap(route, amount_in, minimum_out):
                allowed[route[0].token_in, str(step.to)] -= amount_in
                wallet[route[0].token_in] -= amount_in
                wallet[route[-1].token_out] += minimum_out
            case Repay(asset, amount):
                paid = owed(AAVE.project(before, at=at), asset) - owed(account, asset) if amount is None else amount
                allowed[asset, str(step.to)] -= paid
                wallet[asset] -= paid
        assert min(wallet.values()) >= 0
        assert min(allowed.values(), default=0) >= 0
        if was_selling and account.health_factor is not None:
            assert account.health_factor >= plan.floor
    assert set(allowed.values()) <= {0}
    return account


def held(account: LendingAccount, asset: Token, at: int) -> int:
    """Return what is supplied of an asset at a time."""
    legs = AAVE.project(account, at=at).legs
    return sum(leg.amount for leg in legs if leg.side == "supply" and leg.asset == asset)


def owed(account: LendingAccount, asset: Token) -> int:
    """Return what is owed of an asset."""
    return sum(leg.amount for leg in account.legs if leg.side == "borrow" and leg.asset == asset)


def lands_in_its_band(plan: Plan, account: LendingAccount) -> None:
    """Hold the end of a plan against its goal."""
    if plan.label:
        return
    if plan.goal.kind == "close":
        assert account.is_empty
        return
    target = Fraction(plan.goal.value or 0)
    if plan.goal.kind == "health-factor":
        assert account.health_factor is not None
        assert plan.promise.health_factor is not None
        assert target * WAD <= plan.promise.health_factor <= target * WAD + THOUSANDTH
        assert target * WAD <= account.health_factor <= target * WAD + 10 * THOUSANDTH
        return
    leverage = Fraction(account.collateral_value, account.equity_value)
    assert target - Fraction(1, 100) <= leverage <= target


@settings(max_examples=30)
@given(inputs=questions())
def test_the_same_inputs_give_the_same_hash(inputs: PlanInputs) -> None:
    """Planning twice gives one plan, and its document reads back as that plan."""
    try:
        plan = plan_for(inputs)
    except Infeasible:
        return

    assert plan == plan_for(inputs)
    assert plan == plan_from(plan_document(plan))


@settings(max_examples=50)
@given(inputs=questions())
def test_the_calldata_says_what_the_step_says(inputs: PlanInputs) -> None:
    """Amounts in the bytes are those of the action; the largest integer stands for everything."""
    try:
        plan = plan_for(inputs)
    except Infeasible:
        return

    for step in plan.steps:
        words = {int(step.data[at : at + 64], 16) for at in range(10, len(step.data) - 63, 64)}
        match step.actions[0]:
            case Swap(_, amount_in, minimum_out):
                assert {amount_in, minimum_out} <= words
            case SetEMode(category):
                assert category in words
            case SetCollateral(_, enabled):
                assert int(enabled) in words
            case action:
                assert (UINT256_MAX if action.amount is None else action.amount) in words


@given(limit=st.integers(0, 10**24), high=st.integers(1, 10**24))
def test_search_finds_the_edge(limit: int, high: int) -> None:
    """The largest allowed amount is found from below and the smallest sufficient one from above, to a millionth."""
    found = largest(lambda amount: amount <= limit, high)

    edge = min(limit, high)
    assert edge - edge // 10**6 - 1 <= found <= edge
    if limit < high:
        enough = smallest(lambda amount: amount > limit, high)
        assert limit < enough <= limit + limit // 10**5 + 1
        assert limit + 1 == smallest(lambda amount: amount > limit, high, unit=1)


@pytest.mark.parametrize("regime", REGIMES)
def test_a_plan_costs_what_its_fills_lose(regime: str) -> None:
    """The worst cost of one sale is the slippage on what is sold, and the expected one what the pools take."""
    account = an_aave_account({WETH: 50 * 10**18}, {USDC: 60_000 * 10**6}, regime=regime)
    plan = plan_for(inputs_for(account, Goal("health-factor", Decimal(3))))

    sold = sum(
        AAVE.value_down(account, WETH.address, step.action.amount_in)
        for step in plan.steps
        if isinstance(step.action, Swap)
    )
    assert sold * 5 // 1000 <= plan.cost.worst <= sold * 5 // 1000 + 10**3
    assert sold * 5 // 10_000 <= plan.cost.expected <= sold * 6 // 10_000
