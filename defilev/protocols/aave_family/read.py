"""Reading Aave v3 accounts without input or output: yields calls, is sent their results.

Four batches when nothing is known of the market, two when its metadata is; one more for the few price adapters whose
driver no asset of the market shares, and for old e-mode categories with a price source of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from defilev.abi import interface
from defilev.abi.address import ZERO_ADDRESS
from defilev.abi.answers import decode_one, decode_optional
from defilev.errors import CallReverted, NotDeployed
from defilev.model.book import MarketEntry
from defilev.model.request import Address, Block, Call, Read, Results
from defilev.protocols.aave_family import calls
from defilev.protocols.aave_family.blame import read_cause
from defilev.protocols.aave_family.check import checked_accounts
from defilev.protocols.aave_family.decode import (
    EModeRead,
    ReserveRead,
    UserRead,
    decode_balances,
    decode_e_modes,
    decode_reserves,
    decode_users,
    described_price,
    reserves_with_prices,
    with_held_liquidity,
)
from defilev.protocols.aave_family.regimes import REGIMES
from defilev.protocols.aave_family.releases import candidates
from defilev.protocols.aave_family.state import AaveMarket, Position
from defilev.protocols.contract import AccountsRead
from defilev.protocols.price_feeds import (
    Feed,
    feed_from_metadata,
    feed_probe_calls,
    feed_refresh_calls,
    probed_feeds,
    with_round,
    without_round,
)

__all__ = ["identify", "read_accounts"]

ENTRY_POINT = "pool_addresses_provider"


@dataclass(frozen=True, slots=True)
class _Head:
    """A market and its users before any balance is known; `regimes` are the releases that the market may be."""

    pool: Address
    oracle: Address
    revision: int
    regimes: tuple[str, ...]
    base_unit: int
    users: tuple[UserRead, ...]
    assets: tuple[Address, ...]


def identify(market: MarketEntry) -> Read[None]:
    """Raise `NotDeployed` unless the address provider leads to a pool."""
    provider = market.entry_points["pool_addresses_provider"]
    (found, _) = yield calls.provider_calls(provider)
    pool = decode_optional(interface("aave_v3_addresses_provider")["getPool"], found)
    revision = (yield [interface("aave_v3_pool")["POOL_REVISION"].call(pool[0])])[0] if pool else found
    if not pool or not revision.success:
        raise NotDeployed(f"pool_addresses_provider {provider} does not lead to a pool")


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
        market: its `pool_addresses_provider` is the only entry point that is used.
        owners: whose accounts; they share batches.
        chain_id: the chain, written into the accounts.
        block: the block that every batch is answered at.
        metadata: what an earlier read returned; verified, and read again when the market has changed.

    Raises:
        NotDeployed: no pool behind the entry point.
        SelfCheckFailed: a figure differs from the contract's, under every release that the market may be.
        PriceMissing: no price for an asset that somebody holds or owes.
    """
    provider = market.entry_points[ENTRY_POINT]
    try:
        head, reserves, e_modes, feeds = yield from _heads(market, owners, metadata)
    except CallReverted as reverted:
        raise (yield from read_cause(provider, reverted)) from reverted
    positions, reserves, e_modes, feeds = yield from _positions(head, reserves, e_modes, feeds)
    if asked := without_round(feeds):
        feeds = with_round(feeds, (yield asked))
    e_modes = yield from _category_prices(head, e_modes, feeds)
    priced = reserves_with_prices(reserves, feeds, base_unit=head.base_unit)
    described = AaveMarket(
        protocol=market.protocol,
        name=market.market,
        addresses_provider=provider,
        pool=head.pool,
        oracle=head.oracle,
        revision=head.revision,
        regime=head.regimes[0],
        base_unit=head.base_unit,
    )
    accounts = checked_accounts(
        described,
        head.regimes,
        head.users,
        reserves=priced,
        positions=positions,
        e_modes=e_modes,
        chain_id=chain_id,
        block=block,
    )
    return AccountsRead(accounts, _metadata(head, reserves, feeds))


def _heads(
    market: MarketEntry, owners: Sequence[Address], metadata: Mapping[str, Any] | None
) -> Read[tuple[_Head, tuple[ReserveRead, ...], dict[int, EModeRead], dict[Address, Feed]]]:
    """Ask for what positions are decoded with: at once where the market is known, else in two batches more."""
    provider = market.entry_points[ENTRY_POINT]
    known = yield from _known_head(provider, owners, metadata) if metadata else _nothing()
    if known is not None:
        head, reserves, feeds = known
        return head, reserves, {}, feeds
    head = yield from _cold_head(market, owners)
    reserves, e_modes = yield from _cold_reserves(head)
    return head, reserves, e_modes, {}


def _nothing() -> Read[None]:
    return None
    yield


def _known_head(
    provider: Address, owners: Sequence[Address], metadata: Mapping[str, Any]
) -> Read[tuple[_Head, tuple[ReserveRead, ...], dict[Address, Feed]] | None]:
    """Ask everything of a known market at once; `None` when it is no longer the one that was known."""
    pool, oracle = metadata["pool"], metadata["oracle"]
    assets = tuple(metadata["symbols"])
    sources = tuple(metadata["sources"])
    batch: list[Call] = [
        *calls.provider_calls(provider),
        *_head_calls(pool, oracle, owners),
        *calls.reserve_calls(pool, oracle, assets),
    ]
    for source in sources:
        batch += feed_refresh_calls(source, metadata["sources"][source]["driver"])
    results = yield batch
    functions = interface("aave_v3_addresses_provider")
    now = tuple(
        decode_one(functions[name], result, what="address provider")
        for name, result in zip(("getPool", "getPriceOracle"), results, strict=False)
    )
    if now != (pool, oracle):
        return None
    cursor = 2 + _head_size(owners)
    head = _decode_head(pool, oracle, owners, results[2:cursor])
    if head.assets != assets or head.revision != metadata["revision"]:
        return None
    end = cursor + len(assets) * calls.RESERVE_CALLS
    reserves = decode_reserves(assets, results[cursor:end], symbols=metadata["symbols"])
    refreshed = {
        source: feed_from_metadata(source, metadata["sources"][source], results[end + 3 * i : end + 3 * i + 3])
        for i, source in enumerate(sources)
    }
    return head, reserves, refreshed


def _cold_head(market: MarketEntry, owners: Sequence[Address]) -> Read[_Head]:
    provider = market.entry_points[ENTRY_POINT]
    results = yield calls.provider_calls(provider)
    functions = interface("aave_v3_addresses_provider")
    if not results[0].success:
        raise NotDeployed(f"no {market.protocol} PoolAddressesProvider at {provider}")
    pool = decode_one(functions["getPool"], results[0], what="address provider")
    oracle = decode_one(functions["getPriceOracle"], results[1], what="address provider")
    return _decode_head(pool, oracle, owners, (yield _head_calls(pool, oracle, owners)))


def _head_calls(pool: Address, oracle: Address, owners: Sequence[Address]) -> list[Call]:
    return [*calls.market_calls(pool, oracle), *calls.probe_calls(pool), *calls.user_calls(pool, owners)]


def _head_size(owners: Sequence[Address]) -> int:
    return calls.MARKET_CALLS + len(calls.PROBES) + calls.USER_CALLS * len(owners)


def _decode_head(pool: Address, oracle: Address, owners: Sequence[Address], results: Results) -> _Head:
    functions = interface("aave_v3_pool")
    revision = decode_one(functions["POOL_REVISION"], results[0], what="pool")
    assets = decode_one(functions["getReservesList"], results[1], what="pool")
    base_unit = decode_one(interface("aave_v3_oracle")["BASE_CURRENCY_UNIT"], results[2], what="oracle")
    probes_end = calls.MARKET_CALLS + len(calls.PROBES)
    present = {
        probe[0]
        for probe, result in zip(calls.PROBES, results[calls.MARKET_CALLS : probes_end], strict=True)
        if result.success
    }
    users = decode_users(owners, results[probes_end:])
    return _Head(pool, oracle, revision, candidates(revision, present), base_unit, users, assets)


def _cold_reserves(head: _Head) -> Read[tuple[tuple[ReserveRead, ...], dict[int, EModeRead]]]:
    categories = sorted({user.e_mode for user in head.users if user.e_mode})
    batch = calls.reserve_calls(head.pool, head.oracle, head.assets)
    cursor = len(batch)
    for category in categories:
        batch += calls.e_mode_calls(head.pool, category)
    results = yield batch
    reserves = decode_reserves(head.assets, results[:cursor], symbols={})
    return reserves, decode_e_modes(categories, results[cursor:])


def _positions(
    head: _Head,
    reserves: Sequence[ReserveRead],
    e_modes: dict[int, EModeRead],
    feeds: dict[Address, Feed],
) -> Read[tuple[tuple[tuple[Position, ...], ...], tuple[ReserveRead, ...], dict[int, EModeRead], dict[Address, Feed]]]:
    """Ask for every balance, for liquidity, e-modes and price sources not known yet, in one batch."""
    stable = REGIMES[head.regimes[0]].stable_debt
    batch: list[Call] = []
    listed = [read.reserve for read in reserves]
    for user in head.users:
        batch += calls.balance_calls(user.owner, listed, user_configuration=user.configuration, stable_debt=stable)
    balances_end = len(batch)
    batch += calls.liquidity_calls([read.reserve for read in reserves if not read.counts_liquidity])
    liquidity_end = len(batch)
    categories = sorted({user.e_mode for user in head.users if user.e_mode} - set(e_modes))
    for category in categories:
        batch += calls.e_mode_calls(head.pool, category)
    e_modes_end = len(batch)
    sources = sorted({read.source for read in reserves if read.source is not None} - set(feeds))
    for source in sources:
        batch += feed_probe_calls(source)
    results = yield batch
    positions = decode_balances(head.users, listed, results, stable_debt=stable)
    reserves = with_held_liquidity(reserves, results[balances_end:liquidity_end])
    found = decode_e_modes(categories, results[liquidity_end:e_modes_end])
    return positions, reserves, e_modes | found, feeds | probed_feeds(sources, results[e_modes_end:])


def _category_prices(
    head: _Head, e_modes: dict[int, EModeRead], feeds: Mapping[Address, Feed]
) -> Read[dict[int, EModeRead]]:
    """Ask for the prices of old categories that have a source of their own; an answer of zero counts as none."""
    sources = {category: read.price_source for category, read in e_modes.items() if read.price_source is not None}
    if not sources:
        return e_modes
    functions = interface("aave_v3_oracle")
    asked = (functions["getAssetPrice"], functions["getSourceOfAsset"])
    results = yield [function.call(head.oracle, asset) for asset in sources.values() for function in asked]
    decimals = len(str(head.base_unit)) - 1
    for place, (category, asset) in enumerate(sources.items()):
        value, source = (
            decode_one(function, result, what="oracle")
            for function, result in zip(asked, results[2 * place : 2 * place + 2], strict=True)
        )
        known = None if source == ZERO_ADDRESS else source
        price = described_price(value, known, feeds, asset=asset, decimals=decimals) if value else None
        e_modes = e_modes | {category: e_modes[category].with_price(price)}
    return e_modes


def _metadata(head: _Head, reserves: Sequence[ReserveRead], feeds: Mapping[Address, Feed]) -> dict[str, Any]:
    return {
        "pool": head.pool,
        "oracle": head.oracle,
        "revision": head.revision,
        "symbols": {asset: _symbol(reserves, asset) for asset in head.assets},
        "sources": {source: feed.to_metadata() for source, feed in feeds.items()},
    }


def _symbol(reserves: Sequence[ReserveRead], asset: Address) -> str:
    return next(read.reserve.asset.symbol for read in reserves if read.reserve.asset.address == asset)
