"""Reading Compound v3 accounts without input or output: yields calls, is sent their results.

Three batches when nothing is known of the market, one when its assets and feeds are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from defilev.model.book import MarketEntry
from defilev.model.request import Address, Block, Call, Read, Results
from defilev.protocols.compound_v3 import calls
from defilev.protocols.compound_v3.check import checked_accounts
from defilev.protocols.compound_v3.decode import (
    AssetInfo,
    Head,
    UserRead,
    decode_balances,
    decode_head,
    decode_infos,
    decode_market,
    decode_users,
)
from defilev.protocols.contract import AccountsRead

__all__ = ["identify", "read_accounts"]


@dataclass(frozen=True, slots=True)
class _Answers:
    """Everything that a read was answered: `base`, `assets` and `balances` are not decoded yet."""

    head: Head
    users: tuple[UserRead, ...]
    infos: tuple[AssetInfo, ...]
    base: Results
    assets: Results
    balances: Results


def identify(market: MarketEntry) -> Read[None]:
    """Raise `NotDeployed` unless a Comet answers at the entry point."""
    decode_head(market, (yield calls.market_calls(market.entry_points["comet"])))


def read_accounts(
    market: MarketEntry,
    owners: Sequence[Address],
    *,
    chain_id: int,
    block: Block,
    metadata: Mapping[str, Any] | None = None,
) -> Read[AccountsRead]:
    """Read the complete accounts of `owners` in one market.

    Args:
        market: its `comet` is the only entry point that is used.
        owners: whose accounts; they share batches.
        chain_id: the chain, written into the accounts.
        block: the block that every batch is answered at.
        metadata: what an earlier read returned; verified, and read again when the market has changed.

    Raises:
        NotDeployed: no Comet at the entry point.
        SelfCheckFailed: a figure or a verdict differs from the contract's.
        PriceMissing: no price for something that decides over a debt.
    """
    found = yield from _known(market, owners, metadata) if metadata else _nothing()
    answers = found or (yield from _unknown(market, owners))
    described = decode_market(market, answers.head, answers.infos, base=answers.base, assets=answers.assets)
    accounts = checked_accounts(
        described,
        answers.users,
        decode_balances(answers.balances, count=len(answers.infos)) or ((),) * len(owners),
        utilisation_found=answers.head.utilisation,
        protocol=market.protocol,
        chain_id=chain_id,
        block=block,
    )
    return AccountsRead(accounts, _metadata(answers))


def _nothing() -> Read[None]:
    return None
    yield


def _unknown(market: MarketEntry, owners: Sequence[Address]) -> Read[_Answers]:
    comet = market.entry_points["comet"]
    results = yield [*calls.market_calls(comet), *calls.user_calls(comet, owners)]
    size = len(calls.MARKET_GETTERS)
    head, users = decode_head(market, results[:size]), decode_users(owners, results[size:])
    infos_asked = calls.asset_info_calls(comet, head.asset_count)
    results = yield [*infos_asked, *calls.base_calls(comet, head.base, head.base_feed)]
    infos, base = decode_infos(results[: len(infos_asked)]), results[len(infos_asked) :]
    assets_asked = [call for info in infos for call in calls.asset_calls(comet, info.asset, info.feed)]
    results = yield [*assets_asked, *calls.collateral_calls(comet, owners, [info.asset for info in infos])]
    return _Answers(head, users, infos, base, results[: len(assets_asked)], results[len(assets_asked) :])


def _known(market: MarketEntry, owners: Sequence[Address], metadata: Mapping[str, Any]) -> Read[_Answers | None]:
    """Ask everything of a known market at once; `None` when it is no longer the one that was known."""
    comet, feeds = market.entry_points["comet"], dict(metadata["feeds"])
    parts: list[list[Call]] = [
        calls.market_calls(comet),
        calls.user_calls(comet, owners),
        calls.asset_info_calls(comet, len(feeds)),
        calls.base_calls(comet, metadata["base"], metadata["base_feed"]),
        [call for asset, feed in feeds.items() for call in calls.asset_calls(comet, asset, feed)],
        calls.collateral_calls(comet, owners, list(feeds)),
    ]
    results = yield [call for part in parts for call in part]
    ends = [sum(len(part) for part in parts[: place + 1]) for place in range(len(parts))]
    answered = [results[end - len(part) : end] for end, part in zip(ends, parts, strict=True)]
    head, users = decode_head(market, answered[0]), decode_users(owners, answered[1])
    base_now = (head.base, head.base_feed, head.asset_count)
    if base_now != (metadata["base"], metadata["base_feed"], len(feeds)):
        return None
    infos = decode_infos(answered[2])
    if {info.asset: info.feed for info in infos} != feeds:
        return None
    return _Answers(head, users, infos, *answered[3:])


def _metadata(answers: _Answers) -> dict[str, Any]:
    return {
        "base": answers.head.base,
        "base_feed": answers.head.base_feed,
        "feeds": {info.asset: info.feed for info in answers.infos},
    }
