"""Why a market does not answer for an account: which of its assets have no price; asked only then."""

from __future__ import annotations

from defilev.abi import interface
from defilev.abi.answers import decode_one, decode_optional, token_symbol
from defilev.errors import CallReverted, DataError, PriceMissing
from defilev.model.request import Address, Read
from defilev.protocols.aave_family import calls

__all__ = ["read_cause"]


def read_cause(provider: Address, reverted: CallReverted) -> Read[DataError]:
    """Return the error that names the assets without a price; `reverted` itself when all of them have one.

    A feed that is gone or answers zero makes the oracle revert, and with it the pool for everybody who holds the asset.
    """
    of_provider, of_oracle = interface("aave_v3_addresses_provider"), interface("aave_v3_oracle")
    answers = yield calls.provider_calls(provider)
    if not all(answer.success for answer in answers):
        return reverted
    names = ("getPool", "getPriceOracle")
    pool, oracle = (decode_one(of_provider[name], answers[at], what="provider") for at, name in enumerate(names))
    reserves = interface("aave_v3_pool")["getReservesList"]
    (listed,) = yield [reserves.call(pool)]
    assets = decode_one(reserves, listed, what="pool")
    price = of_oracle["getAssetPrice"]
    found = yield [price.call(oracle, asset) for asset in assets]
    silent = [
        asset for asset, answer in zip(assets, found, strict=True) if not (decode_optional(price, answer) or [0])[0]
    ]
    if not silent:
        return reverted
    symbols = yield [interface("erc20")["symbol"].call(asset) for asset in silent]
    named = ", ".join(token_symbol(asset, symbol) for asset, symbol in zip(silent, symbols, strict=True))
    return PriceMissing(f"the market's oracle has no price for {named}, and the pool does not answer without one")
