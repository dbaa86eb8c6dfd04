"""Reading the accounts of one Morpho Blue market without input or output: yields calls, is sent their results.

Two batches when the market's metadata is known, at most four when nothing is: what it is made of, what it says, what
its oracle's feeds are, and the rounds of feeds below those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from defilev.abi import interface
from defilev.abi.answers import decode_one
from defilev.model.account import Notice
from defilev.model.book import MarketEntry
from defilev.model.request import Address, Block, Call, CallResult, Read, Results
from defilev.model.token import Token
from defilev.protocols.contract import AccountsRead
from defilev.protocols.morpho_blue import calls, decode
from defilev.protocols.morpho_blue.check import checked_accounts
from defilev.protocols.morpho_blue.oracle import (
    ORACLE_CALLS,
    OracleParts,
    decode_parts,
    loan_price,
    oracle_calls,
    price_of,
)
from defilev.protocols.morpho_blue.state import (
    MarketParams,
    MorphoMarket,
    MorphoState,
    Position,
    RateModel,
    Totals,
)
from defilev.protocols.price_feeds import (
    FEED_REFRESHES,
    Feed,
    feed_from_metadata,
    feed_probe_calls,
    feed_refresh_calls,
    probed_feeds,
    with_round,
    without_round,
)

__all__ = ["identify", "read_accounts"]


@dataclass(frozen=True, slots=True)
class _Known:
    """What never changes of a market: its parameters, tokens, and what its oracle is made of."""

    params: MarketParams
    loan: Token
    collateral: Token | None
    parts: OracleParts
    notices: tuple[Notice, ...]


@dataclass(frozen=True, slots=True)
class _Head:
    """What the contract stores of a market, and its owners' positions."""

    totals: Totals
    fee_recipient: Address
    positions: tuple[Position, ...]


@dataclass(frozen=True, slots=True)
class _Judged:
    """What contract and rate model compute at the block: rates, totals with interest, a verdict on each debt."""

    rates: RateModel
    totals: Totals
    verdicts: tuple[bool | None, ...]


def identify(entry: MarketEntry) -> Read[None]:
    """Raise `NotDeployed` unless Morpho Blue is there, `NoSuchMarket` for one that the address book names."""
    morpho, ids = entry.entry_points["morpho"], entry.ids or ()
    results = yield [*calls.identity_calls(morpho), *(calls.params_call(morpho, market_id) for market_id in ids)]
    asked = len(results) - len(ids)
    decode.require_morpho(morpho, results[:asked])
    for market_id, result in zip(ids, results[asked:], strict=True):
        decode.decode_params(morpho, market_id, result)


def read_accounts(
    market: MarketEntry,
    owners: Sequence[Address],
    *,
    chain_id: int,
    block: Block,
    metadata: Mapping[str, Any] | None = None,
) -> Read[AccountsRead]:
    """Read the accounts of `owners` in one isolated market.

    Args:
        market: its `market` is the id, its `morpho` the only entry point that is used.
        owners: whose accounts; they share batches.
        chain_id: the chain, written into the accounts.
        block: the block that every batch is answered at.
        metadata: what an earlier read returned; the id, which is a hash, proves the parameters in it.

    Raises:
        NotDeployed: no Morpho Blue at the entry point.
        NoSuchMarket: it has no market with that id.
        SelfCheckFailed: interest or a verdict differs from the contract's.
        PriceMissing: somebody owes, and the oracle gives no price.
        CallReverted: the rate model does not answer.
    """
    morpho = market.entry_points["morpho"]
    known = _remembered(market.market, metadata)
    if known is None or metadata is None:
        known, head, price, judged = yield from _cold(morpho, market.market, owners, at=block.timestamp)
        feeds = yield from _new_feeds(known.parts)
    else:
        head, price, feeds, judged = yield from _warm(morpho, known, owners, metadata["feeds"], at=block.timestamp)
    described = _described(market, known, head, price, feeds, at=block.timestamp)
    states = [
        MorphoState(chain_id, block, block.timestamp, owner, described, judged.rates, head.totals, position)
        for owner, position in zip(owners, head.positions, strict=True)
    ]
    accounts = checked_accounts(states, contract_totals=judged.totals, verdicts=judged.verdicts)
    return AccountsRead(accounts, _metadata(known, feeds))


def _cold(
    morpho: Address, market_id: str, owners: Sequence[Address], *, at: int
) -> Read[tuple[_Known, _Head, int | None, _Judged]]:
    first, *rest = yield [calls.params_call(morpho, market_id), *_head_calls(morpho, market_id, owners)]
    params = decode.decode_params(morpho, market_id, first)
    head = _head(morpho, market_id, rest)
    tokens = [params.loan_token, *([params.collateral_token] if params.has_collateral else [])]
    batch = [call for token in tokens for call in calls.token_calls(token)]
    batch += [*oracle_calls(params.oracle), *calls.price_calls(params), *_judging(morpho, params, head, owners)]
    results = yield batch
    parts_at = calls.TOKEN_CALLS * len(tokens)
    prices_at = parts_at + ORACLE_CALLS
    price, at_target = results[prices_at : prices_at + calls.PRICE_CALLS]
    known = _known(params, tokens, results[:parts_at], decode_parts(results[parts_at:prices_at]))
    judged = _judged(morpho, params, head, at_target, results[prices_at + calls.PRICE_CALLS :], at=at)
    return known, head, decode.decode_price(price), judged


def _warm(
    morpho: Address, known: _Known, owners: Sequence[Address], feeds: Mapping[str, Any], *, at: int
) -> Read[tuple[_Head, int | None, dict[Address, Feed], _Judged]]:
    params, sources = known.params, known.parts.feeds
    batch = [*_head_calls(morpho, params.id, owners), *calls.price_calls(params)]
    refreshed_at = len(batch)
    for source in sources:
        batch += feed_refresh_calls(source, feeds[source]["driver"])
    results = yield batch
    price, at_target = results[refreshed_at - calls.PRICE_CALLS : refreshed_at]
    head = _head(morpho, params.id, results[: refreshed_at - calls.PRICE_CALLS])
    answers = [results[refreshed_at + FEED_REFRESHES * i :][:FEED_REFRESHES] for i in range(len(sources))]
    refreshed = {
        source: feed_from_metadata(source, feeds[source], answer)
        for source, answer in zip(sources, answers, strict=True)
    }
    judged = _judged(morpho, params, head, at_target, (yield _judging(morpho, params, head, owners)), at=at)
    return head, decode.decode_price(price), refreshed, judged


def _head_calls(morpho: Address, market_id: str, owners: Sequence[Address]) -> list[Call]:
    return [*calls.market_calls(morpho, market_id), *calls.position_calls(morpho, market_id, owners)]


def _head(morpho: Address, market_id: str, results: Results) -> _Head:
    recipient = decode_one(interface("morpho_blue")["feeRecipient"], results[1], what="Morpho")
    return _Head(
        decode.decode_totals(morpho, market_id, results[0]),
        recipient,
        tuple(decode.decode_position(result) for result in results[calls.MARKET_CALLS :]),
    )


def _judging(morpho: Address, params: MarketParams, head: _Head, owners: Sequence[Address]) -> list[Call]:
    """Ask for the rate, then for the totals with interest, then for the verdicts: each may change what follows it."""
    asked = [calls.rate_call(params, head.totals), *calls.accrual_calls(morpho, params)]
    return asked + [
        calls.verdict_call(morpho, params, owner)
        for owner, position in zip(owners, head.positions, strict=True)
        if position.borrow_shares
    ]


def _judged(
    morpho: Address, params: MarketParams, head: _Head, at_target: CallResult, results: Results, *, at: int
) -> _Judged:
    rate, _, totals, *verdicts = results
    answers = iter(verdicts)
    return _Judged(
        decode.decode_rates(params, head.totals, at_target, rate, elapsed=at - head.totals.last_update),
        decode.decode_totals(morpho, params.id, totals),
        tuple(decode.is_liquidatable(next(answers)) if position.borrow_shares else None for position in head.positions),
    )


def _known(params: MarketParams, tokens: Sequence[Address], results: Results, parts: OracleParts) -> _Known:
    found = [
        decode.decode_token(token, results[calls.TOKEN_CALLS * i : calls.TOKEN_CALLS * (i + 1)])
        for i, token in enumerate(tokens)
    ]
    notices = tuple(notice for _, own in found for notice in own)
    return _Known(params, found[0][0], found[1][0] if len(found) > 1 else None, parts, notices)


def _new_feeds(parts: OracleParts) -> Read[dict[Address, Feed]]:
    """Ask every feed what it is, and those below adapters for their rounds."""
    if not parts.feeds:
        return {}
    feeds = probed_feeds(parts.feeds, (yield [call for source in parts.feeds for call in feed_probe_calls(source)]))
    if asked := without_round(feeds):
        feeds = with_round(feeds, (yield asked))
    return feeds


def _described(
    market: MarketEntry, known: _Known, head: _Head, price: int | None, feeds: Mapping[Address, Feed], *, at: int
) -> MorphoMarket:
    params, loan, collateral, parts = known.params, known.loan, known.collateral, known.parts
    return MorphoMarket(
        morpho=market.entry_points["morpho"],
        id=params.id,
        deployment=market.deployment,
        params=params,
        loan=loan,
        collateral=collateral,
        price=None
        if price is None or collateral is None
        else price_of(price, params.oracle, parts, feeds, loan=loan, collateral=collateral, at=at),
        loan_price=loan_price(parts, feeds, loan=loan, at=at),
        fee_recipient=head.fee_recipient,
        notices=known.notices,
    )


def _metadata(known: _Known, feeds: Mapping[Address, Feed]) -> dict[str, Any]:
    return {
        "params": list(known.params.words),
        "loan": asdict(known.loan),
        "collateral": None if known.collateral is None else asdict(known.collateral),
        "parts": known.parts.to_metadata(),
        "feeds": {source: feed.to_metadata() for source, feed in feeds.items()},
        "notices": [asdict(notice) for notice in known.notices],
    }


def _remembered(market_id: str, metadata: Mapping[str, Any] | None) -> _Known | None:
    """Return what an earlier read found, `None` when it is not of this market."""
    if metadata is None:
        return None
    params = MarketParams(*metadata["params"])
    if params.id != market_id:
        return None
    collateral = metadata["collateral"]
    return _Known(
        params,
        Token(**metadata["loan"]),
        None if collateral is None else Token(**collateral),
        OracleParts.from_metadata(metadata["parts"]),
        tuple(Notice(**notice) for notice in metadata["notices"]),
    )
