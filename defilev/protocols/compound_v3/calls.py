"""The questions that a Compound v3 read asks; all of the Comet itself, and of tokens and feeds that it names."""

from __future__ import annotations

from collections.abc import Sequence

from defilev.abi import interface
from defilev.model.request import Address, Call

__all__ = [
    "ASSET_CALLS",
    "BASE_CALLS",
    "MARKET_GETTERS",
    "USER_GETTERS",
    "asset_calls",
    "asset_info_calls",
    "base_calls",
    "collateral_calls",
    "market_calls",
    "user_calls",
]

MARKET_GETTERS = (
    "baseToken",
    "baseTokenPriceFeed",
    "baseScale",
    "baseBorrowMin",
    "numAssets",
    "totalsBasic",
    "getUtilization",
    "supplyKink",
    "supplyPerSecondInterestRateBase",
    "supplyPerSecondInterestRateSlopeLow",
    "supplyPerSecondInterestRateSlopeHigh",
    "borrowKink",
    "borrowPerSecondInterestRateBase",
    "borrowPerSecondInterestRateSlopeLow",
    "borrowPerSecondInterestRateSlopeHigh",
)
USER_GETTERS = ("userBasic", "balanceOf", "borrowBalanceOf", "isBorrowCollateralized", "isLiquidatable")
BASE_CALLS = 5
ASSET_CALLS = 5


def market_calls(comet: Address) -> list[Call]:
    """Ask what holds for everybody, in the order of `MARKET_GETTERS`."""
    functions = interface("comet")
    return [functions[name].call(comet) for name in MARKET_GETTERS]


def user_calls(comet: Address, owners: Sequence[Address]) -> list[Call]:
    """Ask for the base position and the contract's own figures and verdicts, in the order of `USER_GETTERS`."""
    functions = interface("comet")
    return [functions[name].call(comet, owner) for owner in owners for name in USER_GETTERS]


def asset_info_calls(comet: Address, count: int) -> list[Call]:
    """Ask for the terms of each collateral."""
    function = interface("comet")["getAssetInfo"]
    return [function.call(comet, index) for index in range(count)]


def base_calls(comet: Address, base: Address, feed: Address) -> list[Call]:
    """Ask for the base token's symbol, what the market holds of it, and its price, `BASE_CALLS` calls."""
    token = interface("erc20")
    return [token["symbol"].call(base), token["balanceOf"].call(base, comet), *_price_calls(comet, feed)]


def asset_calls(comet: Address, asset: Address, feed: Address) -> list[Call]:
    """Ask for a collateral's symbol, the total supplied, and its price, `ASSET_CALLS` calls."""
    total = interface("comet")["totalsCollateral"]
    return [interface("erc20")["symbol"].call(asset), total.call(comet, asset), *_price_calls(comet, feed)]


def collateral_calls(comet: Address, owners: Sequence[Address], assets: Sequence[Address]) -> list[Call]:
    """Ask for what each of `owners` has of each of `assets`."""
    function = interface("comet")["userCollateral"]
    return [function.call(comet, owner, asset) for owner in owners for asset in assets]


def _price_calls(comet: Address, feed: Address) -> list[Call]:
    source = interface("price_feed")
    price = interface("comet")["getPrice"].call(comet, feed)
    return [price, source["latestRoundData"].call(feed), source["description"].call(feed)]
