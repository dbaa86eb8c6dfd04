"""The questions that a GMX v2 read asks: of the Reader, of the DataStore, and of the feeds and tokens that it names."""

from __future__ import annotations

from collections.abc import Mapping

from defilev.abi import interface
from defilev.abi.address import ZERO_ADDRESS
from defilev.model.book import MarketEntry
from defilev.model.request import Address, Call
from defilev.protocols.gmx_v2.keys import data_key, position_key, positions_key
from defilev.protocols.gmx_v2.state import Market, Position, TokenPrice

__all__ = [
    "FEED_CALLS",
    "HEAD_CALLS",
    "MARKET_CALLS",
    "OWNER_CALLS",
    "PAGE",
    "POSITION_CALLS",
    "TOKEN_CALLS",
    "feed_calls",
    "head_calls",
    "market_call",
    "market_terms_calls",
    "owner_calls",
    "page_calls",
    "position_calls",
    "token_calls",
]

PAGE = 100
HEAD_CALLS = 3
OWNER_CALLS = 2
TOKEN_CALLS = 6
FEED_CALLS = 2
MARKET_CALLS = 11
POSITION_CALLS = 2
NO_POSITION = bytes(32)
Prices = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


def head_calls(entry: MarketEntry) -> list[Call]:
    """Ask for the layout of a position, the first page of markets, and the smallest collateral, `HEAD_CALLS` calls.

    The Reader answers the key of a position that nobody has with zeros, as many as its version has fields.
    """
    reader, store = entry.entry_points["reader"], entry.entry_points["data_store"]
    functions = interface("gmx_reader")
    return [
        functions["getPosition"].call(reader, store, NO_POSITION),
        functions["getMarkets"].call(reader, store, 0, PAGE),
        _uint(store, data_key("MIN_COLLATERAL_USD")),
    ]


def owner_calls(entry: MarketEntry, owner: Address) -> list[Call]:
    """Ask how many positions an owner has, and for the first page of them, `OWNER_CALLS` calls."""
    store = entry.entry_points["data_store"]
    count = interface("gmx_data_store")["getBytes32Count"].call(store, positions_key(owner))
    return [count, *page_calls(entry, owner, 0)]


def page_calls(entry: MarketEntry, owner: Address, start: int) -> list[Call]:
    """Ask for a page of positions; the Reader reverts when an owner has fewer than `start`."""
    reader, store = entry.entry_points["reader"], entry.entry_points["data_store"]
    return [interface("gmx_reader")["getAccountPositions"].call(reader, store, owner, start, start + PAGE)]


def market_call(entry: MarketEntry, market: Address) -> Call:
    """Ask for the tokens of a market that the first page does not have."""
    return interface("gmx_reader")["getMarket"].call(
        entry.entry_points["reader"], entry.entry_points["data_store"], market
    )


def token_calls(entry: MarketEntry, token: Address) -> list[Call]:
    """Ask for a token's feed, the terms on which the contracts use it, symbol and decimals, `TOKEN_CALLS` calls.

    An index need not be a token: then it answers neither of the last two.
    """
    store = entry.entry_points["data_store"]
    names = ("PRICE_FEED_MULTIPLIER", "PRICE_FEED_HEARTBEAT_DURATION", "STABLE_PRICE")
    return [
        interface("gmx_data_store")["getAddress"].call(store, data_key("PRICE_FEED", token)),
        *(_uint(store, data_key(name, token)) for name in names),
        interface("erc20")["symbol"].call(token),
        interface("erc20")["decimals"].call(token),
    ]


def feed_calls(feed: Address) -> list[Call]:
    """Ask a feed for its latest answer and its decimals, `FEED_CALLS` calls."""
    return [interface("price_feed")[name].call(feed) for name in ("latestRoundData", "decimals")]


def market_terms_calls(
    entry: MarketEntry, market: Market, prices: Mapping[Address, TokenPrice], *, is_long: bool
) -> list[Call]:
    """Ask what a market charges one side and what it requires, `MARKET_CALLS` calls."""
    reader, store = entry.entry_points["reader"], entry.entry_points["data_store"]
    name = market.market
    return [
        interface("gmx_reader")["getMarketInfo"].call(reader, store, _prices(market, prices), name),
        _uint(store, data_key("CUMULATIVE_BORROWING_FACTOR", name, is_long)),
        _uint(store, data_key("CUMULATIVE_BORROWING_FACTOR_UPDATED_AT", name, is_long)),
        _uint(store, data_key("MIN_COLLATERAL_FACTOR", name)),
        _uint(store, data_key("MIN_COLLATERAL_FACTOR_FOR_LIQUIDATION", name)),
        _uint(store, data_key("MAX_POSITION_IMPACT_FACTOR", name, True)),
        _uint(store, data_key("MAX_POSITION_IMPACT_FACTOR_FOR_LIQUIDATIONS", name)),
        *(
            _uint(store, data_key("OPEN_INTEREST", name, token, side))
            for side in (is_long, not is_long)
            for token in (market.long, market.short)
        ),
    ]


def position_calls(
    entry: MarketEntry, position: Position, market: Market, prices: Mapping[Address, TokenPrice]
) -> list[Call]:
    """Ask what closing the whole position would cost now, and the Reader's verdict, `POSITION_CALLS` calls."""
    points, functions = entry.entry_points, interface("gmx_reader")
    head = (points["data_store"], points["referral_storage"], _key(position))
    asked = _prices(market, prices)
    tokens = (market.market, market.index, market.long, market.short)
    return [
        functions["getPositionInfo"].call(points["reader"], *head, asked, 0, ZERO_ADDRESS, True),
        functions["isPositionLiquidatable"].call(points["reader"], *head, tokens, asked, True, True),
    ]


def _key(position: Position) -> bytes:
    return position_key(position.owner, position.market, position.collateral, is_long=position.is_long)


def _prices(market: Market, prices: Mapping[Address, TokenPrice]) -> Prices:
    index, long, short = (prices[token] for token in (market.index, market.long, market.short))
    return (index.low, index.high), (long.low, long.high), (short.low, short.high)


def _uint(store: Address, key: bytes) -> Call:
    return interface("gmx_data_store")["getUint"].call(store, key)
