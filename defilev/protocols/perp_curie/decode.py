"""Answers of Perp v2's contracts, as state, and what they add up to by themselves, for the self-check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from defilev.abi import interface
from defilev.abi.answers import decode_all, decode_one, decode_optional, token_symbol
from defilev.errors import NotDeployed
from defilev.model.request import Address, CallResult, Results
from defilev.model.token import Token
from defilev.protocols.perp_curie.calls import HOUSE
from defilev.protocols.perp_curie.state import QUOTE_DECIMALS, Collateral, Market, Position, Rules

__all__ = [
    "Figures",
    "House",
    "PositionRead",
    "Terms",
    "decode_collateral",
    "decode_figures",
    "decode_house",
    "decode_list",
    "decode_market",
    "decode_position",
    "decode_terms",
]


class House(NamedTuple):
    """The contracts that the clearing house names itself."""

    vault: Address
    exchange: Address
    order_book: Address
    account_balance: Address
    config: Address
    quote_token: Address


class Terms(NamedTuple):
    """What vault, exchange and configuration say: the settlement token is known by address and decimals."""

    settlement: Address
    decimals: int
    collateral_manager: Address
    market_registry: Address
    rules: Rules


class PositionRead(NamedTuple):
    """A position, and what the contract makes of it: size, open notional and value."""

    position: Position
    size: int
    notional: int
    value: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What the contracts say of an owner's account.

    `account_value`, `free_collateral` and `free_by_ratio` have the settlement token's decimals, all others 18:
    `house_value` is the clearing house's word for the account's value.
    """

    balance: int
    is_collateral_liquidatable: bool
    has_orders: bool
    account_value: int
    house_value: int
    free_collateral: int
    free_by_ratio: int
    owed_pnl: int
    unrealized_pnl: int
    pending_fee: int
    debt_value: int
    absolute_value: int
    margin_requirement: int
    funding: int


def decode_house(clearing_house: Address, results: Results) -> House:
    """Return the other contracts; raises `NotDeployed` when no clearing house of Perp v2 is there."""
    ask = interface("perp_curie")
    found = [decode_optional(ask[name], result) for name, result in zip(HOUSE, results, strict=True)]
    if None in found:
        raise NotDeployed(
            "no clearing house of Perp v2 is at the entry point of the address book",
            fix="correct clearing_house in the address book",
            address=clearing_house,
        )
    return House(*(each[0] for each in found if each))


def decode_terms(results: Results) -> Terms:
    """Return the answers to `rule_calls`."""
    settlement, decimals, manager, registry, initial, maintenance, mark, funding, rate = results
    market_interval, premium_interval = _all("getMarkPriceConfig", mark, "ClearingHouseConfig")
    return Terms(
        settlement=_one("getSettlementToken", settlement, "vault"),
        decimals=_one("decimals", decimals, "vault"),
        collateral_manager=_one("getCollateralManager", manager, "vault"),
        market_registry=_one("getMarketRegistry", registry, "exchange"),
        rules=Rules(
            initial_ratio=_one("getImRatio", initial, "ClearingHouseConfig"),
            maintenance_ratio=_one("getMmRatio", maintenance, "ClearingHouseConfig"),
            market_interval=market_interval,
            premium_interval=premium_interval,
            funding_interval=_one("getTwapInterval", funding, "ClearingHouseConfig"),
            max_funding_rate=_one("getMaxFundingRate", rate, "ClearingHouseConfig"),
        ),
    )


def decode_list(name: str, result: CallResult) -> tuple[Address, ...]:
    """Return the addresses that `getBaseTokens` or `getCollateralTokens` answered."""
    return tuple(_one(name, result, "contract"))


def decode_market(base_token: Address, results: Results) -> Market:
    """Return the answers to `market_calls`."""
    symbol, is_open, is_closed, feed, mark, *rest = results
    roots, indices, (paused, closed) = rest[:5], rest[5:8], rest[8:]
    opened, shut = _one("isOpen", is_open, "market"), _one("isClosed", is_closed, "market")
    spot, short, average, premium, funding = (_one("getSqrtMarketTwapX96", each, "exchange") for each in roots)
    index, premium_index, funding_index = (_one("getIndexPrice", each, "market") for each in indices)
    return Market(
        token=Token(base_token, token_symbol(base_token, symbol), QUOTE_DECIMALS),
        status="open" if opened else "closed" if shut else "paused",
        price_feed=_one("getPriceFeed", feed, "market"),
        mark_price=_one("getMarkPrice", mark, "AccountBalance"),
        spot=spot,
        short_average=short,
        market_average=average,
        premium_average=premium,
        funding_average=funding,
        index_price=index,
        premium_index=premium_index,
        funding_index=funding_index,
        paused_price=_one("getPausedIndexPrice", paused, "market"),
        closed_price=_one("getClosedPrice", closed, "market") if shut else None,
    )


def decode_position(market: Market, results: Results) -> PositionRead:
    """Return the answers to `position_calls`."""
    info, size, notional, value, in_base, in_quote, debt_base, debt_quote, funding, terms = results
    ((taker_size, taker_notional, _),) = _all("getAccountInfo", info, "AccountBalance")
    pool_base, _ = _all("getTotalTokenAmountInPoolAndPendingFee", in_base, "OrderBook")
    pool_quote, pending_fee = _all("getTotalTokenAmountInPoolAndPendingFee", in_quote, "OrderBook")
    ((_, fee_ratio, _, _, spread),) = _all("getMarketInfoByTrader", terms, "MarketRegistry")
    position = Position(
        market=market,
        taker_size=taker_size,
        taker_notional=taker_notional,
        pool_base=pool_base,
        pool_quote=pool_quote,
        debt_base=_one("getTotalOrderDebt", debt_base, "OrderBook"),
        debt_quote=_one("getTotalOrderDebt", debt_quote, "OrderBook"),
        pending_fee=pending_fee,
        funding=_one("getPendingFundingPayment", funding, "exchange"),
        fee_ratio=fee_ratio,
        max_spread_ratio=spread,
    )
    totals = zip(
        ("getTotalPositionSize", "getTotalOpenNotional", "getTotalPositionValue"), (size, notional, value), strict=True
    )
    return PositionRead(position, *(_one(name, result, "AccountBalance") for name, result in totals))


def decode_collateral(token: Address, results: Results, held: CallResult) -> Collateral:
    """Return the answers to `collateral_calls` and `held_calls`."""
    symbol, decimals, config, price, price_decimals = results
    ((feed, ratio, _, _),) = _all("getCollateralConfig", config, "CollateralManager")
    places = decode_one(interface("erc20")["decimals"], decimals, what="collateral")
    return Collateral(
        token=Token(token, token_symbol(token, symbol), places),
        amount=_one("getBalanceByToken", held, "vault"),
        price=_one("getPrice", price, "CollateralManager"),
        price_decimals=_one("getPriceFeedDecimals", price_decimals, "CollateralManager"),
        price_feed=feed,
        ratio=ratio,
    )


def decode_figures(results: Results) -> Figures:
    """Return the answers to `owner_calls`."""
    balance, liquidatable, orders, value, house, free, by_ratio, pnl, debt, absolute, margin, funding = results
    owed, unrealized, pending_fee = _all("getPnlAndPendingFee", pnl, "AccountBalance")
    return Figures(
        balance=_one("getBalance", balance, "vault"),
        is_collateral_liquidatable=_one("isLiquidatable", liquidatable, "vault"),
        has_orders=_one("hasOrder", orders, "AccountBalance"),
        account_value=_one("getAccountValue", value, "vault"),
        house_value=_one("getAccountValue", house, "clearing house"),
        free_collateral=_one("getFreeCollateral", free, "vault"),
        free_by_ratio=_one("getFreeCollateralByRatio", by_ratio, "vault"),
        owed_pnl=owed,
        unrealized_pnl=unrealized,
        pending_fee=pending_fee,
        debt_value=_one("getTotalDebtValue", debt, "AccountBalance"),
        absolute_value=_one("getTotalAbsPositionValue", absolute, "AccountBalance"),
        margin_requirement=_one("getMarginRequirementForLiquidation", margin, "AccountBalance"),
        funding=_one("getAllPendingFundingPayment", funding, "exchange"),
    )


def _one(name: str, result: CallResult, what: str) -> Any:
    return decode_one(interface("perp_curie")[name], result, what=what)


def _all(name: str, result: CallResult, what: str) -> Sequence[Any]:
    return decode_all(interface("perp_curie")[name], result, what=what)
