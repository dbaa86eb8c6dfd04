"""Reading GMX v2 positions, without input or output: yields batches of calls, is sent their answers.

Four round trips: positions and markets, what each token's price is taken from, the feeds' answers, and everything that
depends on prices. More than a hundred positions of an owner, or a market beyond the first hundred, costs one more.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from defilev.errors import LayoutUnknown
from defilev.model.book import MarketEntry
from defilev.model.perp import PerpAccount
from defilev.model.request import Address, Batch, Block, Call, Read, Results
from defilev.protocols.gmx_v2 import calls, decode
from defilev.protocols.gmx_v2.account import account_from_state
from defilev.protocols.gmx_v2.check import EXACT_CHECK, checked
from defilev.protocols.gmx_v2.keys import position_key
from defilev.protocols.gmx_v2.prices import decode_feed_terms, decode_price
from defilev.protocols.gmx_v2.state import Market, Position, PositionState, TokenPrice
from defilev.protocols.gmx_v2.tickers import Tickers

__all__ = ["identify", "read_accounts"]

T = TypeVar("T")
Part = Generator[Batch, Results, T]


@dataclass(frozen=True, slots=True)
class _Found:
    """Positions in the owners' order, the first page of markets, and the smallest collateral in dollars."""

    positions: tuple[Position, ...]
    markets: Mapping[Address, Market]
    min_collateral_usd: int


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
    tickers: Tickers | None = None,
) -> Read[tuple[PerpAccount, ...]]:
    """Read every position of `owners`, one account each, in the owners' order and then the contract's.

    Args:
        entry: `reader`, `data_store` and `referral_storage` are used.
        owners: whose positions; they share batches.
        chain_id: the chain, written into the accounts.
        block: the block that every batch is answered at.
        tickers: prices that come before the feeds' where it has them; `None` for the feeds alone.

    Raises:
        LayoutUnknown: the Reader is of another version than the one that is known.
        SelfCheckFailed: a figure or a verdict differs from the Reader's.
        PriceMissing: a token that a position needs has no price that the contracts would take, and no ticker.
        TickersUnusable: the ticker has a market's funding the other way round than the chain.
    """
    found = yield from _positions(entry, owners)
    if not found.positions:
        return ()
    markets = yield from _markets(entry, found)
    prices = yield from _prices(entry, _needed(found.positions, markets), tickers, at=block.timestamp)
    asked = [_asked(entry, position, markets[position.market], prices) for position in found.positions]
    results = yield [call for batch in asked for call in batch]
    size = calls.MARKET_CALLS + calls.POSITION_CALLS
    answers = [results[place * size : (place + 1) * size] for place in range(len(found.positions))]
    read = _Reading(entry, chain_id, block, markets, prices, found.min_collateral_usd, tickers)
    return tuple(read.account(position, each) for position, each in zip(found.positions, answers, strict=True))


def _positions(entry: MarketEntry, owners: Sequence[Address]) -> Part[_Found]:
    results = yield [*calls.head_calls(entry), *(call for owner in owners for call in calls.owner_calls(entry, owner))]
    layout, markets, minimum = results[: calls.HEAD_CALLS]
    decode.probe(layout)
    positions: list[Position] = []
    for place, owner in enumerate(owners):
        start = calls.HEAD_CALLS + place * calls.OWNER_CALLS
        count = decode.uint(results[start])
        held = list(decode.decode_page(owner, results[start + 1]))
        while len(held) < count:
            (more,) = yield calls.page_calls(entry, owner, len(held))
            page = decode.decode_page(owner, more)
            if not page:
                break
            held += page
        if len(held) != count:
            raise LayoutUnknown(f"the Reader lists {len(held)} positions of {owner}, the DataStore has {count}")
        positions += held
    return _Found(tuple(positions), decode.decode_markets(markets), decode.uint(minimum))


def _markets(entry: MarketEntry, found: _Found) -> Part[dict[Address, Market]]:
    used = tuple(dict.fromkeys(position.market for position in found.positions))
    missing = [market for market in used if market not in found.markets]
    results: Results = (yield [calls.market_call(entry, market) for market in missing]) if missing else ()
    others = {
        market: decode.decode_market(entry, market, result) for market, result in zip(missing, results, strict=True)
    }
    return {market: others.get(market) or found.markets[market] for market in used}


def _needed(positions: Sequence[Position], markets: Mapping[Address, Market]) -> tuple[Address, ...]:
    return tuple(dict.fromkeys(token for position in positions for token in markets[position.market].tokens))


def _prices(
    entry: MarketEntry, tokens: Sequence[Address], tickers: Tickers | None, *, at: int
) -> Part[dict[Address, TokenPrice]]:
    results = yield [call for token in tokens for call in calls.token_calls(entry, token)]
    terms = [
        decode_feed_terms(token, results[place * calls.TOKEN_CALLS : (place + 1) * calls.TOKEN_CALLS])
        for place, token in enumerate(tokens)
    ]
    answers = iter((yield [call for each in terms if each.feed for call in calls.feed_calls(each.feed)]))
    prices = {}
    for each in terms:
        found = [next(answers) for _ in range(calls.FEED_CALLS)] if each.feed else []
        ticker = tickers.prices.get(each.token) if tickers else None
        prices[each.token] = decode_price(each, found, ticker=ticker, at=at)
    return prices


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
