"""What a Perp v2 account's figures depend on, as read at one block: frozen values, integers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from defilev.model.request import Address, Block
from defilev.model.token import Token

__all__ = ["QUOTE_DECIMALS", "RATIO", "Collateral", "Contracts", "CurieState", "Market", "Position", "Rules"]

QUOTE_DECIMALS = 18
"""Everything but settlement tokens and collateral is counted with 18 decimals: sizes, notionals, prices, dollars."""

RATIO = 10**6
"""Ratios and fees are parts of a million."""

Status = Literal["open", "paused", "closed"]


@dataclass(frozen=True, slots=True)
class Contracts:
    """The contracts of a deployment, found from its clearing house."""

    clearing_house: Address
    vault: Address
    exchange: Address
    order_book: Address
    account_balance: Address
    config: Address
    quote_token: Address
    collateral_manager: Address
    market_registry: Address


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for every market; ratios are parts of a million, intervals seconds."""

    initial_ratio: int
    maintenance_ratio: int
    market_interval: int
    premium_interval: int
    funding_interval: int
    max_funding_rate: int


@dataclass(frozen=True, slots=True)
class Market:
    """One market at the read's block: prices have 18 decimals, square roots are scaled by 2**96.

    `mark_price` is the contract's median, worked out whatever the status. `spot` is the square root of the pool's
    price; `short_average`, `market_average` and `premium_average` of the average price over 15 s, over the market's
    and over the premium's interval; `funding_average` over the one of funding. Index prices are spot and averages of
    the feed, and stand still in a market that is not open. `closed_price` is `None` unless the market is closed.
    """

    token: Token
    status: Status
    price_feed: Address
    mark_price: int
    spot: int
    short_average: int
    market_average: int
    premium_average: int
    funding_average: int
    index_price: int
    premium_index: int
    funding_index: int
    paused_price: int
    closed_price: int | None


@dataclass(frozen=True, slots=True)
class Position:
    """An owner's stake in one market, base and quote with 18 decimals.

    `taker_*` is what trading left; `pool_*` is what stands in the owner's range orders and `debt_*` what was lent to
    them for it, zero without orders; `pending_fee` is what these have earned. `funding` is pending, positive when the
    owner pays. Fees of trading are parts of a million.
    """

    market: Market
    taker_size: int
    taker_notional: int
    pool_base: int
    pool_quote: int
    debt_base: int
    debt_quote: int
    pending_fee: int
    funding: int
    fee_ratio: int
    max_spread_ratio: int


@dataclass(frozen=True, slots=True)
class Collateral:
    """A token beside the settlement token: `amount` base units, of whose value `ratio` parts of a million count.

    `price` is the feed's average over 15 minutes, scaled by `10**price_decimals`.
    """

    token: Token
    amount: int
    price: int
    price_decimals: int
    price_feed: Address
    ratio: int


@dataclass(frozen=True, slots=True)
class CurieState:
    """One owner's cross-margined account.

    `balance` is in base units of the `settlement` token and may be negative. `owed_pnl` (18 decimals) is realised and
    not yet settled. `has_orders` says whether liquidity is provided in an open market: while it is, nobody can
    liquidate.
    `is_collateral_liquidatable` is the vault's own test, of collateral and not of positions.
    """

    chain_id: int
    block: Block
    deployment: str
    owner: Address
    contracts: Contracts
    settlement: Token
    rules: Rules
    balance: int
    owed_pnl: int
    positions: tuple[Position, ...]
    collateral: tuple[Collateral, ...]
    has_orders: bool
    is_collateral_liquidatable: bool
