"""Positions on the real contracts that are valid by construction: everything in them was accepted by the market."""

from __future__ import annotations

from defilev.abi import interface
from defilev.model.request import Address
from defilev.units import BPS
from tests.support.isolated_positions import open_isolated
from tests.support.recipes import Opened, Recipe, recipes
from tests.support.wallets import accepted, amount_of, approve, call, give
from tests.support.world import World

__all__ = ["Opened", "Recipe", "amount_of", "approve", "give", "open_position", "recipes"]

VARIABLE_RATE = 2


def open_position(world: World, market: str, recipe: Recipe) -> Opened:
    """Make the position on the market's contract; what that refuses is left out."""
    if world.isolated(market) is not None:
        return open_isolated(world, market, recipe)
    opened = Opened(recipe.owner)
    pool = world.pool(market)
    functions = interface("aave_v3_pool")
    for symbol, cents in recipe.supplies.items():
        amount = amount_of(world, symbol, cents)
        give(world, symbol, recipe.owner, amount)
        approve(world, symbol, recipe.owner, pool)
        token = world.token(symbol)
        call = functions["supply"].encode(token, amount, recipe.owner, 0)
        if not accepted(world, opened, pool, call, f"supply {symbol}"):
            continue
        if symbol in recipe.disabled:
            call = functions["setUserUseReserveAsCollateral"].encode(token, False)
            accepted(world, opened, pool, call, f"disable {symbol}")
    if recipe.e_mode:
        accepted(world, opened, pool, functions["setUserEMode"].encode(1), "e-mode")
    for symbol, share in recipe.borrows.items():
        borrow(world, market, opened, symbol, share)
    world.advance(recipe.elapsed)
    return opened


def borrow(world: World, market: str, opened: Opened, symbol: str, share: int) -> None:
    """Borrow `share` basis points of what the pool still lends the owner."""
    pool = world.pool(market)
    functions = interface("aave_v3_pool")
    figures = functions["getUserAccountData"].decode(
        call(world, pool, functions["getUserAccountData"].encode(opened.owner))
    )
    token = world.token(symbol)
    oracle = Address(world.description["markets"][market]["oracle"])
    price = int.from_bytes(call(world, oracle, interface("aave_v3_oracle")["getAssetPrice"].encode(token)), "big")
    decimals = world.description["tokens"][symbol]["decimals"]
    amount = figures[2] * share * 10**decimals // (BPS * price)
    data = functions["borrow"].encode(token, amount, VARIABLE_RATE, 0, opened.owner)
    accepted(world, opened, pool, data, f"borrow {symbol}")
