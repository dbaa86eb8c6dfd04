"""Positions in isolated markets on the real contract: everything in them was accepted by it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from defilev.abi import Function, interface
from defilev.model.request import Address
from defilev.protocols.morpho_blue.state import MarketParams
from defilev.units import BPS
from tests.support.recipes import Opened, Recipe
from tests.support.wallets import accepted, amount_of, approve, call, give
from tests.support.world import World

__all__ = ["open_isolated", "params_of"]

ZERO = Address("0x" + "00" * 20)
PARAMS = "(address,address,address,address,uint256)"
SET_FEE = Function("setFee", (("marketParams", PARAMS), ("newFee", "uint256")), ())
SET_RECIPIENT = Function("setFeeRecipient", (("newFeeRecipient", "address"),), ())
PRICES = {"WETH": 3000, "WBTC": 90000}


def params_of(world: World, market: str) -> MarketParams:
    """Return what an isolated market is made of, as the local chain describes it."""
    described = world.isolated(market)
    assert described is not None
    if "oracle" not in described:
        return MarketParams(world.token(described["loan"]), ZERO, ZERO, ZERO, 0)
    return MarketParams(
        loan_token=world.token(described["loan"]),
        collateral_token=world.token(described["collateral"]),
        oracle=Address(described["oracle"]),
        irm=Address(world.description["morpho_blue"]["rate_model"]),
        lltv=int(Decimal(described["lltv"]).scaleb(18)),
    )


def open_isolated(world: World, market: str, recipe: Recipe) -> Opened:
    """Make the position; what the contract refuses is left out."""
    opened, params, functions = Opened(recipe.owner), params_of(world, market), interface("morpho_blue")
    morpho, loan = world.pool(market), market.split("/")[1]
    _set_fee(world, morpho, params, recipe)
    if recipe.lent:
        amount = _fund(world, loan, recipe.owner, morpho, recipe.lent)
        data = functions["supply"].encode(params.words, amount, 0, recipe.owner, b"")
        accepted(world, opened, morpho, data, f"supply {loan}")
    for symbol, cents in recipe.supplies.items():
        amount = _fund(world, symbol, recipe.owner, morpho, cents)
        data = functions["supplyCollateral"].encode(params.words, amount, recipe.owner, b"")
        if accepted(world, opened, morpho, data, f"pledge {symbol}"):
            _borrow(world, opened, morpho, params, amount, recipe)
    world.advance(recipe.elapsed)
    if recipe.price != BPS:
        for symbol, dollars in PRICES.items():
            world.set_price(symbol, dollars * recipe.price * 10**8 // BPS)
    return opened


def _set_fee(world: World, morpho: Address, params: MarketParams, recipe: Recipe) -> None:
    if not recipe.fee:
        return
    operator = Address(world.description["operators"][0]["address"])
    assert world.send(operator, morpho, SET_FEE.encode(params.words, recipe.fee))["status"] == "0x1"
    recipient = recipe.owner if recipe.takes_fee else operator
    assert world.send(operator, morpho, SET_RECIPIENT.encode(recipient))["status"] == "0x1"


def _fund(world: World, symbol: str, owner: Address, morpho: Address, cents: int) -> int:
    amount = amount_of(world, symbol, cents)
    give(world, symbol, owner, amount)
    approve(world, symbol, owner, morpho)
    return amount


def _borrow(
    world: World, opened: Opened, morpho: Address, params: MarketParams, collateral: int, recipe: Recipe
) -> None:
    """Borrow a part of what the collateral carries; nothing is owed before."""
    price = int.from_bytes(call(world, params.oracle, interface("morpho_oracle")["price"].encode()), "big")
    most = collateral * price // 10**36 * params.lltv // 10**18
    for symbol, share in recipe.borrows.items():
        arguments: tuple[Any, ...] = (params.words, most * share // BPS, 0, recipe.owner, recipe.owner)
        accepted(world, opened, morpho, interface("morpho_blue")["borrow"].encode(*arguments), f"borrow {symbol}")
