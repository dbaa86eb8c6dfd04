"""Rates after an action: what the pool stores then, on both rate strategies."""

from __future__ import annotations

import pytest

from defilev.abi import interface
from defilev.model.account import LendingAccount
from defilev.model.request import Address
from defilev.observe.drive import drive
from defilev.protocols.aave_family.rates import MarketRates, rates_after, read_rates, utilisation
from defilev.units import RAY
from tests.support.world import World

MARKETS = ("main", "spark")


def market_rates(world: World, market: str, symbol: str) -> tuple[LendingAccount, MarketRates]:
    """Read an account and what the rates of one asset depend on."""
    block = world.head()
    account = world.read(market, [world.account("comfortable")], block=block)[0]
    (found,) = drive(read_rates(account, [world.token(symbol)]), world.reader(block).fetch)
    return account, found


def stored(world: World, market: str, symbol: str) -> tuple[int, int, int]:
    """Return the supply and borrow rate that the pool stores, and when it did."""
    function = interface("aave_v3_pool")["getReserveData"]
    data = function.encode(world.token(symbol))
    answer = world.rpc("eth_call", {"to": world.pool(market), "data": "0x" + data.hex()}, "latest")
    words = function.decode(bytes.fromhex(answer[2:]))
    return words[2], words[4], words[6]


def act(world: World, market: str, owner: Address, name: str, *arguments: object) -> None:
    """Send a call to the pool that must succeed."""
    data = interface("aave_v3_pool")[name].encode(*arguments)
    assert world.send(owner, world.pool(market), data)["status"] == "0x1"


@pytest.mark.world
@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("amount", [1, 1_000_000_000, 17_000_000_123])
def test_rates_after_a_borrow_are_the_pools(world: World, market: str, amount: int) -> None:
    """The rates predicted for a borrow equal, to the last digit, those that the pool stores (protocols: §1.12)."""
    _, rates = market_rates(world, market, "USDC")
    owner = world.account("comfortable")
    act(world, market, owner, "borrow", world.token("USDC"), amount, 2, 0, owner)
    supply, borrow, at = stored(world, market, "USDC")
    predicted = rates_after(rates, borrowed=amount, at=at)
    assert (supply, borrow) == (predicted.supply, predicted.borrow)


@pytest.mark.world
@pytest.mark.parametrize("market", MARKETS)
def test_rates_after_a_withdrawal_are_the_pools(world: World, market: str) -> None:
    """Withdrawing liquidity raises the rates to exactly what the pool stores."""
    _, rates = market_rates(world, market, "WETH")
    owner = world.account("comfortable")
    act(world, market, owner, "withdraw", world.token("WETH"), 10**18, owner)
    supply, borrow, at = stored(world, market, "WETH")
    predicted = rates_after(rates, supplied=-(10**18), at=at)
    assert (supply, borrow) == (predicted.supply, predicted.borrow)


@pytest.mark.world
@pytest.mark.parametrize("market", MARKETS)
def test_borrow_rate_bends_at_the_kink(world: World, market: str) -> None:
    """Borrowing what is left of the pool brings the rate from the first slope to the end of the second."""
    _, rates = market_rates(world, market, "USDC")
    assert 0 < utilisation(rates, at=rates.at) < rates.curve.optimal_usage
    at_the_end = rates.borrow_rate(borrowed=rates.liquidity)
    curve = rates.curve
    assert curve.base + curve.slope_1 + curve.slope_2 == at_the_end
    assert rates.borrow_rate(borrowed=0) < curve.base + curve.slope_1
    assert RAY > at_the_end
