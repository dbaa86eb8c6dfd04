"""Plans that borrow, held against the policy: only where the owner says how far, and then to the last byte."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st

from defilev.abi import interface
from defilev.config.call_list import load_call_list
from defilev.errors import PolicyViolation
from defilev.execute.policy import Policy, check_plan
from defilev.execute.words import words_of
from defilev.model.account import Price
from defilev.model.plan import Borrow, Plan, Supply
from defilev.model.request import Address
from defilev.model.token import Token
from tests.factories import DAI, OWNER, USDC, WBTC, WETH, WSTETH, a_borrow, a_supply, an_account
from tests.unit.policy_cases import POLICY, POOL, STRANGER, Markets, a_plan, deleverage_plan, with_step

PRICES = {
    token.address: Price(value * 10**8, 8, token.address, token.address)
    for token, value in ((WETH, 3000), (WSTETH, 3600), (WBTC, 90_000), (USDC, 1), (DAI, 1))
}
LEVERS = replace(POLICY, max_leverage=Decimal(3), prices=PRICES)
LISTED = replace(LEVERS, calls=load_call_list(1))
ON = Markets()
SOLD, LEAST = 60_000 * 10**6, 19_900 * 10**15


def borrow(token: Token, amount: int, *, mode: int = 2, referral: int = 0, owner: Address = OWNER) -> Any:
    """Borrow at the variable rate, unless something else is said."""
    arguments = (token.address, amount, mode, referral, owner)
    return Borrow(token, amount), ON._pool("borrow", *arguments)


def supply(token: Token, amount: int, *, owner: Address = OWNER, referral: int = 0) -> Any:
    """Supply for the owner, unless something else is said."""
    return Supply(token, amount), ON._pool("supply", token.address, amount, owner, referral)


def lever_plan(*, first: Any = None, last: Any = None, sold: Token = USDC, bought: Token = WETH) -> Plan:
    """Borrow 60,000 USDC, buy WETH with it, supply the least that this brings: leverage 1.67 becomes 2.33."""
    return a_plan([
        first or borrow(sold, SOLD),
        ON.approve(sold, ON.router, SOLD),
        ON.swap([(sold, bought, 500)], SOLD, LEAST),
        ON.approve(bought, POOL, LEAST),
        last or supply(bought, LEAST),
    ])  # fmt: skip


@pytest.mark.parametrize("policy", [LEVERS, LISTED], ids=["no list", "the chain's list"])
def test_a_round_upwards_is_allowed_where_the_owner_says_how_far(policy: Policy) -> None:
    """With `max_leverage`, with and without a shipped list; a deleverage stays allowed."""
    check_plan(lever_plan(), policy=policy)
    check_plan(deleverage_plan(), policy=policy)


@pytest.mark.parametrize(
    "policy",
    [
        replace(LEVERS, max_leverage=None),
        replace(LISTED, max_leverage=None),
        replace(LEVERS, payer=STRANGER),
    ],
    ids=["deleverage-only", "deleverage-only, listed", "repay-only"],
)
def test_without_the_owner_s_word_nothing_that_borrows_is_signed(policy: Policy) -> None:
    """The default, which is a guard's: refused by name, and again by its bytes when its label says something else."""
    with pytest.raises(
        PolicyViolation, match=r"step 1 \(borrow\) is not allowed: a call that raises leverage"
    ) as refused:
        check_plan(lever_plan(), policy=policy)
    assert "limits.max_leverage" in refused.value.fix

    disguised = with_step(lever_plan(), 1, action=Supply(USDC, SOLD))
    with pytest.raises(PolicyViolation):
        check_plan(disguised, policy=policy)


@given(st.data())
def test_no_byte_of_any_call_can_be_changed(data: st.DataObject) -> None:
    """Any other byte at any place of the calldata is refused."""
    plan = lever_plan()
    step = data.draw(st.sampled_from(plan.steps))
    call = bytearray.fromhex(step.data[2:])
    call[data.draw(st.integers(0, len(call) - 1))] ^= data.draw(st.integers(1, 255))

    with pytest.raises(PolicyViolation):
        check_plan(with_step(plan, step.index, data="0x" + call.hex()), policy=LISTED)


FORBIDDEN: dict[str, tuple[Plan, str]] = {
    "a stable rate": (lever_plan(first=borrow(USDC, SOLD, mode=1)), "interestRateMode"),
    "debt of another": (lever_plan(first=borrow(USDC, SOLD, owner=STRANGER)), "onBehalfOf"),
    "supply for another": (lever_plan(last=supply(WETH, LEAST, owner=STRANGER)), "onBehalfOf"),
    "a referral": (lever_plan(first=borrow(USDC, SOLD, referral=7)), "referralCode"),
    "a referral of the supply": (lever_plan(last=supply(WETH, LEAST, referral=7)), "referralCode"),
    "less supplied than approved": (lever_plan(last=supply(WETH, LEAST - 1)), "approved amount"),
    "borrowed beyond the maximum": (a_plan([borrow(USDC, 121_000 * 10**6)]), "leverage afterwards"),
    "borrowed beyond all equity": (a_plan([borrow(USDC, 10**12)]), "leverage afterwards"),
    "a withdrawal beside it": (a_plan([borrow(USDC, 10**6), ON.withdraw(WETH, 10**15)]), "call of a plan that borrows"),
    "a repayment beside it": (
        a_plan([borrow(USDC, 10**6), ON.approve(USDC, POOL, 10**6), ON.repay(USDC, 10**6)]),
        "call of a plan that borrows",
    ),
}


@pytest.mark.parametrize(("plan", "rule"), FORBIDDEN.values(), ids=FORBIDDEN)
def test_what_lever_up_forbids_names_its_rule(plan: Plan, rule: str) -> None:
    """Whatever the settings allow, these are refused with the rule that they break."""
    with pytest.raises(PolicyViolation, match=rf"is not allowed: {rule}"):
        check_plan(plan, policy=LEVERS)


def test_idle_supply_is_not_added_to() -> None:
    """What the account has and does not use as collateral would leave its leverage as it is shown: refused."""
    account = an_account(
        a_supply(WETH, "50", "3000"), a_supply(WBTC, "1", "90000", idle=True), a_borrow(USDC, "1", "1")
    )

    with pytest.raises(PolicyViolation, match="is not allowed: supply"):
        check_plan(a_plan([
            borrow(USDC, 10**6), ON.approve(WBTC, POOL, 10**4), supply(WBTC, 10**4),
        ]), policy=replace(LEVERS, account=account))  # fmt: skip


def test_what_is_new_to_the_account_is_bought_at_the_oracle_s_price() -> None:
    """A token that is neither held nor owed yet has a price under this profile, and none under the other."""
    one, least = 10**8, 65 * 10**6
    swap = ON.swap([(USDC, WBTC, 3000)], SOLD, least)
    calls: list[Any] = [
        borrow(USDC, SOLD), ON.approve(USDC, ON.router, SOLD), swap, ON.approve(WBTC, POOL, least), supply(WBTC, least),
    ]  # fmt: skip

    with pytest.raises(PolicyViolation, match="amountOutMinimum against the oracle"):
        check_plan(a_plan(calls), policy=LEVERS)
    calls[2:] = [ON.swap([(USDC, WBTC, 3000)], SOLD, one * 6634 // 10**4), *calls[3:]]
    calls[3:] = [ON.approve(WBTC, POOL, one * 6634 // 10**4), supply(WBTC, one * 6634 // 10**4)]
    check_plan(a_plan(calls), policy=LEVERS)
    with pytest.raises(PolicyViolation, match="amountOutMinimum against the oracle"):
        check_plan(a_plan(calls), policy=replace(LEVERS, prices={}))


def test_what_is_borrowed_counts_against_the_limits_of_a_day() -> None:
    """A limit of 50,000 for a transaction lets no 60,000 be borrowed, supplied or swapped."""
    narrow = replace(LEVERS, limits=replace(LEVERS.limits, value_per_transaction=Decimal(50_000)))

    with pytest.raises(PolicyViolation, match=r"step 1 \(borrow\) is not allowed: value of a transaction"):
        check_plan(lever_plan(), policy=narrow)


def test_the_words_say_for_whom() -> None:
    """From the bytes alone: how much, and whose debt and collateral it is."""
    calls = check_plan(lever_plan(), policy=LEVERS)

    tokens = {token.address: token for token in LEVERS.tokens}
    said = [words_of(call, tokens, {OWNER: "the position of"}) for call in calls]
    assert f"borrow 60000 USDC ({SOLD}) for the position of {OWNER}" == said[0]
    assert f"supply 19.9 WETH ({LEAST}) for the position of {OWNER}" == said[4]


def test_the_shipped_lists_name_what_raises_risk_apart() -> None:
    """Without the owner's word a list has no selector for it; with it, that of Aave's pools alone."""
    listed = load_call_list(1)
    assert listed is not None
    raised = {interface("aave_v3_pool")["borrow"].selector}

    for role in ("aave-v3-pool", "sparklend-pool"):
        assert not raised & listed.selectors(role)
        assert raised <= listed.selectors(role, levering=True)
    for role in ("morpho-blue-pool", "uniswap-v3-router", "token"):
        assert listed.selectors(role) == listed.selectors(role, levering=True)
