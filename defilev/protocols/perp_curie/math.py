"""Perp v2's arithmetic, rounding by rounding: AccountBalance, Vault, Exchange and PerpMath of `@perp/curie-contract`.

Solidity divides signed numbers toward zero; where the contract rounds down instead, the name says so.
"""

from __future__ import annotations

from fractions import Fraction
from math import floor

from defilev.protocols.perp_curie.state import QUOTE_DECIMALS, RATIO, Collateral, CurieState, Market, Position
from defilev.units import RAY, WAD, Ray

__all__ = [
    "DUST",
    "absolute_value",
    "account_value",
    "all_funding",
    "cash",
    "collateral_value",
    "collateral_worth",
    "cut_to_settlement",
    "debt_value",
    "entry_price",
    "free_collateral",
    "free_collateral_by_ratio",
    "funding_rate",
    "is_liquidatable",
    "liquidation_price",
    "margin_requirement",
    "mark_price",
    "mul_div",
    "notional",
    "pending_fees",
    "position_value",
    "price_of_root",
    "quote_balance",
    "reference_price",
    "settlement_balance",
    "size",
    "total_collateral",
    "unit_of",
    "unrealized_pnl",
]

DUST = 10
Q96 = 2**96
DAYS_PER_YEAR = 365


def mul_div(left: int, right: int, divisor: int) -> int:
    """Return the product over a positive divisor, rounded toward zero; `PerpMath.mulDiv`."""
    product = left * right
    return product // divisor if product >= 0 else -(-product // divisor)


def cut_to_settlement(value: int, *, decimals: int) -> int:
    """Return `value`, 18 decimals, in a token of `decimals`, rounded down; `SettlementTokenMath`."""
    return value // unit_of(decimals)


def unit_of(decimals: int) -> int:
    """Return what a base unit of a token of `decimals` is with 18; beyond 18, how many make up one of those."""
    unit: int = 10 ** abs(QUOTE_DECIMALS - decimals)
    return unit


def price_of_root(root: int) -> int:
    """Return the price of a square root scaled by 2**96, 18 decimals; `PerpMath`, cut twice as there."""
    return root * root // Q96 * WAD // Q96


def mark_price(market: Market) -> int:
    """Return the median of market price, market average and index with premium; `AccountBalance._getMarkPrice`."""
    premium = price_of_root(market.premium_average) - market.premium_index
    prices = (price_of_root(market.short_average), price_of_root(market.market_average), market.index_price + premium)
    return sorted(prices)[1]


def reference_price(market: Market) -> int:
    """Return the price that positions are valued at; `AccountBalance._getReferencePrice`."""
    if market.status == "open":
        return market.mark_price
    return market.paused_price if market.closed_price is None else market.closed_price


def size(position: Position) -> int:
    """Return base held, negative when owed, with the owner's orders; `AccountBalance.getTotalPositionSize`."""
    total = position.taker_size + position.pool_base - position.debt_base
    return 0 if abs(total) < DUST else total


def notional(position: Position) -> int:
    """Return quote got for the position, negative when paid; `AccountBalance.getTotalOpenNotional`."""
    return position.taker_notional + position.pool_quote - position.debt_quote


def position_value(position: Position) -> int:
    """Return the position's value, negative for a short; `AccountBalance.getTotalPositionValue`."""
    return mul_div(size(position), reference_price(position.market), WAD)


def unrealized_pnl(state: CurieState) -> int:
    """Return what all positions have gained since they were entered; the second value of `getPnlAndPendingFee`."""
    return sum(position_value(each) + notional(each) for each in state.positions)


def pending_fees(state: CurieState) -> int:
    """Return what the owner's orders have earned; the third value of `getPnlAndPendingFee`."""
    return sum(each.pending_fee for each in state.positions)


def all_funding(state: CurieState) -> int:
    """Return pending funding, positive when the owner pays; `Exchange.getAllPendingFundingPayment`."""
    return sum(each.funding for each in state.positions)


def absolute_value(state: CurieState) -> int:
    """Return the value of all positions whatever their side; `AccountBalance.getTotalAbsPositionValue`."""
    return sum(abs(position_value(each)) for each in state.positions)


def margin_requirement(state: CurieState) -> int:
    """Return the maintenance margin; `AccountBalance.getMarginRequirementForLiquidation`."""
    return absolute_value(state) * state.rules.maintenance_ratio // RATIO


def quote_balance(position: Position) -> int:
    """Return the quote that is the owner's or lent, without what stands in orders; `AccountBalance.getQuote`."""
    return position.taker_notional - position.debt_quote


def debt_value(state: CurieState) -> int:
    """Return what is owed in base and, all markets taken together, in quote; `AccountBalance.getTotalDebtValue`."""
    quote, base = 0, 0
    for each in state.positions:
        held = each.taker_size - each.debt_base
        base += mul_div(min(held, 0), reference_price(each.market), WAD)
        quote += quote_balance(each)
    return abs(min(quote, 0) + base)


def settlement_balance(state: CurieState) -> int:
    """Return cash less pending funding; `Vault._getSettlementTokenBalanceAndUnrealizedPnl`."""
    return cash(state) - all_funding(state)


def cash(state: CurieState) -> int:
    """Return what the owner has of the settlement token, 18 decimals: deposited, realised, and earned by orders."""
    return state.balance * unit_of(state.settlement.decimals) + state.owed_pnl + pending_fees(state)


def collateral_worth(held: Collateral) -> int:
    """Return a collateral's full value; `Vault._getSettlementByCollateral`."""
    unit, whole = unit_of(held.token.decimals), unit_of(QUOTE_DECIMALS - held.price_decimals)
    if held.token.decimals > QUOTE_DECIMALS:
        return held.amount * held.price // whole // unit
    return held.amount * unit * held.price // whole


def collateral_value(held: Collateral) -> int:
    """Return what counts of a collateral's value; `Vault._getNonSettlementTokenValue`."""
    return collateral_worth(held) * held.ratio // RATIO


def total_collateral(state: CurieState) -> int:
    """Return cash and what counts of the collateral; `Vault._getTotalCollateralValueAndUnrealizedPnl`."""
    return settlement_balance(state) + sum(collateral_value(each) for each in state.collateral)


def account_value(state: CurieState) -> int:
    """Return the account's value with 18 decimals, before `Vault.getAccountValue` cuts it to those of the token."""
    return total_collateral(state) + unrealized_pnl(state)


def free_collateral_by_ratio(state: CurieState, ratio: int) -> int:
    """Return what is left above `ratio` of the debt, 18 decimals; `Vault._getFreeCollateralByRatio`."""
    return min(total_collateral(state), account_value(state)) - debt_value(state) * ratio // RATIO


def free_collateral(state: CurieState) -> int:
    """Return what new positions and withdrawals may use, in base units of the settlement token; `getFreeCollateral`."""
    free = max(free_collateral_by_ratio(state, state.rules.initial_ratio), 0)
    return cut_to_settlement(free, decimals=state.settlement.decimals)


def is_liquidatable(state: CurieState) -> bool:
    """Return whether the value, cut to the token's decimals, is below the margin; `ClearingHouse._isLiquidatable`."""
    decimals = state.settlement.decimals
    return cut_to_settlement(account_value(state), decimals=decimals) * unit_of(decimals) < margin_requirement(state)


def entry_price(position: Position) -> int:
    """Return what one token was entered at, 18 decimals, rounded down; zero without a size."""
    held = size(position)
    return -notional(position) * WAD // held if held else 0


def liquidation_price(state: CurieState, position: Position) -> int | None:
    """Return the market's price where the account meets its margin, all others as they are, rounded down.

    `None` where no price above zero does. Orders are taken as what they hold now.
    """
    held, ratio = size(position), Fraction(state.rules.maintenance_ratio, RATIO)
    slope = held - ratio * abs(held)
    if not slope:
        return None
    short_by = margin_requirement(state) - account_value(state)
    price = floor(reference_price(position.market) + Fraction(short_by * WAD) / slope)
    return price if price > 0 else None


def funding_rate(state: CurieState, position: Position) -> Ray | None:
    """Return what funding brings of the notional in a year at the averages of now, simple; negative when paid.

    Rounded down; `Exchange._getFundingGrowthGlobalAndTwaps` without the liquidity in orders. `None` without a notional,
    zero in a market that is not open.
    """
    entered, market = abs(notional(position)), position.market
    if not entered or not size(position):
        return None
    if market.status != "open":
        return Ray(0)
    most = market.funding_index * state.rules.max_funding_rate // RATIO
    premium = max(-most, min(most, price_of_root(market.funding_average) - market.funding_index))
    return Ray(-size(position) * premium * DAYS_PER_YEAR * RAY // (WAD * entered))
