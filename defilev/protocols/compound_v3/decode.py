"""Answers of Comet contracts as values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from defilev.abi import interface
from defilev.abi.answers import decode_all, decode_one, decode_optional, token_symbol
from defilev.errors import NotDeployed, RpcMalformed
from defilev.model.account import Price
from defilev.model.book import MarketEntry
from defilev.model.request import Address, CallResult, Results
from defilev.model.token import Token
from defilev.protocols.compound_v3.calls import ASSET_CALLS, MARKET_GETTERS, USER_GETTERS
from defilev.protocols.compound_v3.state import Collateral, CometMarket, RateModel, Totals

__all__ = [
    "PRICE_DECIMALS",
    "AssetInfo",
    "Head",
    "UserRead",
    "decode_balances",
    "decode_head",
    "decode_infos",
    "decode_market",
    "decode_users",
]

PRICE_DECIMALS = 8
_FIRST_RESERVED_ASSET = 16
_CONSTANT = "constant"


@dataclass(frozen=True, slots=True)
class Head:
    """What a Comet says of itself before its collaterals are known; `base_scale` is one whole token in base units."""

    base: Address
    base_feed: Address
    base_scale: int
    borrow_minimum: int
    asset_count: int
    totals: Totals
    pause_flags: int
    utilisation: int
    supply_rates: RateModel
    borrow_rates: RateModel


@dataclass(frozen=True, slots=True)
class UserRead:
    """An owner's base position, set of assets, and the contract's own figures, which ours must equal.

    The verdicts are `None` where the contract reverts: a feed that it needs for this account gives no price.
    """

    owner: Address
    principal: int
    assets: int
    balance: int
    debt: int
    is_borrow_collateralized: bool | None
    is_liquidatable: bool | None


@dataclass(frozen=True, slots=True)
class AssetInfo:
    """A collateral's terms as the contract has them now."""

    offset: int
    asset: Address
    feed: Address
    scale: int
    borrow_factor: int
    liquidate_factor: int
    liquidation_factor: int
    supply_cap: int


def decode_head(market: MarketEntry, results: Results) -> Head:
    """Return the answers to `market_calls`; raises `NotDeployed` unless the contract gives all of them."""
    functions = interface("comet")
    answers = [decode_optional(functions[name], result) for name, result in zip(MARKET_GETTERS, results, strict=True)]
    silent = [name for name, answer in zip(MARKET_GETTERS, answers, strict=True) if answer is None]
    if silent:
        comet = market.entry_points["comet"]
        raise NotDeployed(f"no Comet at {comet}: nothing there answers {silent[0]}()", market=market.market)
    words = [answer[0] for answer in answers if answer is not None]
    base, base_feed, base_scale, borrow_minimum, count, totals, usage, *rates = words
    supply_index, borrow_index, _, _, supplied, borrowed, last_accrual, pause_flags = totals
    return Head(
        base=base,
        base_feed=base_feed,
        base_scale=base_scale,
        borrow_minimum=borrow_minimum,
        asset_count=count,
        totals=Totals(supply_index, borrow_index, supplied, borrowed, last_accrual),
        pause_flags=pause_flags,
        utilisation=usage,
        supply_rates=RateModel(*rates[:4]),
        borrow_rates=RateModel(*rates[4:]),
    )


def decode_users(owners: Sequence[Address], results: Results) -> tuple[UserRead, ...]:
    """Return the users that `user_calls` asked for; bits 16 to 23 of their set of assets are in `_reserved`."""
    functions = interface("comet")
    users = []
    for place, owner in enumerate(owners):
        answers = results[place * len(USER_GETTERS) : (place + 1) * len(USER_GETTERS)]
        basic, *figures = (functions[name] for name in USER_GETTERS)
        principal, _, _, assets, reserved = decode_all(basic, answers[0], what="Comet")
        users.append(
            UserRead(
                owner=owner,
                principal=principal,
                assets=assets | reserved << _FIRST_RESERVED_ASSET,
                balance=decode_one(figures[0], answers[1], what="Comet"),
                debt=decode_one(figures[1], answers[2], what="Comet"),
                is_borrow_collateralized=_verdict(answers[3]),
                is_liquidatable=_verdict(answers[4]),
            )
        )
    return tuple(users)


def decode_infos(results: Results) -> tuple[AssetInfo, ...]:
    """Return the answers to `asset_info_calls`, ascending by offset."""
    function = interface("comet")["getAssetInfo"]
    return tuple(AssetInfo(*decode_one(function, result, what="Comet")) for result in results)


def decode_market(
    market: MarketEntry, head: Head, infos: Sequence[AssetInfo], *, base: Results, assets: Results
) -> CometMarket:
    """Return the market of the answers to `base_calls` and, for each of `infos`, to `asset_calls`."""
    base_token = Token(head.base, token_symbol(head.base, base[0]), _decimals(head.base_scale))
    base_price = _price(head.base_feed, base[2:])
    answers = [assets[place * ASSET_CALLS : (place + 1) * ASSET_CALLS] for place in range(len(infos))]
    collaterals = tuple(_collateral(info, answer) for info, answer in zip(infos, answers, strict=True))
    return CometMarket(
        name=market.market,
        comet=market.entry_points["comet"],
        base=base_token,
        base_feed=head.base_feed,
        base_price=base_price,
        borrow_minimum=head.borrow_minimum,
        cash=decode_one(interface("erc20")["balanceOf"], base[1], what=f"token {base_token.symbol}"),
        pause_flags=head.pause_flags,
        supply_rates=head.supply_rates,
        borrow_rates=head.borrow_rates,
        totals=head.totals,
        collaterals=collaterals,
        quote=_quote(base_token, base_price, collaterals),
    )


def decode_balances(results: Results, *, count: int) -> tuple[tuple[int, ...], ...]:
    """Return by owner what `collateral_calls` asked for: base units of each of `count` collaterals."""
    function = interface("comet")["userCollateral"]
    amounts = [decode_one(function, result, what="Comet") for result in results]
    owners = len(amounts) // count if count else 0
    return tuple(tuple(amounts[place * count : (place + 1) * count]) for place in range(owners))


def _collateral(info: AssetInfo, answers: Results) -> Collateral:
    token = Token(info.asset, token_symbol(info.asset, answers[0]), _decimals(info.scale))
    return Collateral(
        offset=info.offset,
        asset=token,
        feed=info.feed,
        scale=info.scale,
        borrow_factor=info.borrow_factor,
        liquidate_factor=info.liquidate_factor,
        liquidation_factor=info.liquidation_factor,
        supply_cap=info.supply_cap,
        supplied=decode_one(interface("comet")["totalsCollateral"], answers[1], what="Comet"),
        price=_price(info.feed, answers[2:]),
    )


def _price(feed: Address, answers: Sequence[CallResult]) -> Price | None:
    """Return what `getPrice` says, `None` when it reverts; each feed moves by itself, whatever it is computed from."""
    value = decode_optional(interface("comet")["getPrice"], answers[0])
    source = interface("price_feed")
    rounds, described = (
        decode_optional(source[name], answer)
        for name, answer in zip(("latestRoundData", "description"), answers[1:], strict=True)
    )
    if value is None:
        return None
    description = described[0] if described else None
    updated_at = rounds[3] if rounds else None
    return Price(value[0], PRICE_DECIMALS, feed, feed, updated_at=updated_at, description=description)


def _quote(base: Token, base_price: Price | None, collaterals: Sequence[Collateral]) -> str | None:
    """Return what the feeds count in: the base asset itself when its price is the constant one, else what they say."""
    prices = [base_price, *(collateral.price for collateral in collaterals)]
    described = [price.description for price in prices if price is not None and price.description is not None]
    is_one = base_price is not None and base_price.value == 10**PRICE_DECIMALS
    if is_one and described and base_price is not None and _CONSTANT in (base_price.description or "").lower():
        return base.symbol
    named = set(_quotes(described))
    return named.pop() if len(named) == 1 else None


def _quotes(descriptions: Sequence[str]) -> Iterator[str]:
    """Yield the second currency of each description such as `wstETH / USD price feed`."""
    for description in descriptions:
        _, slash, rest = description.partition(" / ")
        if slash and rest.split():
            yield rest.split()[0]


def _verdict(result: CallResult) -> bool | None:
    """Return a verdict's answer; the view has no other reason to revert than a price."""
    answer = decode_optional(interface("comet")["isLiquidatable"], result)
    return None if answer is None else bool(answer[0])


def _decimals(scale: int) -> int:
    decimals = len(str(scale)) - 1
    if scale != 10**decimals:
        raise RpcMalformed(f"a Comet's scale is not a power of ten: {scale}")
    return decimals
