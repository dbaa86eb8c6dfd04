"""Morpho Blue: the real contract at its Ethereum mainnet address, its rate model, markets, and who uses them."""

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from localworld.chain import ZERO_ADDRESS, constructor
from localworld.context import Site, data
from localworld.deploy import feeds

PARAMS = "(address,address,address,address,uint256)"
WAD_DECIMALS = 18
Params = tuple[str, str, str, str, int]


def deploy(site: Site) -> None:
    """Place the contracts, create the markets, lend in them, and let the lender borrow what sets the rates."""
    config = data("morpho")
    morpho, model, chain = config["morpho"], config["rate_model"], site.chain
    chain.place(morpho, constructor(_compiled(site, "morpho-blue", "Morpho"), "(address)", chain.owner))
    chain.place(model, constructor(_compiled(site, "own", "AdaptiveCurveIrm"), "(address)", morpho))
    for rate_model in (model, ZERO_ADDRESS):
        chain.send(morpho, "enableIrm(address)", rate_model)
    for lltv in dict.fromkeys(market["lltv"] for market in config["market"]):
        chain.send(morpho, "enableLltv(uint256)", _wad(lltv))
    for market in config["market"]:
        _create(site, config, market)
        _use(site, config, market, site.lender, {**market, "collateral": market.get("pledged")})
    site.manifest["morpho_blue"] = {
        "morpho": morpho,
        "rate_model": model,
        "markets": {market["name"]: _described(market) for market in config["market"]},
    }


def open_positions(site: Site) -> None:
    """Open the named accounts' positions by their own transactions, and spend what was borrowed."""
    config = data("morpho")
    markets = {market["name"]: market for market in config["market"]}
    for account in data("accounts")["account"]:
        for name, position in account.get("morpho", {}).items():
            user, market = site.users[account["name"]], markets[name]
            _use(site, config, market, user, position)
            if "borrowed" in position:
                amount = site.tokens[market["loan"]].units(position["borrowed"])
                site.transfer(market["loan"], site.chain.owner, amount, sender=user)


def _create(site: Site, config: Mapping[str, Any], market: Mapping[str, Any]) -> None:
    if "oracle" in market:
        loan, collateral = site.tokens[market["loan"]], site.tokens[market["collateral"]]
        code = _compiled(site, "own", "MorphoOracle")
        arguments = (collateral.feed, loan.feed, collateral.decimals, loan.decimals)
        site.chain.place(market["oracle"], constructor(code, "(address,address,uint256,uint256)", *arguments))
    params = _params(site, config, market)
    if market["id"] != (found := "0x" + keccak(encode([PARAMS], [params])).hex()):
        raise ValueError(f"{market['name']} is the market {found}, not {market['id']}")
    site.chain.send(config["morpho"], f"createMarket({PARAMS})", params)


def _use(
    site: Site, config: Mapping[str, Any], market: Mapping[str, Any], user: str, position: Mapping[str, Any]
) -> None:
    """Lend, pledge and borrow for `user`, at the prices of the position while it is opened."""
    for symbol, price in position.get("priced", {}).items():
        feeds.set_price(site, symbol, Decimal(price))
    params = _params(site, config, market)
    send = partial(site.chain.send, config["morpho"], sender=user)
    if "lent" in position:
        amount = _fund(site, config["morpho"], user, market["loan"], position["lent"])
        send(f"supply({PARAMS},uint256,uint256,address,bytes)", params, amount, 0, user, b"")
    if position.get("collateral"):
        amount = _fund(site, config["morpho"], user, market["collateral"], position["collateral"])
        send(f"supplyCollateral({PARAMS},uint256,address,bytes)", params, amount, user, b"")
    if "borrowed" in position:
        amount = site.tokens[market["loan"]].units(position["borrowed"])
        send(f"borrow({PARAMS},uint256,uint256,address,address)", params, amount, 0, user, user)
    for symbol in position.get("priced", {}):
        feeds.set_price(site, symbol, site.tokens[symbol].price)


def _fund(site: Site, morpho: str, user: str, symbol: str, amount: str) -> int:
    units = site.tokens[symbol].units(amount)
    site.transfer(symbol, user, units)
    site.approve(symbol, morpho, units, sender=user)
    return units


def _params(site: Site, config: Mapping[str, Any], market: Mapping[str, Any]) -> Params:
    is_idle = "oracle" not in market
    return (
        site.tokens[market["loan"]].address,
        ZERO_ADDRESS if is_idle else site.tokens[market["collateral"]].address,
        ZERO_ADDRESS if is_idle else market["oracle"],
        ZERO_ADDRESS if is_idle else config["rate_model"],
        _wad(market["lltv"]),
    )


def _described(market: Mapping[str, Any]) -> dict[str, str]:
    return {key: market[key] for key in ("id", "loan", "collateral", "oracle", "lltv") if key in market}


def _compiled(site: Site, group: str, name: str) -> bytes:
    return site.artifacts.compiled(group, name).linked({})


def _wad(share: str) -> int:
    return int(Decimal(share).scaleb(WAD_DECIMALS))
