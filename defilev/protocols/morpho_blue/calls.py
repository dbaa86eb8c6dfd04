"""The questions that a Morpho Blue read asks; each function says how many calls it makes."""

from __future__ import annotations

from collections.abc import Sequence

from defilev.abi import interface
from defilev.model.request import Address, Call
from defilev.protocols.morpho_blue.state import MarketParams, Totals

__all__ = [
    "MARKET_CALLS",
    "PRICE_CALLS",
    "TOKEN_CALLS",
    "accrual_calls",
    "identity_calls",
    "market_calls",
    "params_call",
    "position_calls",
    "price_calls",
    "rate_call",
    "token_calls",
    "verdict_call",
]

MARKET_CALLS = 2
PRICE_CALLS = 2
TOKEN_CALLS = 2
ONE_UNIT = 1


def identity_calls(morpho: Address) -> list[Call]:
    """Ask what only Morpho answers in this shape, of a market that cannot be: 3 calls."""
    functions, nothing = interface("morpho_blue"), bytes(32)
    return [
        functions["market"].call(morpho, nothing),
        functions["position"].call(morpho, nothing, morpho),
        functions["DOMAIN_SEPARATOR"].call(morpho),
    ]


def params_call(morpho: Address, market_id: str) -> Call:
    """Ask what a market is made of."""
    return interface("morpho_blue")["idToMarketParams"].call(morpho, bytes.fromhex(market_id[2:]))


def market_calls(morpho: Address, market_id: str) -> list[Call]:
    """Ask for a market's stored totals and for who takes the fees, `MARKET_CALLS` calls."""
    functions = interface("morpho_blue")
    return [functions["market"].call(morpho, bytes.fromhex(market_id[2:])), functions["feeRecipient"].call(morpho)]


def position_calls(morpho: Address, market_id: str, owners: Sequence[Address]) -> list[Call]:
    """Ask for each owner's position, one call each."""
    position, raw = interface("morpho_blue")["position"], bytes.fromhex(market_id[2:])
    return [position.call(morpho, raw, owner) for owner in owners]


def price_calls(params: MarketParams) -> list[Call]:
    """Ask the oracle for its price and the rate model for its rate at target, `PRICE_CALLS` calls."""
    return [
        interface("morpho_oracle")["price"].call(params.oracle),
        interface("morpho_rate_model")["rateAtTarget"].call(params.irm, bytes.fromhex(params.id[2:])),
    ]


def token_calls(token: Address) -> list[Call]:
    """Ask for a token's symbol and decimals, `TOKEN_CALLS` calls."""
    functions = interface("erc20")
    return [functions["symbol"].call(token), functions["decimals"].call(token)]


def rate_call(params: MarketParams, totals: Totals) -> Call:
    """Ask the rate model for the average rate since the totals were stored."""
    return interface("morpho_rate_model")["borrowRateView"].call(params.irm, params.words, totals.words)


def accrual_calls(morpho: Address, params: MarketParams) -> list[Call]:
    """Let interest accrue, and ask for the totals that this leaves: 2 calls, which a read does not write down."""
    functions = interface("morpho_blue")
    market = functions["market"].call(morpho, bytes.fromhex(params.id[2:]))
    return [functions["accrueInterest"].call(morpho, params.words), market._replace(chained=True)]


def verdict_call(morpho: Address, params: MarketParams, owner: Address) -> Call:
    """Try to seize one unit of the owner's collateral: the contract first says whether the position is healthy."""
    return interface("morpho_blue")["liquidate"].call(morpho, params.words, owner, ONE_UNIT, 0, b"")
