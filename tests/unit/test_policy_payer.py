"""The profile of a reserve: exact repayments on the pinned owner's behalf, from the payer's key, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from defilev.abi import Transaction, encode, interface, keccak
from defilev.errors import Infeasible, PolicyViolation
from defilev.execute.policy import Policy, check_cancellation, check_plan
from defilev.execute.rules import ADAPTERS
from defilev.execute.transaction import TransactionFields
from defilev.model.account import LendingAccount
from defilev.model.plan import Action, Goal, Plan, Repay
from defilev.model.request import Address
from defilev.plan import plan_repayment
from defilev.protocols import ACTING, PROTOCOLS
from tests.factories import USDC, WETH
from tests.support.guards import PAYER
from tests.support.isolated_calls import MORPHO, PARAMS, IsolatedMarket
from tests.support.markets import inputs_for
from tests.unit.policy_cases import (
    ACCOUNT,
    POLICY,
    POOL,
    ROUTER,
    STRANGER,
    TOKENS,
    Markets,
    a_plan,
    closing_plan,
    deleverage_plan,
)

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


PARAMS_HASH = "0x" + keccak(encode(["(address,address,address,address,uint256)"], [PARAMS.words])).hex()


def reserve_on(account: LendingAccount, pool: Address) -> Policy:
    return Policy(account, pool, ROUTER, TOKENS, payer=PAYER)


def test_a_reserve_pays_on_a_fork_of_the_pool_as_well() -> None:
    """SparkLend's pool takes the same call as Aave's, by the same rules."""
    account = replace(ACCOUNT, protocol="sparklend")
    on = Markets()
    plan = a_plan([on.approve(USDC, on.pool, AMOUNT), on.repay(USDC, AMOUNT)], account=account)

    check_plan(replace(plan, payer=PAYER), policy=reserve_on(account, POOL))


def comet_supply() -> tuple[Action, Transaction]:
    """The base asset for whoever signs: the payer's own account, not the owner's."""
    call = Transaction(POOL, "comet", interface("comet")["supply"], (USDC.address, AMOUNT))
    return Repay(USDC, AMOUNT), call


@pytest.mark.parametrize("protocol", ["morpho-blue", "compound-v3"])
def test_a_lender_without_a_rule_for_it_is_refused_by_name(protocol: str) -> None:
    """Neither the repayment nor even its approval is allowed to a payer, while the owner may sign both."""
    market = IsolatedMarket()
    is_morpho = protocol == "morpho-blue"
    account = replace(ACCOUNT, protocol=protocol, market=PARAMS_HASH if is_morpho else "usdc")
    pool = MORPHO if is_morpho else POOL
    approval = market.approve(USDC, AMOUNT) if is_morpho else Markets().approve(USDC, POOL, AMOUNT)
    repays = market.repay(USDC, AMOUNT) if is_morpho else comet_supply()
    said = f"nothing on {protocol}"

    check_plan(a_plan([approval, repays], account=account), policy=Policy(account, pool, ROUTER, TOKENS))
    for calls in ([approval, repays], [repays]):
        with pytest.raises(PolicyViolation, match="call on behalf of another") as refused:
            check_plan(replace(a_plan(calls, account=account), payer=PAYER), policy=reserve_on(account, pool))
        assert said == refused.value.facts["allowed"]


def test_what_a_protocol_says_it_can_the_policy_allows_and_nothing_else() -> None:
    """A protocol repays for another, or adds margin, exactly where the policy has a rule for that call."""
    said = {name: known.abilities.repays_for_another for name, known in ACTING.items()}
    assert said == {name: bool(rules.for_another) for name, rules in ADAPTERS.items()}


def test_no_plan_is_made_of_a_repayment_that_would_not_be_the_owners() -> None:
    """The planner refuses a payer by the lender's name, before it looks at the wallet."""
    inputs = inputs_for(ACCOUNT, Goal("health-factor", Decimal(2)))
    comet = replace(inputs, protocol=PROTOCOLS["compound-v3"], payer=PAYER)
    with pytest.raises(Infeasible, match="a debt on compound-v3 is not repaid from another's wallet"):
        plan_repayment(comet)
