"""The named accounts' positions, opened by their owners' own transactions."""

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from localworld.context import Site, data
from localworld.deploy import feeds
from localworld.deploy.lending import VARIABLE_RATE, settle_ltv


def deploy(site: Site) -> None:
    """Open every position on every market, spend what was borrowed, then settle the LTVs."""
    accounts = data("accounts")["account"]
    for market in site.markets:
        for account in accounts:
            position = account.get(market, account.get("main"))
            if position:
                _open(site, market, site.users[account["name"]], position)
    for account in accounts:
        _fill_wallet(site, site.users[account["name"]], account.get("wallet", {}))
    settle_ltv(site)


def _open(site: Site, market: str, user: str, position: Mapping[str, Any]) -> None:
    pool = site.markets[market]["market"]["pool"]
    as_user = partial(site.chain.send, pool, sender=user)
    for symbol, price in position.get("priced", {}).items():
        feeds.set_price(site, symbol, Decimal(price))
    if "e_mode" in position:
        as_user("setUserEMode(uint8)", position["e_mode"])
    for symbol, amount in position["supply"].items():
        token = site.tokens[symbol]
        units = token.units(amount)
        site.transfer(symbol, user, units)
        site.approve(symbol, pool, units, sender=user)
        as_user("supply(address,uint256,address,uint16)", token.address, units, user, 0)
    for symbol in position.get("disabled", []):
        as_user("setUserUseReserveAsCollateral(address,bool)", site.tokens[symbol].address, False)
    for symbol, amount in position.get("borrow", {}).items():
        token = site.tokens[symbol]
        borrowed = (token.address, token.units(amount), VARIABLE_RATE, 0, user)
        as_user("borrow(address,uint256,uint256,uint16,address)", *borrowed)
        site.transfer(symbol, site.chain.owner, token.units(amount), sender=user)
    for symbol in position.get("priced", {}):
        feeds.set_price(site, symbol, site.tokens[symbol].price)


def _fill_wallet(site: Site, user: str, wallet: Mapping[str, str]) -> None:
    for symbol, amount in wallet.items():
        site.transfer(symbol, user, site.tokens[symbol].units(amount))
