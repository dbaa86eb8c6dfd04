"""GMX's arithmetic of a position, rounding by rounding; dollars and factors have 30 decimals.

Sources: gmx-synthetics, `PositionUtils.getPositionPnlUsd` and `isPositionLiquidatable`, `MarketUtils.getFundingAmount`
and `getBorrowingFees`, `PositionPricingUtils.getPositionFees`. A keeper first brings the market's fees up to date, and
then asks the same question as `Reader.isPositionLiquidatable`, which leaves pending fees out.
"""

from __future__ import annotations

from defilev.protocols.gmx_v2.state import FACTOR, MarketTerms, Position, PositionState, TokenPrice
from defilev.units import Ray, mul_div_down, mul_div_up

__all__ = [
    "borrow_rate",
    "borrowing_amount",
    "borrowing_usd",
    "closing_amount",
    "closing_usd",
    "counted_impact",
    "entry_price",
    "fees_up_to_date",
    "funding_amount",
    "funding_rate",
    "is_liquidatable",
    "liquidation_price",
    "maintenance",
    "mark_price",
    "remaining",
    "unrealized_pnl",
]

FUNDING_PRECISION = 10**15
"""Funding per dollar of size has 45 decimals: the 30 of a factor, and these."""

FACTOR_OF_RAY = 10**3
"""A factor has 30 decimals, a ray 27."""

SECONDS_PER_YEAR = 31_536_000


def mark_price(index: TokenPrice, *, is_long: bool) -> int:
    """Return the price that profit is counted at: the low one for a long, the high one for a short."""
    return index.low if is_long else index.high


def entry_price(position: Position) -> int:
    """Return dollars per base unit of the index at which the position was entered, rounded down."""
    return position.size // position.size_in_tokens


def unrealized_pnl(position: Position, index: TokenPrice) -> int:
    """Return profit or loss in dollars, before the cap that the pool puts on profits; exact."""
    gain = position.size_in_tokens * mark_price(index, is_long=position.is_long) - position.size
    return gain if position.is_long else -gain


def funding_amount(position: Position, funding_per_size: int) -> int:
    """Return what funding takes of the collateral until the market's figure is `funding_per_size`, rounded up."""
    return mul_div_up(position.size, funding_per_size - position.funding_per_size, FACTOR * FUNDING_PRECISION)


def borrowing_usd(position: Position, borrowing_factor: int) -> int:
    """Return what borrowing costs until the market's factor is `borrowing_factor`, in dollars, rounded down."""
    return mul_div_down(position.size, borrowing_factor - position.borrowing_factor, FACTOR)


def borrowing_amount(position: Position, borrowing_factor: int, collateral: TokenPrice) -> int:
    """Return `borrowing_usd` in base units of the collateral at its low price, rounded down."""
    return borrowing_usd(position, borrowing_factor) // collateral.low


def closing_usd(size: int, factor: int) -> int:
    """Return the fee for closing a whole position of `size` dollars, in dollars, rounded down."""
    return mul_div_down(size, factor, FACTOR)


def closing_amount(position: Position, factor: int, collateral: TokenPrice) -> int:
    """Return `closing_usd` in base units of the collateral at its low price, rounded down."""
    return closing_usd(position.size, factor) // collateral.low


def fees_up_to_date(terms: MarketTerms, *, at: int) -> tuple[int, int]:
    """Return the market's borrowing factor and funding per size when it is brought up to date at Unix time `at`."""
    elapsed = at - terms.borrowing_updated_at
    borrowing = terms.borrowing_factor + terms.borrowing_per_second * elapsed
    return borrowing, terms.funding_per_size + terms.funding_per_size_delta


def borrow_rate(terms: MarketTerms) -> Ray:
    """Return what borrowing takes of the size in a year at today's rate, simple, rounded up."""
    return Ray(mul_div_up(terms.borrowing_per_second, SECONDS_PER_YEAR, FACTOR_OF_RAY))


def funding_rate(terms: MarketTerms, *, is_long: bool) -> Ray | None:
    """Return what funding brings of the size in a year at today's rate, simple and rounded down; negative when paid.

    What the larger side's size makes of the rate is shared out over the side's own; `None` where nobody is on it.
    """
    if not terms.interest:
        return None
    paid = terms.funding_per_second * max(terms.interest, terms.other_interest) * SECONDS_PER_YEAR
    if is_long == terms.longs_pay:
        return Ray(-mul_div_up(paid, 1, terms.interest * FACTOR_OF_RAY))
    return Ray(mul_div_down(paid, 1, terms.interest * FACTOR_OF_RAY))


def counted_impact(state: PositionState) -> int:
    """Return what the test for liquidation counts of the price impact of closing: dollars, zero or less.

    A positive impact is capped; what is pending from increasing is added at the price that is worse for the owner; a
    loss counts only up to a part of the size, which is none in most markets.
    """
    position, terms, index = state.position, state.terms, state.index_price
    most = mul_div_down(position.size, terms.max_positive_impact_factor, FACTOR)
    pending = position.pending_impact * (index.low if position.pending_impact > 0 else index.high)
    total = min(state.charges.price_impact, most) + pending
    floor = -mul_div_down(position.size, terms.max_impact_factor_for_liquidations, FACTOR)
    return max(min(total, 0), floor)


def remaining(state: PositionState, cost_amount: int) -> int:
    """Return what is left of the collateral in dollars when all is counted, costs being base units of it; signed."""
    low = state.collateral_price.low
    kept = state.position.collateral_amount - cost_amount
    return kept * low + state.charges.pnl + counted_impact(state)


def maintenance(size: int, terms: MarketTerms) -> int:
    """Return the dollars that must be left: a part of the size, and at least the smallest collateral there may be."""
    part = mul_div_down(size, terms.min_collateral_factor_for_liquidation, FACTOR)
    return max(part, terms.min_collateral_usd)


def is_liquidatable(state: PositionState, cost_amount: int) -> bool:
    """Return the contract's verdict for costs of `cost_amount` base units of the collateral."""
    left = remaining(state, cost_amount)
    return left <= 0 or left < maintenance(state.position.size, state.terms)


def liquidation_price(
    *,
    is_long: bool,
    size: int,
    size_in_tokens: int,
    collateral_in_index: int,
    other_collateral_usd: int,
    required_usd: int,
) -> int | None:
    """Return the index price at which what is left is what must be, rounded down; `None` where no price above zero is.

    Solves `±(tokens·p − size) + collateral_in_index·p + other_collateral_usd = required_usd` for p.

    Args:
        is_long: the sign of the first term.
        size: dollars at entry.
        size_in_tokens: base units of the index.
        collateral_in_index: base units of collateral that is the index token, less costs fixed in it.
        other_collateral_usd: the value of any other collateral, less costs fixed in it.
        required_usd: maintenance, and costs fixed in dollars less the impact that counts.
    """
    sign = 1 if is_long else -1
    slope = sign * size_in_tokens + collateral_in_index
    missing = sign * size + required_usd - other_collateral_usd
    if not slope or slope * sign < 0 or missing * sign <= 0:
        return None
    return abs(missing) // abs(slope)
