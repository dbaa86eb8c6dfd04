"""A signer of its own where its policy lets the owner borrow, and where it does not."""

from __future__ import annotations

import pytest

from defilev_signer.calls import Borrow, Supply
from defilev_signer.errors import Denied
from defilev_signer.loss import most_that_can_be_lost
from defilev_signer.policy import Policy
from defilev_signer.policy_file import parse_policy
from defilev_signer.rules import Call, Judgement, judge
from defilev_signer.summary import summary
from defilev_signer.transaction import read_transaction
from tests.factories import USDC, WETH
from tests.support.trial_illegal import call
from tests.support.trial_legal import OWNER, Draft, trial_policy
from tests.unit.policy_cases import POOL, STRANGER

BORROW = "borrow(address,uint256,uint256,uint16,address)"
SUPPLY = "supply(address,uint256,address,uint16)"
APPROVE = "approve(address,uint256)"
AMOUNT = 10**18


def policy(**changes: object) -> Policy:
    """The trial's policy, which lets the owner borrow unless something else is said."""
    return parse_policy(trial_policy(**{"may_lever": True, **changes}).encode())


def judged(to: str, data: bytes, of: Policy | None = None, *, following: tuple[Call, ...] = ()) -> Judgement:
    """Return what the signer makes of a transaction."""
    return judge(read_transaction(Draft("any", 7, to, data).payload()), following, of or policy())


def test_a_borrow_and_a_supply_are_read_and_said() -> None:
    """Whoever signs sees that it raises risk, how much of what, and for whom."""
    borrowed = judged(POOL, call(BORROW, USDC.address, 5_000 * 10**6, 2, 0, OWNER))
    supplied = judged(POOL, call(SUPPLY, WETH.address, AMOUNT, OWNER, 0))

    assert Borrow(USDC.address, 5_000 * 10**6, 2, 0, OWNER) == borrowed.action
    assert Supply(WETH.address, AMOUNT, OWNER) == supplied.action
    assert summary(borrowed, policy())[1].startswith("RAISES RISK: borrow 5000 USDC (5000000000 of ")
    assert summary(supplied, policy())[1].endswith(f"for the owner {OWNER}")


def test_what_is_borrowed_counts_against_the_day() -> None:
    """As what is withdrawn does: it is in the wallet then, and the account is nearer to liquidation."""
    assert 5_000 == judged(POOL, call(BORROW, USDC.address, 5_000 * 10**6, 2, 0, OWNER)).withdrawn


def test_an_approval_is_exactly_what_the_supply_takes() -> None:
    """One base unit more is denied."""
    supply = Call(POOL, call(SUPPLY, WETH.address, AMOUNT, OWNER, 0))

    judged(WETH.address, call(APPROVE, POOL, AMOUNT), following=(supply,))
    with pytest.raises(Denied, match="approved amount"):
        judged(WETH.address, call(APPROVE, POOL, AMOUNT + 1), following=(supply,))


def test_without_the_policy_s_word_nothing_is_borrowed() -> None:
    """Listed and not allowed: a copy of the shipped list opens nothing by itself."""
    with pytest.raises(Denied, match="function"):
        judged(POOL, call(BORROW, USDC.address, 10**6, 2, 0, OWNER), policy(may_lever=False))


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (call(BORROW, USDC.address, 10**6, 2, 0, STRANGER), "beneficiary"),
        (call(BORROW, USDC.address, 10**6, 1, 0, OWNER), "interest rate mode"),
        (call(BORROW, USDC.address, 10**6, 2, 7, OWNER), "referral"),
        (call(BORROW, USDC.address, 0, 2, 0, OWNER), "amount"),
        (call(BORROW, USDC.address, 10**12, 2, 0, OWNER), "borrowed value"),
        (call(BORROW, STRANGER, 10**6, 2, 0, OWNER), "asset"),
        (call(SUPPLY, WETH.address, AMOUNT, STRANGER, 0), "beneficiary"),
        (call(SUPPLY, WETH.address, AMOUNT, OWNER, 7), "referral"),
        (call(SUPPLY, WETH.address, 2**256 - 1, OWNER, 0), "amount"),
        (call(SUPPLY, STRANGER, AMOUNT, OWNER, 0), "asset"),
    ],
)
def test_what_may_lever_does_not_allow_names_its_rule(data: bytes, rule: str) -> None:
    """For the owner alone, at the variable rate, a number within the limits, in a token of the policy."""
    with pytest.raises(Denied, match=rule):
        judged(POOL, data)


def test_what_could_be_borrowed_is_stated() -> None:
    """Nothing by default; with `may_lever` as much as may be withdrawn in a day."""
    assert "0.00" == most_that_can_be_lost(policy(may_lever=False))["borrowed_by_the_owner"]
    found = most_that_can_be_lost(policy())
    assert found["borrowed_by_the_owner"] != "0.00"
