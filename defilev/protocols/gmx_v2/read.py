"""Reading GMX v2 positions, without input or output: yields batches of calls, is sent their answers.

Four round trips: positions and markets, what each token's price is taken from, the feeds' answers, and everything that
depends on prices; two where the tokens' feeds were known. More than a hundred positions of an owner, or a market beyond
the first hundred, costs one more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from defilev.errors import LayoutUnknown
from defilev.model.book import MarketEntry
from defilev.model.perp import PerpAccount
from defilev.model.request import Address, Block, Call, Read, Results
from defilev.protocols.contract import PerpsRead
from defilev.protocols.gmx_v2 import calls, decode
from defilev.protocols.gmx_v2.account import account_from_state
from defilev.protocols.gmx_v2.check import EXACT_CHECK, checked
from defilev.protocols.gmx_v2.keys import position_key
from defilev.protocols.gmx_v2.prices import FeedTerms, decode_feed_terms, decode_price
from defilev.protocols.gmx_v2.state import Market, Position, PositionState, TokenPrice
from defilev.protocols.gmx_v2.tickers import Tickers

__all__ = ["identify", "read_accounts"]


@dataclass(frozen=True, slots=True)
class _Quote:
    """What a token's price is taken from, and its feed's answers, none without one."""

    terms: FeedTerms
    answers: Results


@dataclass(frozen=True, slots=True)
class _Found:
    """Positions in the owners' order, the first page of markets, and the smallest collateral in dollars.

    `quotes` are what was asked about the tokens whose feeds were known, where they are still those.
    """

    positions: tuple[Position, ...]
    markets: Mapping[Address, Market]
    min_collateral_usd: int
    quotes: Mapping[Address, _Quote]


def identify(entry: MarketEntry) -> Read[None]:
    """Raise unless a Reader of the known version and a DataStore with markets are at the entry points.

    Raises:
        LayoutUnknown: the Reader is of another version, or is none.
        CallReverted: the DataStore is none.
    """
    layout, markets, minimum = yield calls.head_calls(entry)
    decode.probe(layout)
    decode.decode_markets(markets)
    decode.uint(minimum)


def read_accounts(
    entry: MarketEntry,
    owners: Sequence[Address],
    *,
    chain_id: int,
    block: Block,
    metadata: Mapping[str, Any] | None = None,
    tickers: Tickers | None = None,
) -> Read[PerpsRead]:
    """Read every position of `owners`, one account each, in the owners' order and then the contract's.

    Args:
        entry: `reader`, `data_store` and `referral_storage` are used.
        owners: whose positions; they share batches.
        chain_id: the chain, written into the accounts.
        block: the block that every batch is answered at.
        metadata: what an earlier read returned, tokens and their feeds; verified, and read again where one is another.
        tickers: prices that come before the feeds' where it has them; `None` for the feeds alone.

    Raises:
        LayoutUnknown: the Reader is of another version than the one that is known.
        SelfCheckFailed: a figure or a verdict differs from the Reader's.
        PriceMissing: a token that a position needs has no price that the contracts would take, and no ticker.
        TickersUnusable: the ticker has a market's funding the other way round than the chain.
    """
    feeds: dict[Address, Address | None] = dict(metadata["feeds"]) if metadata else {}
    found = yield from _positions(entry, owners, feeds)
    if not found.positions:
        return PerpsRead((), {"feeds": {token: quote.terms.feed for token, quote in found.quotes.items()}})
    markets = yield from _markets(entry, found)
    quotes = yield from _quotes(entry, found, _needed(found.positions, markets))
    prices = {token: _price(quote, tickers, at=block.timestamp) for token, quote in quotes.items()}
    asked = [_asked(entry, position, markets[position.market], prices) for position in found.positions]
    results = yield [call for batch in asked for call in batch]
    size = calls.MARKET_CALLS + calls.POSITION_CALLS
    answers = [results[place * size : (place + 1) * size] for place in range(len(found.positions))]
    read = _Reading(entry, chain_id, block, markets, prices, found.min_collateral_usd, tickers)
    accounts = tuple(read.account(position, each) for position, each in zip(found.positions, answers, strict=True))
    return PerpsRead(accounts, {"feeds": {token: quote.terms.feed for token, quote in quotes.items()}})


def _positions(entry: MarketEntry, owners: Sequence[Address], feeds: Mapping[Address, Address | None]) -> Read[_Found]:
    known = [call for token, feed in feeds.items() for call in _quote_calls(entry, token, feed)]
    listed = [call for owner in owners for call in calls.owner_calls(entry, owner)]
    results = yield [*calls.head_calls(entry), *listed, *known]
    layout, markets, minimum = results[: calls.HEAD_CALLS]
    decode.probe(layout)
    positions: list[Position] = []
    for place, owner in enumerate(owners):
        start = calls.HEAD_CALLS + place * calls.OWNER_CALLS
        positions += yield from _all_of(entry, owner, results[start : start + calls.OWNER_CALLS])
    quotes = _known_quotes(feeds, results[calls.HEAD_CALLS + len(listed) :])
    return _Found(tuple(positions), decode.decode_markets(markets), decode.uint(minimum), quotes)


def _all_of(entry: MarketEntry, owner: Address, results: Results) -> Read[list[Position]]:
    """Return an owner's positions, page after page; the DataStore's count says where the list ends."""
    count, held = decode.uint(results[0]), list(decode.decode_page(owner, results[1]))
    while len(held) < count:
        (more,) = yield calls.page_calls(entry, owner, len(held))
        if not (page := decode.decode_page(owner, more)):
            break
        held += page
    if len(held) != count:
        raise LayoutUnknown(f"the Reader lists {len(held)} positions of {owner}, the DataStore has {count}")
    return held


def _quote_calls(entry: MarketEntry, token: Address, feed: Address | None) -> list[Call]:
    return [*calls.token_calls(entry, token), *(calls.feed_calls(feed) if feed else ())]


def _known_quotes(feeds: Mapping[Address, Address | None], results: Results) -> dict[Address, _Quote]:
    """Return what was answered about the known tokens, without those whose feed has become another."""
    quotes, start = {}, 0
    for token, feed in feeds.items():
        middle = start + calls.TOKEN_CALLS
        end = middle + (calls.FEED_CALLS if feed else 0)
        quote = _Quote(decode_feed_terms(token, results[start:middle]), results[middle:end])
        if quote.terms.feed == feed:
            quotes[token] = quote
        start = end
    return quotes


def _markets(entry: MarketEntry, found: _Found) -> Read[dict[Address, Market]]:
    used = tuple(dict.fromkeys(position.market for position in found.positions))
    missing = [market for market in used if market not in found.markets]
    results: Results = (yield [calls.market_call(entry, market) for market in missing]) if missing else ()
    others = {
        market: decode.decode_market(entry, market, result) for market, result in zip(missing, results, strict=True)
    }
    return {market: others.get(market) or found.markets[market] for market in used}


def _needed(positions: Sequence[Position], markets: Mapping[Address, Market]) -> tuple[Address, ...]:
    return tuple(dict.fromkeys(token for position in positions for token in markets[position.market].tokens))


def _quotes(entry: MarketEntry, found: _Found, needed: Sequence[Address]) -> Read[dict[Address, _Quote]]:
    """Return what is known of the needed tokens' prices; asks nothing about those that were known before."""
    missing = [token for token in needed if token not in found.quotes]
    if not missing:
        return {token: found.quotes[token] for token in needed}
    results = yield [call for token in missing for call in calls.token_calls(entry, token)]
    size = calls.TOKEN_CALLS
    terms = [decode_feed_terms(token, results[at * size : (at + 1) * size]) for at, token in enumerate(missing)]
    answers = iter((yield [call for each in terms if each.feed for call in calls.feed_calls(each.feed)]))
    asked = {
        each.token: _Quote(each, [next(answers) for _ in range(calls.FEED_CALLS)] if each.feed else [])
        for each in terms
    }
    return {token: asked.get(token) or found.quotes[token] for token in needed}


def _price(quote: _Quote, tickers: Tickers | None, *, at: int) -> TokenPrice:
    ticker = tickers.prices.get(quote.terms.token) if tickers else None
    return decode_price(quote.terms, quote.answers, ticker=ticker, at=at)


def _asked(entry: MarketEntry, position: Position, market: Market, prices: Mapping[Address, TokenPrice]) -> list[Call]:
    return [
        *calls.market_terms_calls(entry, market, prices, is_long=position.is_long),
        *calls.position_calls(entry, position, market, prices),
    ]


@dataclass(frozen=True, slots=True)
class _Reading:
    """What all positions of a read share."""

    entry: MarketEntry
    chain_id: int
    block: Block
    markets: Mapping[Address, Market]
    prices: Mapping[Address, TokenPrice]
    min_collateral_usd: int
    tickers: Tickers | None

    def account(self, position: Position, results: Results) -> PerpAccount:
        """Return the account of a position from what was answered about it, checked."""
        market = self.markets[position.market]
        terms = decode.decode_terms(
            market,
            position.collateral,
            results[: calls.MARKET_CALLS],
            is_long=position.is_long,
            min_collateral_usd=self.min_collateral_usd,
        )
        if self.tickers:
            self.tickers.require_funding(market.market, longs_pay=terms.longs_pay, rate=terms.funding_per_second)
        info, verdict = results[calls.MARKET_CALLS :]
        liquidatable, remaining, required = decode.decode_verdict(verdict)
        key = position_key(position.owner, position.market, position.collateral, is_long=position.is_long)
        state = PositionState(
            chain_id=self.chain_id,
            block=self.block,
            deployment=self.entry.market,
            key="0x" + key.hex(),
            position=position,
            market=market,
            label=self._label(market),
            index_price=self.prices[market.index],
            collateral_price=self.prices[position.collateral],
            terms=terms,
            charges=decode.decode_charges(position, info),
            reader_remaining=remaining,
            reader_liquidatable=liquidatable,
        )
        return account_from_state(checked(state, required), self_check=EXACT_CHECK)

    def _label(self, market: Market) -> str:
        index, long, short = (self.prices[token].token.symbol for token in (market.index, market.long, market.short))
        return f"{index}/USD [{long}-{short}]"
