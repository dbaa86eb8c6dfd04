"""The profile of a reserve: exact repayments on the pinned owner's behalf, from the payer's key, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from defilev.errors import PolicyViolation
from defilev.execute.policy import check_cancellation, check_plan
from defilev.execute.transaction import TransactionFields
from defilev.model.plan import Plan
from defilev.model.request import Address
from tests.factories import USDC, WETH
from tests.support.guards import PAYER
from tests.unit.policy_cases import POLICY, STRANGER, Markets, a_plan, closing_plan, deleverage_plan

RESERVE = replace(POLICY, payer=PAYER)
AMOUNT = 5_000 * 10**6


def repayment(*, behalf: Markets | None = None, payer: Address | None = PAYER) -> Plan:
    on = behalf or Markets()
    return replace(a_plan([on.approve(USDC, on.pool, AMOUNT), on.repay(USDC, AMOUNT)]), payer=payer)


def test_an_exact_repayment_for_the_owner_is_allowed() -> None:
    """An approval of exactly what is repaid, and the repayment, signed by the payer."""
    check_plan(repayment(), policy=RESERVE)
    assert PAYER == RESERVE.actor == repayment().actor


def test_nobody_elses_debt_is_repaid() -> None:
    """The beneficiary is the pinned owner: neither a stranger nor the payer itself."""
    for other in (STRANGER, PAYER):
        with pytest.raises(PolicyViolation, match="onBehalfOf"):
            check_plan(repayment(behalf=Markets(owner=other)), policy=RESERVE)


def test_a_reserve_never_repays_everything() -> None:
    """The protocol refuses uint256's maximum for another, and so does the policy, before anything is signed."""
    on = Markets()
    calls = [on.approve(USDC, on.pool, AMOUNT), on.repay(USDC, None), on.approve(USDC, on.pool, 0)]
    with pytest.raises(PolicyViolation, match="amount for another account"):
        check_plan(replace(a_plan(calls), payer=PAYER), policy=RESERVE)


@pytest.mark.parametrize("make", [deleverage_plan, closing_plan])
def test_a_reserve_neither_withdraws_nor_swaps(make: object) -> None:
    """What an owner's key may do, a payer's may not."""
    with pytest.raises(PolicyViolation):
        check_plan(replace(make(), payer=PAYER), policy=RESERVE)  # type: ignore[operator]


def test_a_reserve_lets_the_pool_alone_take_its_tokens() -> None:
    """No other spender, not even the router that an owner's plan may use."""
    on = Markets()
    calls = [on.approve(WETH, on.router, 10**18), on.approve(USDC, on.pool, AMOUNT), on.repay(USDC, AMOUNT)]
    with pytest.raises(PolicyViolation, match="spender for another account"):
        check_plan(replace(a_plan(calls), payer=PAYER), policy=RESERVE)


def test_an_allowance_is_never_larger_than_what_is_repaid() -> None:
    """Nothing of an approval is left for later."""
    on = Markets()
    calls = [on.approve(USDC, on.pool, AMOUNT + 1), on.repay(USDC, AMOUNT)]
    with pytest.raises(PolicyViolation, match="approved amount"):
        check_plan(replace(a_plan(calls), payer=PAYER), policy=RESERVE)


def test_the_payer_of_a_plan_is_the_one_of_the_policy() -> None:
    """A plan that names a payer is nothing for the owner's policy, nor one without for a reserve's."""
    with pytest.raises(PolicyViolation, match="payer"):
        check_plan(repayment(), policy=POLICY)
    with pytest.raises(PolicyViolation, match="payer"):
        check_plan(repayment(payer=None), policy=RESERVE)
    with pytest.raises(PolicyViolation, match="payer"):
        check_plan(repayment(payer=STRANGER), policy=RESERVE)


def test_a_nonce_of_the_payer_is_taken_by_itself() -> None:
    """A cancellation sends nothing from the payer to the payer, never to the owner."""
    fields = TransactionFields(
        chain_id=1,
        nonce=3,
        max_priority_fee_per_gas=1,
        max_fee_per_gas=10**9,
        gas_limit=21_000,
        to=PAYER,
        value=0,
        data=b"",
    )
    policy = replace(RESERVE, public_keys=True)
    check_cancellation(fields, policy=policy)
    with pytest.raises(PolicyViolation, match="to"):
        check_cancellation(replace(fields, to=policy.account.owner), policy=policy)
