from __future__ import annotations

import pytest
from eth_abi.abi import encode
from hypothesis import given, strategies as st

from defilev_signer.calls import ALL, Repay, Withdraw, read_call
from defilev_signer.errors import Denied
from defilev_signer.policy import Policy
from defilev_signer.policy_file import parse_policy
from defilev_signer.rules import judge
from defilev_signer.summary import summary
from defilev_signer.transaction import read_transaction
from tests.factories import USDC, WSTETH
from tests.support.isolated_calls import MORPHO, OTHER_MARKET, PARAMS, IsolatedMarket
from tests.support.trial_legal import OWNER, Draft, trial_policy

MARKET = "(address,address,address,address,uint256)"
TAKE_COLLATERAL = f"withdrawCollateral({MARKET},uint256,address,address)"
TAKE_LENT = f"withdraw({MARKET},uint256,uint256,address,address)"
REPAY = f"repay({MARKET},uint256,uint256,address,bytes)"
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
