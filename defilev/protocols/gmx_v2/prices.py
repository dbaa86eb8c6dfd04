"""Prices of GMX's tokens: the DataStore's on-chain feeds, and beside them a ticker file, with the spread between.

Keepers execute at prices that data streams sign outside the chain. A feed's answer is near them, and the only one that
is the same for everybody at a past block; GMX's own ticker has the two sides that executions use.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from defilev.abi import interface
from defilev.abi.address import ZERO_ADDRESS
from defilev.abi.answers import decode_one, decode_optional, token_symbol
from defilev.errors import PriceMissing
from defilev.model.request import Address, Results
from defilev.model.token import Token
from defilev.protocols.gmx_v2.decode import uint
from defilev.protocols.gmx_v2.state import FACTOR, TokenPrice
from defilev.protocols.gmx_v2.tickers import Ticker
from defilev.units import mul_div_down

__all__ = ["FeedTerms", "decode_feed_terms", "decode_price", "spread"]

MULTIPLIER_DECIMALS = 60
"""A feed's answer times the multiplier has these, and the token's base units take theirs of them."""


@dataclass(frozen=True, slots=True)
class FeedTerms:
    """How the contracts take a token's price from the chain.

    `feed` is `None` for a token whose prices only data streams have. `heartbeat` is the seconds after which the
    contracts refuse an answer; `stable_price` is what the other side of the price is at least as far as, 0 for none.
    `decimals` are what the token itself says, `None` for an index that is no token.
    """

    token: Address
    symbol: str
    feed: Address | None
    multiplier: int
    heartbeat: int
    stable_price: int
    decimals: int | None


def decode_feed_terms(token: Address, results: Results) -> FeedTerms:
    """Return the answers to `token_calls`."""
    feed: Address = decode_one(interface("gmx_data_store")["getAddress"], results[0], what="DataStore")
    multiplier, heartbeat, stable_price = (uint(result) for result in results[1:4])
    decimals = decode_optional(interface("erc20")["decimals"], results[5])
    return FeedTerms(
        token=token,
        symbol=token_symbol(token, results[4]),
        feed=None if feed == ZERO_ADDRESS else feed,
        multiplier=multiplier,
        heartbeat=heartbeat,
        stable_price=stable_price,
        decimals=decimals[0] if decimals else None,
    )


def decode_price(terms: FeedTerms, results: Results, *, ticker: Ticker | None, at: int) -> TokenPrice:
    """Return a token's price from the answers to `feed_calls` of its feed, none without one; a ticker comes first.

    Raises:
        PriceMissing: there is neither a ticker nor a feed with an answer that the contracts would take.
    """
    answer, updated_at, decimals = _round(terms, results, at=at, needed=ticker is None)
    low, high = (ticker.low, ticker.high) if ticker else _sides(answer or 0, terms.stable_price)
    return TokenPrice(
        token=Token(terms.token, terms.symbol, decimals),
        low=low,
        high=high,
        feed=terms.feed,
        feed_price=answer,
        updated_at=ticker.updated_at if ticker else updated_at,
        from_ticker=ticker is not None,
    )


def _round(terms: FeedTerms, results: Results, *, at: int, needed: bool) -> tuple[int | None, int | None, int]:
    """Return the feed's price, its age and the token's decimals; the first two `None` when a ticker stands for them."""
    decimals, price, updated_at, why = terms.decimals, None, None, "the DataStore has no feed for it"
    if terms.feed is not None:
        functions = interface("price_feed")
        found = decode_optional(functions["latestRoundData"], results[0])
        feed_decimals = decode_optional(functions["decimals"], results[1])
        if feed_decimals and terms.multiplier:
            decimals = MULTIPLIER_DECIMALS - feed_decimals[0] - (len(str(terms.multiplier)) - 1)
        answer, updated_at = (found[1], found[3]) if found else (0, None)
        price = mul_div_down(answer, terms.multiplier, FACTOR) if answer > 0 else None
        why = "its feed gives no price"
        if price and updated_at is not None and at - updated_at > terms.heartbeat:
            why, price = (
                f"its feed last answered {at - updated_at} s ago, and GMX takes at most {terms.heartbeat} s",
                None,
            )
    if decimals is None or (needed and not price):
        raise PriceMissing(
            f"GMX has no price of {terms.symbol} on the chain: {why}",
            fix="give GMX's ticker with --tickers FILE, or its URL",
            asset=terms.token,
            feed=terms.feed,
        )
    return price, updated_at, decimals


def _sides(price: int, stable_price: int) -> tuple[int, int]:
    """Return the low and the high price: for a coin that is meant to be stable, up to where it is meant to be."""
    return (min(price, stable_price), max(price, stable_price)) if stable_price else (price, price)


def spread(price: TokenPrice) -> Decimal | None:
    """Return how far the middle of the ticker's sides is from the feed, as a part of the feed's price."""
    if not price.from_ticker or not price.feed_price:
        return None
    return Decimal(price.low + price.high) / (2 * price.feed_price) - 1
