"""Uniswap v3 from its packages, and pools that stand at the oracle's price."""

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from math import floor, isqrt, log
from typing import Any

from eth_utils.address import to_checksum_address

from localworld.chain import constructor
from localworld.context import Site, Token, data
from localworld.deploy.lending import expect

DEADLINE = 2**40
OBSERVATIONS = 50
PRICE_SCALE = 10**8
UNLIMITED = 2**256 - 1
MINT = "mint((address,address,uint24,int24,int24,uint256,uint256,uint256,uint256,address,uint256))"


def deploy(site: Site) -> None:
    """Place the contracts, open the pools, and let the owner trade against them."""
    config = data("uniswap")
    _contracts(site, config)
    pools = {pool["name"]: _pool(site, config, pool) for pool in config["pool"]}
    names = ("factory", "position_manager", "swap_router", "swap_router_02", "quoter_v2")
    site.manifest["uniswap_v3"] = {name: config[name] for name in names}
    site.manifest["pools"] = pools
    for symbol in site.tokens:
        site.approve(symbol, config["swap_router_02"], UNLIMITED)


def _contracts(site: Site, config: Mapping[str, Any]) -> None:
    chain, weth, factory = site.chain, site.tokens["WETH"].address, config["factory"]
    core = partial(_code, site, "@uniswap/v3-core")
    periphery = partial(_code, site, "@uniswap/v3-periphery")
    routers = partial(_code, site, "@uniswap/swap-router-contracts")
    chain.place(factory, core("UniswapV3Factory"))
    chain.send(factory, "enableFeeAmount(uint24,int24)", 100, 1)
    arguments: tuple[str, ...] = (factory, weth, config["position_descriptor"])
    positions = constructor(periphery("NonfungiblePositionManager"), "(address,address,address)", *arguments)
    chain.place(config["position_manager"], positions)
    chain.place(config["swap_router"], constructor(periphery("SwapRouter"), "(address,address)", factory, weth))
    quoter = periphery("lens/QuoterV2")
    chain.place(config["quoter_v2"], constructor(quoter, "(address,address)", factory, weth))
    arguments = (config["factory_v2"], factory, config["position_manager"], weth)
    router = constructor(routers("SwapRouter02"), "(address,address,address,address)", *arguments)
    chain.place(config["swap_router_02"], router)


def _code(site: Site, package: str, path: str) -> bytes:
    name = path.rpartition("/")[2]
    return site.artifacts.packaged(package, f"artifacts/contracts/{path}.sol/{name}.json").linked({})


def _pool(site: Site, config: Mapping[str, Any], pool: Mapping[str, Any]) -> dict[str, Any]:
    """Open one pool at the oracle's price and fill it; describe it for world.json."""
    chain, manager = site.chain, config["position_manager"]
    one, two = (site.tokens[symbol] for symbol in pool["pair"])
    token0, token1 = (one, two) if int(one.address, 16) < int(two.address, 16) else (two, one)
    sqrt_price, lower, upper = price_range(token0, token1, pool["spacing"], pool["width"])
    pair = (token0.address, token1.address, pool["fee"])
    chain.send(manager, "createAndInitializePoolIfNecessary(address,address,uint24,uint160)", *pair, sqrt_price)
    amounts = [_worth(token, Decimal(pool["usd"])) for token in (token0, token1)]
    for token, amount in zip((token0, token1), amounts, strict=True):
        site.approve(token.symbol, manager, amount)
    chain.send(manager, MINT, (*pair, lower, upper, *amounts, 0, 0, site.lender, DEADLINE))
    for token in (token0, token1):
        site.approve(token.symbol, manager, 0)
    address = chain.call(config["factory"], "getPool(address,address,uint24)", "(address)", *pair)
    expect(pool.get("address", address), address)
    chain.send(address, "increaseObservationCardinalityNext(uint16)", OBSERVATIONS)
    described = {"address": to_checksum_address(address), "token0": token0.symbol, "token1": token1.symbol}
    described |= {key: pool[key] for key in ("fee", "role", "usd", "push") if key in pool}
    return described


def price_range(token0: Token, token1: Token, spacing: int, width: int) -> tuple[int, int, int]:
    """The square root price (X96) at the oracle's price, and the ends of the range `width` ticks around it."""
    numerator = int(token0.price * PRICE_SCALE) * 10**token1.decimals
    denominator = int(token1.price * PRICE_SCALE) * 10**token0.decimals
    tick = floor(log(numerator / denominator) / log(1.0001))
    lower, upper = ((tick + distance) // spacing * spacing for distance in (-width, width))
    return isqrt((numerator << 192) // denominator), lower, upper


def _worth(token: Token, dollars: Decimal) -> int:
    return int((dollars / token.price).scaleb(token.decimals))
