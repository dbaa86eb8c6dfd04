"""A GMX v2 position as the account that everybody else understands."""

from __future__ import annotations

from collections.abc import Iterator

from defilev.model.account import Notice, Price, SelfCheck
from defilev.model.perp import Fee, Margin, PerpAccount, PerpLeg
from defilev.protocols.gmx_v2 import math
from defilev.protocols.gmx_v2.prices import spread
from defilev.protocols.gmx_v2.state import USD_DECIMALS, PositionState, TokenPrice
from defilev.units import to_decimal

__all__ = ["PROTOCOL", "account_from_state"]

PROTOCOL = "gmx-v2"


def account_from_state(state: PositionState, *, self_check: SelfCheck) -> PerpAccount:
    """Return the account that `state` describes, every pending fee counted; the verdict is the keeper's."""
    position, collateral = state.position, state.collateral_price
    price = _price(collateral, collateral.low)
    return PerpAccount(
        chain_id=state.chain_id,
        block=state.block,
        protocol=PROTOCOL,
        market=state.key,
        owner=position.owner,
        quote_decimals=USD_DECIMALS,
        margin=(
            Margin(collateral.token, position.collateral_amount, price, position.collateral_amount * collateral.low),
        ),
        legs=(_leg(state),),
        fees=tuple(_fees(state)),
        price_impact=math.counted_impact(state),
        maintenance_margin=math.maintenance(state.position.size, state.terms),
        is_liquidatable=math.is_liquidatable(state, state.charges.total_amount),
        self_check=self_check,
        details=_details(state),
        warnings=tuple(_warnings(state)),
        state=state,
        market_label=f"{state.label} {'long' if position.is_long else 'short'} on {collateral.token.symbol}",
        deployment=state.deployment,
    )


def _leg(state: PositionState) -> PerpLeg:
    position, index = state.position, state.index_price
    return PerpLeg(
        side="long" if position.is_long else "short",
        index=index.token,
        size=position.size,
        size_in_tokens=position.size_in_tokens,
        entry_price=math.entry_price(position),
        mark=_price(index, math.mark_price(index, is_long=position.is_long)),
        unrealized_pnl=state.charges.pnl,
        liquidation_price=_liquidation_price(state),
        funding_rate=math.funding_rate(state.terms, is_long=position.is_long),
        borrow_rate=math.borrow_rate(state.terms),
    )


def _liquidation_price(state: PositionState) -> int | None:
    """Return where the keeper's test turns, with funding fixed in tokens and everything else in dollars."""
    position, charges, low = state.position, state.charges, state.collateral_price.low
    kept = position.collateral_amount - charges.funding_amount
    in_dollars = (charges.total_amount - charges.funding_amount) * low
    return math.liquidation_price(
        is_long=position.is_long,
        size=position.size,
        size_in_tokens=position.size_in_tokens,
        collateral_in_index=kept if state.is_index_collateral else 0,
        other_collateral_usd=0 if state.is_index_collateral else kept * low,
        required_usd=math.maintenance(state.position.size, state.terms) + in_dollars - math.counted_impact(state),
    )


def _fees(state: PositionState) -> Iterator[Fee]:
    charges, low = state.charges, state.collateral_price.low
    amounts = (
        ("borrowing", charges.borrowing_amount),
        ("funding", charges.funding_amount),
        ("closing", charges.closing_amount),
        ("ui", charges.ui_amount),
        ("discount", -charges.discount_amount),
    )
    yield from (Fee(name, amount, amount * low) for name, amount in amounts if amount)


def _price(price: TokenPrice, value: int) -> Price:
    """Return `value` as the price of one whole token; without a feed the token itself is what it moves with."""
    source = price.feed or price.token.address
    return Price(value, USD_DECIMALS - price.token.decimals, source, source, price.updated_at)


def _details(state: PositionState) -> tuple[tuple[str, str], ...]:
    position, market, terms, charges = state.position, state.market, state.terms, state.charges
    return (
        ("position_key", state.key),
        ("market_token", market.market),
        ("index_token", market.index),
        ("long_token", market.long),
        ("short_token", market.short),
        ("min_collateral_factor", str(terms.min_collateral_factor)),
        ("min_collateral_factor_for_liquidation", str(terms.min_collateral_factor_for_liquidation)),
        ("price_impact_of_closing", str(charges.price_impact)),
        ("pending_impact_amount", str(position.pending_impact)),
        ("uncapped_pnl", str(charges.uncapped_pnl)),
        ("keeper_remaining_collateral", str(math.remaining(state, charges.total_amount))),
        ("reader_remaining_collateral", str(state.reader_remaining)),
        ("reader_is_liquidatable", "true" if state.reader_liquidatable else "false"),
        ("borrowing_per_second", str(terms.borrowing_per_second)),
        ("funding_per_second", str(terms.funding_per_second)),
        ("funding_paid_by", "longs" if terms.longs_pay else "shorts"),
        ("increased_at", str(position.increased_at)),
        *_sources(state),
    )


def _sources(state: PositionState) -> Iterator[tuple[str, str]]:
    """Yield where both prices are from, and how far a ticker is from the feed."""
    for name, price in (("index", state.index_price), ("collateral", state.collateral_price)):
        yield f"{name}_price_source", "ticker" if price.from_ticker else "feed"
        yield f"{name}_price_low", str(price.low)
        yield f"{name}_price_high", str(price.high)
        apart = spread(price)
        yield f"{name}_price_spread", "" if apart is None else format(apart, ".8f")


def _warnings(state: PositionState) -> Iterator[Notice]:
    charges, terms = state.charges, state.terms
    if math.is_liquidatable(state, charges.total_amount) and not state.reader_liquidatable:
        behind = state.at - terms.borrowing_updated_at
        yield Notice(
            "view-behind",
            f"isPositionLiquidatable says no, with fees up to {behind} s ago; a keeper updates them first, and would "
            "liquidate this position now",
        )
    if charges.pnl < charges.uncapped_pnl:
        uncapped = to_decimal(charges.uncapped_pnl - charges.pnl, USD_DECIMALS)
        yield Notice("profit-capped", f"the pool pays {uncapped:.2f} USD less than the profit of this position")
    if terms.is_disabled:
        yield Notice("paused", "the market is disabled: no order is executed")
    if not state.index_price.from_ticker:
        yield Notice(
            "feed-prices", "prices are of the on-chain feeds; keepers execute at signed prices, which may differ"
        )
