"""Everything of a GMX v2 position that its figures depend on, as read at one block.

Dollars and factors have 30 decimals. A price is dollars with 30 decimals for one base unit of its token: where that has
18 decimals, the price of a whole token is scaled by `10**12`. Amounts of tokens are base units.
"""

from __future__ import annotations

from dataclasses import dataclass

from defilev.model.request import Address, Block
from defilev.model.token import Token

__all__ = ["FACTOR", "USD_DECIMALS", "Charges", "Market", "MarketTerms", "Position", "PositionState", "TokenPrice"]

USD_DECIMALS = 30
FACTOR = 10**USD_DECIMALS


@dataclass(frozen=True, slots=True)
class TokenPrice:
    """The lowest and highest price that a token is traded at.

    `feed` is the DataStore's on-chain feed and `feed_price` its answer, both `None` where there is none; `updated_at`
    is its round's Unix time. `from_ticker` says that `low` and `high` are a ticker file's.
    """

    token: Token
    low: int
    high: int
    feed: Address | None
    feed_price: int | None
    updated_at: int | None
    from_ticker: bool


@dataclass(frozen=True, slots=True)
class Market:
    """A market's own token, which names it, and the tokens whose prices it needs."""

    market: Address
    index: Address
    long: Address
    short: Address

    @property
    def tokens(self) -> tuple[Address, ...]:
        """Index, long and short token, each once."""
        return tuple(dict.fromkeys((self.index, self.long, self.short)))


@dataclass(frozen=True, slots=True)
class Position:
    """A position as it is stored: one for each owner, market, collateral and side.

    `size` is dollars at entry, `size_in_tokens` base units of the index, `pending_impact` base units of it that closing
    settles, signed. `borrowing_factor` and `funding_per_size` are the market's figures up to which fees were paid.
    """

    owner: Address
    market: Address
    collateral: Address
    is_long: bool
    size: int
    size_in_tokens: int
    collateral_amount: int
    pending_impact: int
    borrowing_factor: int
    funding_per_size: int
    increased_at: int
    decreased_at: int


@dataclass(frozen=True, slots=True)
class MarketTerms:
    """What the market charges one side in one collateral, and what it requires.

    `borrowing_factor` and `funding_per_size` are stored, as of the market's last update at `borrowing_updated_at`; the
    first grows by `borrowing_per_second`, and `funding_per_size_delta` is what the second is behind.
    `funding_per_second` is what one side pays to the other, as a part of the larger side's size; `longs_pay` says which
    side pays. Collateral factors are
    for liquidation and for everything that the owner does. `interest` is what all positions on the side were entered
    for, `other_interest` those on the other, in dollars.
    """

    is_disabled: bool
    borrowing_factor: int
    borrowing_updated_at: int
    borrowing_per_second: int
    funding_per_size: int
    funding_per_size_delta: int
    funding_per_second: int
    longs_pay: bool
    interest: int
    other_interest: int
    min_collateral_usd: int
    min_collateral_factor: int
    min_collateral_factor_for_liquidation: int
    max_positive_impact_factor: int
    max_impact_factor_for_liquidations: int


@dataclass(frozen=True, slots=True)
class Charges:
    """What the Reader says of closing the whole position now, pending fees included.

    Amounts are base units of the collateral. `price_impact` is signed dollars before any cap. `pnl` is capped by what
    the pool pays, `uncapped_pnl` is not.
    """

    funding_amount: int
    borrowing_usd: int
    borrowing_amount: int
    closing_factor: int
    closing_amount: int
    ui_amount: int
    discount_amount: int
    total_amount: int
    price_impact: int
    pnl: int
    uncapped_pnl: int


@dataclass(frozen=True, slots=True)
class PositionState:
    """One position at one block; `collateral_price` and `index_price` may be the same token's."""

    chain_id: int
    block: Block
    deployment: str
    key: str
    position: Position
    market: Market
    label: str
    index_price: TokenPrice
    collateral_price: TokenPrice
    terms: MarketTerms
    charges: Charges
    reader_remaining: int
    reader_liquidatable: bool

    @property
    def at(self) -> int:
        """The Unix time that pending fees run to."""
        return self.block.timestamp

    @property
    def is_index_collateral(self) -> bool:
        """Whether the collateral moves with the index, since it is the same token."""
        return self.position.collateral == self.market.index
