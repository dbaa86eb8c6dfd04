"""What both Aave markets have in common: their lender, the token addresses, the last change of LTV."""

from collections.abc import Mapping
from typing import Any

from eth_utils.address import to_checksum_address

from localworld.context import Site

VARIABLE_RATE = 2
ENTRY = ("protocol", "market")


def expect(address: str, found: str) -> None:
    """Stop the build when a contract is not at its real address."""
    if found.lower() != address.lower():
        raise ValueError(f"a contract is at {found}, not at its real address {address}")


def lend(site: Site, config: Mapping[str, Any]) -> None:
    """Supply for the lender, then let the lender borrow, and write the market into the manifest."""
    market, chain = config["market"], site.chain
    pool = market["pool"]
    for reserve in config["reserve"]:
        token = site.tokens[reserve["symbol"]]
        amount = token.units(reserve["lent"])
        site.approve(token.symbol, pool, amount)
        signature = "supply(address,uint256,address,uint16)"
        chain.send(pool, signature, token.address, amount, site.lender, 0)
    for reserve in config["reserve"]:
        token = site.tokens[reserve["symbol"]]
        signature = "borrow(address,uint256,uint256,uint16,address)"
        amount = token.units(reserve["borrowed"])
        chain.send(pool, signature, token.address, amount, VARIABLE_RATE, 0, site.lender, sender=site.lender)
    site.markets[market["name"]] = config
    site.manifest.setdefault("markets", {})[market["name"]] = {
        **{key: value for key, value in market.items() if key in ENTRY or str(value).startswith("0x")},
        "reserves": {reserve["symbol"]: _tokens(site, market, reserve["symbol"]) for reserve in config["reserve"]},
    }


def settle_ltv(site: Site) -> None:
    """Apply `ltv_after`: from now on those collaterals carry no debt, though they still count for health."""
    for config in site.markets.values():
        for reserve in config["reserve"]:
            if "ltv_after" in reserve:
                site.chain.send(
                    config["market"]["configurator"],
                    "configureReserveAsCollateral(address,uint256,uint256,uint256)",
                    site.tokens[reserve["symbol"]].address,
                    reserve["ltv_after"],
                    reserve["threshold"],
                    reserve["bonus"],
                )


def _tokens(site: Site, market: Mapping[str, Any], symbol: str) -> dict[str, str]:
    """The aToken and debt token of a reserve, as the market's data provider tells them."""
    signature, returns = "getReserveTokensAddresses(address)", "(address,address,address)"
    asset = site.tokens[symbol].address
    a_token, _, debt = site.chain.call(market["data_provider"], signature, returns, asset)
    checksummed = [to_checksum_address(address) for address in (a_token, debt)]
    return dict(zip(("a_token", "variable_debt_token"), checksummed, strict=True))
