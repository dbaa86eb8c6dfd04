from __future__ import annotations

import pytest
from eth_abi.abi import encode
from hypothesis import given, strategies as st

from defilev.abi import interface
from defilev_signer.calls import ALL, Repay, Supply, Withdraw, read_call
from defilev_signer.errors import Denied
from defilev_signer.policy import Policy
from defilev_signer.policy_file import parse_policy
from defilev_signer.rules import judge
from defilev_signer.summary import summary
from defilev_signer.transaction import read_transaction
from tests.factories import USDC, WSTETH
from tests.support.isolated_calls import MORPHO, OTHER_MARKET, PARAMS, IsolatedMarket
from tests.support.trial_legal import OWNER, Draft, trial_policy
from tests.unit.policy_cases import STRANGER

MARKET = "(address,address,address,address,uint256)"
TAKE_COLLATERAL = f"withdrawCollateral({MARKET},uint256,address,address)"
TAKE_LENT = f"withdraw({MARKET},uint256,uint256,address,address)"
REPAY = f"repay({MARKET},uint256,uint256,address,bytes)"
ADD = f"supplyCollateral({MARKET},uint256,address,bytes)"
ADD_TO_POOL = "supply(address,uint256,address,uint16)"
AMOUNTS = st.integers(1, 2**256 - 1)


def _policy(**changes: object) -> Policy:
    return parse_policy(trial_policy(**changes).encode())


def _words(data: bytes, policy: Policy) -> str:
    return summary(judge(read_transaction(Draft("any", 7, MORPHO, data).payload()), (), policy), policy)[1]


@given(AMOUNTS)
def test_calls_of_a_market_agree_with_another_library(amount: int) -> None:
    """What another library encoded is read as the asset, amount or shares, whose they are, to whom, and the market."""
    collateral = encode([MARKET, "uint256", "address", "address"], [PARAMS.words, amount, OWNER, MORPHO])
    lent = encode([MARKET, "uint256", "uint256", "address", "address"], [PARAMS.words, 0, amount, OWNER, MORPHO])
    part = encode([MARKET, "uint256", "uint256", "address", "bytes"], [PARAMS.words, amount, 0, OWNER, b""])
    shares = encode([MARKET, "uint256", "uint256", "address", "bytes"], [PARAMS.words, 0, amount, OWNER, b""])

    market = PARAMS.id
    assert Withdraw(WSTETH.address, amount, MORPHO, OWNER, market) == read_call(TAKE_COLLATERAL, MORPHO, collateral)
    assert Withdraw(USDC.address, ALL, MORPHO, OWNER, market, amount) == read_call(TAKE_LENT, MORPHO, lent)
    assert Repay(USDC.address, amount, None, OWNER, market) == read_call(REPAY, MORPHO, part)
    assert Repay(USDC.address, ALL, None, OWNER, market, amount) == read_call(REPAY, MORPHO, shares)


@given(AMOUNTS)
def test_supplies_agree_with_another_library(amount: int) -> None:
    """Collateral that another library encoded is read as asset, amount, whose it becomes, and the market."""
    pledged = encode([MARKET, "uint256", "address", "bytes"], [PARAMS.words, amount, OWNER, b""])
    pooled = encode(["address", "uint256", "address", "uint16"], [USDC.address, amount, OWNER, 0])

    assert Supply(WSTETH.address, amount, OWNER, PARAMS.id) == read_call(ADD, MORPHO, pledged)
    assert Supply(USDC.address, amount, OWNER) == read_call(ADD_TO_POOL, MORPHO, pooled)


def test_a_supply_calls_nobody_back_and_names_no_referrer() -> None:
    """Bytes for a callback, a referral code and a truncated call are no supply."""
    calls_back = encode([MARKET, "uint256", "address", "bytes"], [PARAMS.words, 1, OWNER, b"\1"])
    referred = encode(["address", "uint256", "address", "uint16"], [USDC.address, 1, OWNER, 7])

    for name, data in ((ADD, calls_back), (ADD, calls_back[:-32]), (ADD_TO_POOL, referred)):
        with pytest.raises(ValueError, match=r"callback|referral|argument"):
            read_call(name, MORPHO, data)


def test_a_supply_is_for_a_protected_account_alone() -> None:
    """The words say for whom and where; a stranger's position is not added to."""
    supply = interface("morpho_blue")["supplyCollateral"]
    mine, theirs = (supply.encode(PARAMS.words, 10**18, owner, b"") for owner in (OWNER, STRANGER))

    assert f"supply 1 wstETH (1000000000000000000 of {WSTETH.address}) to " in _words(mine, _policy())
    with pytest.raises(Denied, match="beneficiary"):
        _words(theirs, _policy())


def test_the_words_name_the_market_and_the_shares() -> None:
    """Whoever signs sees which market it is, and that shares are no amount."""
    market = IsolatedMarket(owner=OWNER)

    taken = _words(market.withdraw_collateral(WSTETH, 3 * 10**18)[1].data, _policy())
    repaid = _words(market.repay_shares(USDC, 123)[1].data, _policy())

    place = f"morpho-blue-pool {MORPHO}, market {PARAMS.id},"
    assert f"withdraw 3 wstETH (3000000000000000000 of {WSTETH.address}) from {place} to the owner {OWNER}" == taken
    assert f"repay what 123 shares are of USDC ({USDC.address}) at {place} for the owner {OWNER}" == repaid


def test_a_market_that_is_not_listed_is_denied() -> None:
    """Anybody can make one: it is named beside those that are meant, or beside none."""
    call = IsolatedMarket(OTHER_MARKET, owner=OWNER).repay(USDC, 10**6)[1].data

    with pytest.raises(Denied, match=f"{OTHER_MARKET.id}.*{PARAMS.id}"):
        _words(call, _policy())
    with pytest.raises(Denied, match=f"{OTHER_MARKET.id}.*none: the policy lists no markets"):
        _words(call, _policy(markets=[]))


def test_all_that_is_lent_is_withdrawn_only_by_who_may_close() -> None:
    """A number of shares is an amount that no limit measures."""
    call = IsolatedMarket(owner=OWNER).withdraw_shares(USDC, 10**12)[1].data

    assert "withdraw what 1000000000000 shares are of USDC" in _words(call, _policy())
    with pytest.raises(Denied, match="may_close"):
        _words(call, _policy(may_close=False))
