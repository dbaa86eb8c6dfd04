"""What a liquidation takes and leaves: the closed forms against the pools themselves."""

from __future__ import annotations

import pytest

from defilev.abi import encode, interface, keccak
from defilev.model.account import LendingAccount
from defilev.model.request import Address
from defilev.protocols import PROTOCOLS
from defilev.risk.first_passage import LiquidationTerms, liquidation_outcome
from defilev.units import BPS, WAD
from tests.support.world import World

pytestmark = pytest.mark.world

MARKETS = ("main", "spark")
EVERYTHING = 2**256 - 1


def at_health(world: World, market: str, health: float) -> LendingAccount:
    """Move WETH until the account named `liquidatable` has that health factor, and read it."""
    owner = world.account("liquidatable")
    account = world.read(market, [owner])[0]
    (leg,) = [leg for leg in account.legs if leg.side == "supply"]
    assert account.health_factor is not None
    world.set_price("WETH", round(leg.price.value * health * WAD / account.health_factor))
    return world.read(market, [owner])[0]


def liquidate(world: World, market: str, owner: Address) -> None:
    """Let the holder of plenty of USDC repay as much of the account's debt as the pool allows."""
    liquidator = next(Address(o["address"]) for o in world.description["operators"] if o["name"] == "owner")
    approval = interface("erc20")["approve"].encode(world.pool(market), EVERYTHING)
    assert world.send(liquidator, world.token("USDC"), approval)["status"] == "0x1"
    types = ["address", "address", "address", "uint256", "bool"]
    arguments = (world.token("WETH"), world.token("USDC"), owner, EVERYTHING, False)
    data = keccak(b"liquidationCall(address,address,address,uint256,bool)")[:4] + encode(types, arguments)
    assert world.send(liquidator, world.pool(market), data)["status"] == "0x1"


def terms_of(account: LendingAccount, *, close_factor: float | None = None) -> LiquidationTerms:
    """Return the terms that the product reads from the account's own reserve."""
    penalty = PROTOCOLS[account.protocol].penalty(account)
    assert penalty is not None
    assert account.liquidation_threshold is not None
    close = float(penalty.close_factor) if close_factor is None else close_factor
    return LiquidationTerms(account.liquidation_threshold / BPS, float(penalty.bonus), close)


@pytest.mark.parametrize("market", MARKETS)
def test_one_liquidation_at_a_health_of_one_leaves_what_the_formulas_say(world: World, market: str) -> None:
    """Equity lost βκ/(1/ℓ−1), HF' = (1−ℓ(1+β)κ)/(1−κ) and both leverages, against the pool's liquidation, to 1e-4."""
    before = at_health(world, market, 1 - 1e-7)
    terms = terms_of(before)
    expected = liquidation_outcome(terms)
    assert (0.83, 0.05, 0.5) == (terms.liquidation_threshold, terms.liquidation_bonus, terms.close_factor)
    liquidate(world, market, before.owner)
    after = world.read(market, [before.owner])[0]

    assert after.health_factor is not None
    assert expected.health_factor == pytest.approx(after.health_factor / WAD, abs=1e-4)
    assert expected.equity_lost == pytest.approx(1 - after.equity_value / before.equity_value, abs=1e-4)
    assert expected.leverage_before == pytest.approx(before.collateral_value / before.equity_value, rel=1e-4)
    assert expected.leverage_after == pytest.approx(after.collateral_value / after.equity_value, rel=1e-4)
    assert not expected.toxic
    assert after.health_factor > (before.health_factor or 0)


@pytest.mark.parametrize("market", MARKETS)
def test_below_a_health_of_0_95_all_debt_is_repaid(world: World, market: str) -> None:
    """The close factor is one then: no debt is left, and the bonus on all of it is gone."""
    before = at_health(world, market, 0.9499)
    terms = terms_of(before, close_factor=1.0)
    liquidate(world, market, before.owner)
    after = world.read(market, [before.owner])[0]

    assert (0, None) == (after.debt_value, after.health_factor)
    assert terms.liquidation_bonus == pytest.approx(
        (before.equity_value - after.equity_value) / before.debt_value, abs=1e-4
    )


@pytest.mark.parametrize("market", MARKETS)
def test_beyond_the_toxic_point_a_liquidation_leaves_nothing(world: World, market: str) -> None:
    """Past a loan-to-value of 1/(1+β) repaying takes more collateral than there is: the spiral ends with none of it."""
    whole = at_health(world, market, 0.99)
    assert whole.liquidation_threshold is not None
    toxic = terms_of(whole).toxic_loan_to_value
    for beyond, left in ((1.01, False), (0.99, True)):
        snapshot = world.rpc("evm_snapshot")
        account = at_health(world, market, whole.liquidation_threshold / BPS / (toxic * beyond))
        assert left == (account.debt_value / account.collateral_value < toxic)
        liquidate(world, market, account.owner)
        after = world.read(market, [account.owner])[0]
        assert left == (after.collateral_value > 0.005 * account.collateral_value)
        world.rpc("evm_revert", snapshot)
