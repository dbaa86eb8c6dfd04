"""Where Morpho Blue begins to liquidate and what that takes: our figures against the contract's own `liquidate`."""

from __future__ import annotations

from decimal import Decimal

import pytest

from defilev.abi import interface
from defilev.model.account import LendingAccount
from defilev.model.request import Address
from defilev.protocols import PROTOCOLS
from defilev.protocols.morpho_blue.state import MorphoState
from defilev.units import WAD
from tests.support.isolated_positions import params_of
from tests.support.wallets import approve, give
from tests.support.world import ISOLATED, World

pytestmark = pytest.mark.world

HOLDERS = {"wstETH/USDC": "morpho-near", "wstETH/WETH": "morpho-loop"}
LIQUIDATOR = Address("0x1111111111111111111111111111111111111111")
LIQUIDATE = interface("morpho_blue")["liquidate"]


def read(world: World, market: str, name: str) -> LendingAccount:
    """Return a named account of an isolated market."""
    return world.read(market, [world.account(name)])[0]


def set_oracle(world: World, market: str, price: int) -> None:
    """Put a contract that answers `price` to everything in the oracle's place."""
    world.rpc("anvil_setCode", params_of(world, market).oracle, f"0x7f{price:064x}5f5260205ff3")


def ready(world: World, market: str) -> None:
    """Give the liquidator plenty of the loan token, and let the contract take it."""
    symbol = market.split("/")[1]
    give(world, symbol, LIQUIDATOR, 10**22)
    approve(world, symbol, LIQUIDATOR, world.pool(market))


def liquidated(world: World, market: str, owner: Address, *, seized: int = 0, shares: int = 0) -> tuple[int, ...] | str:
    """Return what `liquidate` says that it seizes and is repaid, or why it refuses; nothing is changed."""
    data = LIQUIDATE.encode(params_of(world, market).words, owner, seized, shares, b"")
    fields = {"from": LIQUIDATOR, "to": world.pool(market), "data": "0x" + data.hex()}
    try:
        answer = world.rpc("eth_call", fields, "latest")
    except AssertionError as refused:
        return str(refused)
    return LIQUIDATE.decode(bytes.fromhex(answer[2:]))


@pytest.mark.parametrize("market", HOLDERS)
def test_the_liquidation_price_is_where_the_contract_turns(world: World, market: str) -> None:
    """At the oracle's price that we name the contract refuses to liquidate, and one unit below it does."""
    ready(world, market)
    account = read(world, market, HOLDERS[market])
    boundary = int(dict(account.details)["liquidation_oracle_price"])

    set_oracle(world, market, boundary)
    assert "position is healthy" in liquidated(world, market, account.owner, seized=1)
    set_oracle(world, market, boundary - 1)
    assert isinstance(liquidated(world, market, account.owner, seized=1), tuple)
    (below,) = world.read(market, [account.owner])
    assert below.health_factor is not None
    assert below.health_factor < WAD


@pytest.mark.parametrize("market", HOLDERS)
def test_a_liquidator_gets_the_incentive_and_may_take_all(world: World, market: str) -> None:
    """Collateral is seized at the incentive factor's discount, and the whole debt can be repaid at once."""
    ready(world, market)
    before = read(world, market, HOLDERS[market])
    set_oracle(world, market, int(dict(before.details)["liquidation_oracle_price"]) * 995 // 1000)
    account = read(world, market, HOLDERS[market])
    state: MorphoState = account.state
    penalty = PROTOCOLS["morpho-blue"].penalty(account)
    taken = liquidated(world, market, account.owner, shares=state.position.borrow_shares)

    assert isinstance(taken, tuple)
    seized, repaid = taken
    assert account.debt_value == repaid
    worth = seized * account.collateral_value // state.position.collateral
    assert penalty is not None
    assert float(1 + penalty.bonus) == pytest.approx(worth / repaid, rel=1e-6)
    assert Decimal(1) == penalty.close_factor
    assert str(int((1 + penalty.bonus) * WAD)) == dict(account.details)["liquidation_incentive_wad"]


def test_whoever_is_liquidatable_by_name_can_be_liquidated(world: World) -> None:
    """The status of every account in every market is what the contract does, debt-free ones included."""
    for market in ISOLATED:
        ready(world, market)
        for account in world.read(market, list(world.accounts().values())):
            below_one = account.health_factor is not None and account.health_factor < WAD
            found = liquidated(world, market, account.owner, seized=1)
            assert below_one == isinstance(found, tuple), f"{market} {account.owner}: {found}"
