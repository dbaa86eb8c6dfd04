from __future__ import annotations

import os

import pytest
from hypothesis import event, given, settings, strategies as st

from defilev.errors import SelfCheckFailed
from tests.support.positions import Recipe, open_position, recipes
from tests.support.world import MARKETS, World

pytestmark = pytest.mark.world

PRICE_IS_THE_GAS_LEFT = "0x5a60010160005260206000f3"
"""Answers every call with the gas that is left plus one: no two reads of the feed agree."""
EXAMPLES = int(os.environ.get("DEFILEV_READING_EXAMPLES", "3000" if os.environ.get("DEFILEV_FULL") else "100"))


@pytest.mark.parametrize("market", MARKETS)
def test_every_position_is_read_to_the_wei(market: str, world_session: World) -> None:
    """Whatever the pool accepts, every figure of the account equals the contract's, now and after time passes."""

    @settings(max_examples=EXAMPLES)
    @given(recipe=recipes(market), later=st.sampled_from((0, 1, 12, 86_400, 3 * 365 * 86_400)))
    def check(recipe: Recipe, later: int) -> None:
        snapshot = world_session.rpc("evm_snapshot")
        try:
            opened = open_position(world_session, market, recipe)
            (now,) = world_session.read(market, [recipe.owner])
            if later:
                world_session.advance(later)
            (after,) = world_session.read(market, [recipe.owner])
        finally:
            world_session.rpc("evm_revert", snapshot)
        event(f"{sum(leg.side == 'borrow' for leg in now.legs)} debts, refused {len(opened.refused)}")

        assert now.self_check.result == after.self_check.result == "exact"
        assert now.contract_health_factor == now.health_factor
        assert {leg.asset.symbol for leg in now.legs if leg.side == "supply"} <= set(recipe.supplies)

    check()


@pytest.mark.parametrize("market", MARKETS)
def test_named_accounts_are_read_to_the_wei_at_every_block(market: str, world: World) -> None:
    """Every named account is exact at the newest block, at older ones, and a year later."""
    owners = list(world.accounts().values())
    head = world.head()
    world.advance(365 * 86_400)

    for block in (head, world.node.block(head.number - 20), world.head()):
        accounts = world.read(market, owners, block=block)
        assert {account.self_check.result for account in accounts} == {"exact"}
        assert [account.owner for account in accounts] == owners


@pytest.mark.parametrize("market", MARKETS)
def test_moved_prices_are_read_to_the_wei(market: str, world: World) -> None:
    """A fall of ETH moves WETH and wstETH together, and the accounts stay exact."""
    owners = list(world.accounts().values())
    before = {account.owner: account for account in world.read(market, owners)}
    world.set_price("WETH", 2_100 * 10**8)
    after = world.read(market, owners)

    loop = world.account("loop")
    assert {account.self_check.result for account in after} == {"exact"}
    now = next(account for account in after if account.owner == loop)
    assert now.health_factor == pytest.approx(before[loop].health_factor, rel=1e-5)


def test_a_lying_figure_is_an_error(world: World) -> None:
    """When the pool's own figure is not the sum of its parts the read fails and names both numbers."""
    owner = world.account("comfortable")
    world.rpc("anvil_setCode", world.description["feeds"]["WETH"]["address"], PRICE_IS_THE_GAS_LEFT)

    with pytest.raises(SelfCheckFailed) as caught:
        world.read("main", [owner])

    assert caught.value.facts["computed"] != caught.value.facts["contract"]
