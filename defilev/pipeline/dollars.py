"""What one unit of a market's quote currency is in dollars, so that accounts of several currencies can be added up."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal

from defilev.errors import PriceMissing
from defilev.model.account import LendingAccount
from defilev.model.exposure import plain_symbol
from defilev.model.request import Address
from defilev.protocols import PROTOCOLS
from defilev.units import to_decimal

__all__ = ["dollars_of", "is_in_dollars", "oracle_price"]

_DOLLARS = "USD"
_MOST = 2


def is_in_dollars(account: LendingAccount) -> bool:
    """Tell whether an account's values are in dollars: not where a token of anybody's making may be called so."""
    return account.quote == _DOLLARS and not account.deployment


def dollars_of(
    account: LendingAccount, accounts: Sequence[LendingAccount], *, named: Collection[str] = ()
) -> Decimal | None:
    """Return the dollars in one unit of the quote currency of `account`, `None` when nobody can be believed.

    A token that is the currency is priced by the first market in dollars among `accounts` that lists it: they are
    accounts of the same chain. Anybody can make an isolated market with an oracle of theirs, and supply in it for
    somebody else. So what is held there without a debt is believed only when markets in dollars list its tokens too,
    and make it half as much at least.

    Args:
        account: what is to be valued.
        accounts: what else was read on the chain.
        named: ids of isolated markets that the address book names; these are believed.
    """
    if is_in_dollars(account):
        return Decimal(1)
    tokens = PROTOCOLS[account.protocol].tokens(account)
    prices = {token.address: _listed_price(token.address, accounts) for token in tokens}
    name = plain_symbol(account.quote)
    quote = next((prices[token.address] for token in tokens if plain_symbol(token.symbol) == name), None)
    is_ours = not account.deployment or bool(account.debt_value) or account.market in named
    return quote if is_ours or quote is None or _is_likely(account, prices, quote) else None


def _is_likely(account: LendingAccount, prices: Mapping[Address, Decimal | None], quote: Decimal) -> bool:
    """Tell whether an account is worth no more than twice what markets in dollars say of what it holds."""
    held = Decimal(0)
    for leg in account.legs:
        price = prices[leg.asset.address]
        if price is None:
            return False
        held += price * to_decimal(leg.amount, leg.asset.decimals)
    return to_decimal(account.collateral_value, account.quote_decimals) * quote <= _MOST * held


def _listed_price(asset: Address, accounts: Sequence[LendingAccount]) -> Decimal | None:
    """Return the price of an asset in the first market in dollars that lists it; `None` when none does."""
    prices = (oracle_price(account, asset) for account in accounts if is_in_dollars(account))
    return next((price for price in prices if price is not None), None)


def oracle_price(account: LendingAccount, asset: Address) -> Decimal | None:
    """Return the price of one whole token in the market of `account`; `None` when it lists none, or has no price."""
    protocol = PROTOCOLS[account.protocol]
    token = next((token for token in protocol.tokens(account) if token.address == asset), None)
    if token is None:
        return None
    try:
        return to_decimal(protocol.value_down(account, asset, 10**token.decimals), account.quote_decimals)
    except PriceMissing:
        return None
