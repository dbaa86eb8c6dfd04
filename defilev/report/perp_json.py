"""A perpetual in the `defilev/health@1` document; docs/json.md describes every field."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from defilev.model.account import Price
from defilev.model.perp import Fee, Margin, PerpLeg
from defilev.report.decimals import at_least, fraction, money
from defilev.report.perp import PerpBalance, PerpView
from defilev.units import EXACT, RAY, Ray, Wad, to_decimal

__all__ = ["perp_part"]


def perp_part(view: PerpView) -> dict[str, Any]:
    """Return what a perpetual has of its own, and not as a loan has it."""
    account = view.account
    return {
        "health_factor": _wad(account.health_factor),
        "margin_ratio": _wad(account.margin_ratio),
        "status": view.status,
        "is_liquidatable": account.is_liquidatable,
        "quote": account.quote,
        **_totals(view.balance),
        "margin": [_margin(each, account.quote_decimals, at=account.block.timestamp) for each in account.margin],
        "legs": [_leg(leg, account.quote_decimals, at=account.block.timestamp) for leg in account.legs],
        "fees": [_fee(fee, account.quote_decimals) for fee in account.fees],
    }


def _totals(balance: PerpBalance) -> dict[str, Any]:
    return {
        "margin_value": at_least(balance.margin_value, 2),
        "maintenance_margin": at_least(balance.maintenance_margin, 2),
        "notional": at_least(balance.notional, 2),
        "net_notional": at_least(balance.net_notional, 2),
        "unrealized_pnl": at_least(balance.unrealized_pnl, 2),
        "fees_value": at_least(balance.fees_value, 2),
        "price_impact": at_least(balance.price_impact, 2),
        "equity_value": at_least(balance.equity_value, 2),
        "leverage": fraction(balance.leverage),
        "funding_per_year": money(balance.funding),
        "borrowing_per_year": money(balance.borrowing),
        "net_carry": fraction(balance.net_carry),
    }


def _margin(margin: Margin, quote_decimals: int, *, at: int) -> dict[str, Any]:
    return {
        "asset": _token(margin.asset.symbol, margin.asset.address, margin.asset.decimals),
        "amount": _amount(margin.amount, margin.asset.decimals),
        "price": _price(margin.price.value, margin.price),
        "value": at_least(to_decimal(margin.value, quote_decimals), 2),
        "price_source": _source(margin.price, at=at),
    }


def _leg(leg: PerpLeg, quote_decimals: int, *, at: int) -> dict[str, Any]:
    liquidation = None if leg.liquidation_price is None else _price(leg.liquidation_price, leg.mark)
    return {
        "side": leg.side,
        "asset": _token(leg.index.symbol, leg.index.address, leg.index.decimals),
        "size": at_least(to_decimal(leg.size, quote_decimals), 2),
        "amount": _amount(leg.size_in_tokens, leg.index.decimals),
        "entry_price": _price(leg.entry_price, leg.mark),
        "mark_price": _price(leg.mark.value, leg.mark),
        "value": at_least(to_decimal(leg.notional(quote_decimals), quote_decimals), 2),
        "unrealized_pnl": at_least(to_decimal(leg.unrealized_pnl, quote_decimals), 2),
        "liquidation_price": liquidation,
        "funding_rate": None if leg.funding_rate is None else _rate(leg.funding_rate),
        "borrow_rate": _rate(leg.borrow_rate),
        "price_source": _source(leg.mark, at=at),
    }


def _fee(fee: Fee, quote_decimals: int) -> dict[str, Any]:
    return {"name": fee.name, "amount": str(fee.amount), "value": at_least(to_decimal(fee.value, quote_decimals), 2)}


def _source(price: Price, *, at: int) -> dict[str, Any]:
    age = None if price.updated_at is None else max(0, at - price.updated_at)
    return {"address": price.source, "driver": price.driver, "updated_at": price.updated_at, "age": age}


def _price(value: int, price: Price) -> str:
    return at_least(to_decimal(value, price.decimals), 2)


def _rate(rate: Ray) -> str | None:
    return fraction(EXACT.divide(Decimal(rate), RAY))


def _amount(amount: int, decimals: int) -> dict[str, str]:
    return {"raw": str(amount), "decimal": at_least(to_decimal(amount, decimals), 0)}


def _token(symbol: str, address: str, decimals: int) -> dict[str, Any]:
    return {"symbol": symbol, "address": address, "decimals": decimals}


def _wad(value: Wad | None) -> dict[str, str] | None:
    return None if value is None else {"wad": str(value), "decimal": format(to_decimal(value, 18), "f")}
