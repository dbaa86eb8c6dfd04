"""A perpetual position as it was read at one block: margin, legs, what they owe, and where liquidation begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from defilev.model.account import Notice, Price, SelfCheck
from defilev.model.flow import StatefulValue
from defilev.model.request import Address, Block
from defilev.model.token import Token
from defilev.units import WAD, Ray, Wad, mul_div_down

__all__ = ["Direction", "Fee", "Margin", "PerpAccount", "PerpLeg"]

Direction = Literal["long", "short"]


@dataclass(frozen=True, slots=True)
class Margin:
    """A token that stands behind the legs: `amount` in base units, `value` in quote base units at `price`."""

    asset: Token
    amount: int
    price: Price
    value: int


@dataclass(frozen=True, slots=True)
class Fee:
    """What closing would cost now beside losses: `amount` base units of the margin token, `value` in quote base units.

    What is received is negative.
    """

    name: str
    amount: int
    value: int


@dataclass(frozen=True, slots=True)
class PerpLeg:
    """One direction of one index.

    `size` is what was entered for, in quote base units; `size_in_tokens` is in base units of the index. `mark` is the
    price that profit is counted at. `entry_price` and `liquidation_price` are scaled as `mark` is, the second rounded
    down and with all other prices where they are: `None` where no price above zero liquidates. Rates are yearly and
    simple, in ray of `size`: `funding_rate` is what is received, negative when paid and `None` where nobody can tell;
    `borrow_rate` is what is paid beside it.
    """

    side: Direction
    index: Token
    size: int
    size_in_tokens: int
    entry_price: int
    mark: Price
    unrealized_pnl: int
    liquidation_price: int | None
    funding_rate: Ray | None
    borrow_rate: Ray

    @property
    def sign(self) -> int:
        """One for a long, minus one for a short."""
        return 1 if self.side == "long" else -1

    def notional(self, quote_decimals: int) -> int:
        """Return the size at the mark price in quote base units, rounded down."""
        scale = 10 ** (self.index.decimals + self.mark.decimals)
        return mul_div_down(self.size_in_tokens, self.mark.value * 10**quote_decimals, scale)


@dataclass(frozen=True, slots=True)
class PerpAccount(StatefulValue):
    """Legs that share one margin, at one block: on GMX one position, elsewhere all that an owner has.

    Values are integers scaled by `10**quote_decimals`. `price_impact` is what closing at today's depth counts, never
    above zero. `maintenance_margin` is what must be left when all is counted. `is_liquidatable` is the protocol's own
    test with everything that is pending, as whoever liquidates would find it. `state` is the protocol's own frozen
    state; nobody else looks inside. `market_label` is what people call the market, `deployment` the address book's
    entry that it is in.
    """

    SCHEMA: ClassVar[str] = "defilev/perp-account@1"

    chain_id: int
    block: Block
    protocol: str
    market: str
    owner: Address
    quote_decimals: int
    margin: tuple[Margin, ...]
    legs: tuple[PerpLeg, ...]
    fees: tuple[Fee, ...]
    price_impact: int
    maintenance_margin: int
    is_liquidatable: bool
    self_check: SelfCheck
    details: tuple[tuple[str, str], ...]
    warnings: tuple[Notice, ...]
    state: Any
    quote: str = "USD"
    market_label: str = ""
    deployment: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether there are no legs, no margin, and nothing to be told."""
        return not self.legs and not self.margin and not self.warnings

    @property
    def capacity(self) -> int:
        """What the owner has: margin, what longs are worth now, and what shorts were sold for."""
        held = sum(leg.size + (leg.unrealized_pnl if leg.side == "long" else 0) for leg in self.legs)
        return sum(each.value for each in self.margin) + held

    @property
    def requirement(self) -> int:
        """What must be covered: what longs were bought for, what buying shorts back costs now, and then the margin.

        Of the margin: what must be left, and the fees and the price impact of closing.
        """
        owed = sum(leg.size - (leg.unrealized_pnl if leg.side == "short" else 0) for leg in self.legs)
        return owed + self.maintenance_margin + sum(fee.value for fee in self.fees) - self.price_impact

    @property
    def equity_value(self) -> int:
        """What is left of the margin when profit, fees and price impact are counted; negative when nothing is."""
        return self.capacity - self.requirement + self.maintenance_margin

    @property
    def size(self) -> int:
        """The legs' sizes added up, whatever their side."""
        return sum(leg.size for leg in self.legs)

    @property
    def health_factor(self) -> Wad | None:
        """Capacity over requirement, rounded down: liquidatable below one; `None` without legs.

        A leveraged position is read as the loan that it is, so that its health says what a loan's does: at 1.10 a fall
        of what is held by about a tenth liquidates. Exchanges show `margin_ratio`.
        """
        return Wad(self.capacity * WAD // self.requirement) if self.requirement > 0 else None

    @property
    def margin_ratio(self) -> Wad | None:
        """Equity over maintenance margin, rounded down; `None` without legs. It is one where the health factor is."""
        return Wad(self.equity_value * WAD // self.maintenance_margin) if self.maintenance_margin else None
