"""The policy for the calls of Morpho Blue and of a Comet: each of its rules broken once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from defilev.abi import Function, Transaction, interface
from defilev.errors import PolicyViolation
from defilev.execute.policy import Policy, check_plan
from defilev.model.plan import Action, Approve, Plan, Repay, Supply, Withdraw
from defilev.units import UINT256_MAX
from tests.factories import DAI, OWNER, USDC, WETH, WSTETH, a_borrow, a_supply, an_account
from tests.support.isolated_calls import MORPHO, OTHER_MARKET, PARAMS, IsolatedMarket
from tests.unit.policy_cases import ROUTER, STRANGER, a_plan

HELD, OWED, LENT = 10**18, 7 * 10**15, 3 * 10**12
COMET = MORPHO

IN_MARKET = replace(
    an_account(a_supply(WSTETH, "1", "3600"), a_borrow(USDC, "1000", "1"), a_supply(USDC, "3", "1", idle=True)),
    protocol="morpho-blue",
    market=PARAMS.id,
    details=(("collateral", str(HELD)), ("supply_shares", str(LENT)), ("borrow_shares", str(OWED))),
)
AT_COMET = replace(an_account(a_supply(WETH, "1", "3000"), a_borrow(USDC, "1000", "1")), protocol="compound-v3")
POLICY = Policy(IN_MARKET, MORPHO, ROUTER, (WSTETH, USDC))
COMET_POLICY = Policy(AT_COMET, COMET, ROUTER, (WETH, USDC, DAI))

MARKET = IsolatedMarket()
TAKE, LEND_OUT, PAY = Withdraw(WSTETH, 10**17), Withdraw(USDC, None), Repay(USDC, 10**6)
ADD = Supply(WSTETH, 10**17)
CLOSING: tuple[tuple[Action, Transaction], ...] = (
    MARKET.approve(USDC, 1_001 * 10**6),
    MARKET.repay_shares(USDC, OWED),
    MARKET.approve(USDC, 0),
    (Withdraw(WSTETH, None), MARKET.withdraw_collateral(WSTETH, HELD)[1]),
    MARKET.withdraw_shares(USDC, LENT),
)


def _plan(calls: Sequence[tuple[Action, Transaction]], policy: Policy = POLICY) -> Plan:
    return a_plan(calls, account=policy.account)


def _morpho(name: str, *arguments: Any) -> Transaction:
    return Transaction(MORPHO, "morpho blue", interface("morpho_blue")[name], arguments)


def test_closing_by_shares_is_allowed() -> None:
    """All shares of the debt, all collateral, all that is lent, and no allowance left."""
    check_plan(_plan(CLOSING), policy=POLICY)


AUTHORISE = Function("setAuthorization", (("authorized", "address"), ("newIsAuthorized", "bool")), ())
FLASH = Function("flashLoan", (("token", "address"), ("assets", "uint256"), ("data", "bytes")), ())
HERE, ELSEWHERE = PARAMS.words, OTHER_MARKET.words

FORBIDDEN: dict[str, tuple[Action, Transaction, str]] = {
    "collateral of another market": (
        TAKE, _morpho("withdrawCollateral", ELSEWHERE, 10**17, OWNER, OWNER), f"marketParams.*{OTHER_MARKET.id}",
    ),
    "no collateral": (TAKE, _morpho("withdrawCollateral", HERE, 0, OWNER, OWNER), "assets"),
    "a stranger's collateral": (TAKE, _morpho("withdrawCollateral", HERE, 10**17, STRANGER, OWNER), "onBehalf"),
    "collateral to a stranger": (TAKE, _morpho("withdrawCollateral", HERE, 10**17, OWNER, STRANGER), "receiver"),
    "lent to another market": (LEND_OUT, _morpho("withdraw", ELSEWHERE, 0, LENT, OWNER, OWNER), "marketParams"),
    "lent, by assets and shares": (LEND_OUT, _morpho("withdraw", HERE, 5, LENT, OWNER, OWNER), "assets or shares"),
    "nothing of what is lent": (LEND_OUT, _morpho("withdraw", HERE, 0, 0, OWNER, OWNER), "assets or shares"),
    "lent by a stranger": (LEND_OUT, _morpho("withdraw", HERE, 0, LENT, STRANGER, OWNER), "onBehalf"),
    "lent, to a stranger": (LEND_OUT, _morpho("withdraw", HERE, 0, LENT, OWNER, STRANGER), "receiver"),
    "a part of what is lent as all of it": (
        LEND_OUT, _morpho("withdraw", HERE, 0, LENT - 1, OWNER, OWNER), "all of the supply",
    ),
    "a debt of another market": (PAY, _morpho("repay", ELSEWHERE, 10**6, 0, OWNER, b""), "marketParams"),
    "a debt by assets and shares": (PAY, _morpho("repay", HERE, 10**6, 5, OWNER, b""), "assets or shares"),
    "nothing of a debt": (PAY, _morpho("repay", HERE, 0, 0, OWNER, b""), "assets or shares"),
    "a stranger's debt": (PAY, _morpho("repay", HERE, 10**6, 0, STRANGER, b""), "onBehalf"),
    "a repayment that calls back": (PAY, _morpho("repay", HERE, 10**6, 0, OWNER, b"\1"), "data"),
    "shares said to be an amount": (PAY, _morpho("repay", HERE, 0, OWED, OWNER, b""), "declared action"),
    "authorising somebody": (PAY, Transaction(MORPHO, "morpho blue", AUTHORISE, (STRANGER, True)), "call"),
    "a flash loan": (PAY, Transaction(MORPHO, "morpho blue", FLASH, (USDC.address, 1, b"")), "call"),
    "borrowing": (PAY, _morpho("borrow", HERE, 10**6, 0, OWNER, OWNER), "call"),
    "lending": (PAY, _morpho("supply", HERE, 10**6, 0, OWNER, b""), "call"),
    "a pledge that is said to be a withdrawal": (
        TAKE, _morpho("supplyCollateral", HERE, 10**17, OWNER, b""), "declared action",
    ),
    "a pledge for a stranger": (ADD, _morpho("supplyCollateral", HERE, 10**17, STRANGER, b""), "onBehalf"),
    "a pledge to another market": (ADD, _morpho("supplyCollateral", ELSEWHERE, 10**17, OWNER, b""), "marketParams"),
    "a pledge that calls back": (ADD, _morpho("supplyCollateral", HERE, 10**17, OWNER, b"\1"), "data"),
    "liquidating": (PAY, _morpho("liquidate", HERE, STRANGER, 1, 0, b""), "call"),
}  # fmt: skip


@pytest.mark.parametrize("case", FORBIDDEN)
def test_forbidden_calls_to_an_isolated_market_name_their_rule(case: str) -> None:
    """Another market of the same contract, a stranger on either side, a call back, and whatever else it offers."""
    action, call, rule = FORBIDDEN[case]

    with pytest.raises(PolicyViolation, match=rf"^step 1 \({action.kind}\) is not allowed: ") as refused:
        check_plan(_plan([(action, call)]), policy=POLICY)
    fact, _, found = rule.partition(".*")
    assert fact in refused.value.fact
    assert found in str(refused.value.facts)


def test_a_debt_is_closed_by_all_of_its_shares_only() -> None:
    """One share less leaves a debt that the plan says is gone."""
    calls = [*CLOSING]
    calls[1] = (Repay(USDC, None, shares=OWED - 1), MARKET.repay_shares(USDC, OWED - 1)[1])

    with pytest.raises(PolicyViolation, match="all of the debt"):
        check_plan(_plan(calls), policy=POLICY)


def test_what_shares_may_take_is_bounded() -> None:
    """The allowance for closing by shares is the debt and little more, and is taken back."""
    calls = [*CLOSING]
    for amount in (1_011 * 10**6, UINT256_MAX // 4):
        calls[0] = MARKET.approve(USDC, amount)
        with pytest.raises(PolicyViolation, match="approved amount"):
            check_plan(_plan(calls), policy=POLICY)
    with pytest.raises(PolicyViolation, match="approved amount"):
        check_plan(_plan([*CLOSING[:2], *CLOSING[3:]]), policy=POLICY)


def test_an_authorised_spender_is_the_market_s_contract() -> None:
    """A token is approved to Morpho Blue or the router, never to the oracle or rate model that the market names."""
    call = Transaction(USDC.address, "USDC", interface("erc20")["approve"], (PARAMS.irm, 10**6))

    with pytest.raises(PolicyViolation, match="spender"):
        check_plan(_plan([(Approve(USDC, PARAMS.irm, "irm", 10**6), call)]), policy=POLICY)


def _comet(name: str, *arguments: Any) -> Transaction:
    return Transaction(COMET, "comet", interface("comet")[name], arguments)


OUT, IN = Withdraw(WETH, 10**17), Repay(USDC, 10**6)
AT_COMET_FORBIDDEN: dict[str, tuple[Action, Transaction, str]] = {
    "an unknown token": (OUT, _comet("withdraw", STRANGER, 10**17), "asset"),
    "nothing": (OUT, _comet("withdraw", WETH.address, 0), "amount"),
    "borrowing the base": (Withdraw(USDC, 10**6), _comet("withdraw", USDC.address, 10**6), "withdraw"),
    "what is no collateral of the account": (Withdraw(DAI, 10**6), _comet("withdraw", DAI.address, 10**6), "withdraw"),
    "collateral that is said to be repaid": (Repay(WETH, 10**17), _comet("supply", WETH.address, 10**17), "declared"),
    "what is owed, said to be added": (Supply(USDC, 10**6), _comet("supply", USDC.address, 10**6), "declared"),
    "supplying what is no collateral": (Supply(DAI, 10**18), _comet("supply", DAI.address, 10**18), "asset"),
    "supplying nothing": (IN, _comet("supply", USDC.address, 0), "amount"),
    "permitting a manager": (IN, _comet("allow", STRANGER, True), "call"),
    "absorbing": (IN, _comet("absorb", OWNER, [STRANGER]), "call"),
}


@pytest.mark.parametrize("case", AT_COMET_FORBIDDEN)
def test_forbidden_calls_to_a_comet_name_their_rule(case: str) -> None:
    """Whatever would borrow, pledge or permit, and tokens that the account does not have there."""
    action, call, rule = AT_COMET_FORBIDDEN[case]

    with pytest.raises(PolicyViolation, match=rf"^step 1 \({action.kind}\) is not allowed: {rule}"):
        check_plan(_plan([(action, call)], COMET_POLICY), policy=COMET_POLICY)


def test_closing_at_a_comet_is_allowed() -> None:
    """The largest integer repays what is owed, and collateral leaves by its amount."""
    approve = interface("erc20")["approve"]
    calls: list[tuple[Action, Transaction]] = [
        (Approve(USDC, COMET, "comet", amount), Transaction(USDC.address, "USDC", approve, (COMET, amount)))
        for amount in (1_001 * 10**6, 0)
    ]
    calls.insert(1, (Repay(USDC, None), _comet("supply", USDC.address, UINT256_MAX)))
    calls.append((Withdraw(WETH, HELD), _comet("withdraw", WETH.address, HELD)))

    check_plan(_plan(calls, COMET_POLICY), policy=COMET_POLICY)
