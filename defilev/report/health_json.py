"""The `defilev/health@1` document; docs/json.md describes every field."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from defilev.model.account import Leg
from defilev.model.token import Token
from defilev.report.decimals import at_least, bps, computed_price, fraction, rounded
from defilev.report.exits_json import exits_part
from defilev.report.health import HealthView
from defilev.report.health_report import HealthReport
from defilev.report.liquidation import LiquidationView, MovedAsset, RatioView
from defilev.report.perp import PerpView, View
from defilev.report.perp_json import perp_part
from defilev.report.scenario import ShockView
from defilev.report.total_json import bounds_part, failure_part, left_out_part, overlay_part, total_part
from defilev.risk.prices import price_age
from defilev.units import EXACT, RAY, Wad, to_decimal

__all__ = ["SCHEMA", "health_document"]

SCHEMA = "defilev/health@1"
_NUMBERS = frozenset({"revision", "e_mode", "last_accrual"})
_VERDICTS = frozenset({"absorbable", "is_borrow_collateralized", "is_liquidatable"})
_VERDICT = {"true": True, "false": False}


def health_document(report: HealthReport) -> dict[str, Any]:
    """Return the document: money as decimal strings beside base units, `None` where there is no figure."""
    return {
        "schema": SCHEMA,
        "accounts": [_account(report, view) for view in report.all_views],
        "without_position": list(report.without_position),
        "left_out": [left_out_part(left_out) for left_out in report.left_out],
        "overlays": [overlay_part(overlay) for overlay in report.overlays],
        "total": None if report.total is None else total_part(report.total, report.beta),
        "failures": [failure_part(failure) for failure in report.failures],
    }


def _account(report: HealthReport, view: View) -> dict[str, Any]:
    account = view.account
    return {
        "kind": "perp" if isinstance(view, PerpView) else "lending",
        "chain": report.chain_of(view).name,
        "chain_id": account.chain_id,
        "block": {
            "number": account.block.number,
            "hash": account.block.hash,
            "timestamp": account.block.timestamp,
        },
        "protocol": account.protocol,
        "market": account.market,
        "market_label": account.market_name,
        "address": account.owner,
        "name": view.name,
        "note": view.note or None,
        "self_check": {"result": account.self_check.result, "compared": account.self_check.compared},
        **(perp_part(view) if isinstance(view, PerpView) else _loan_part(view)),
        **_scenarios(view),
        "details": {name: _detail(name, text) for name, text in account.details},
        "warnings": [{"name": notice.name, "text": notice.text} for notice in view.warnings],
    }


def _loan_part(view: HealthView) -> dict[str, Any]:
    account = view.account
    return {
        **_health(view),
        "quote": account.quote,
        **_totals(view),
        "legs": [_leg(leg, at=account.block.timestamp, quote_decimals=account.quote_decimals) for leg in account.legs],
        "exits": None if view.exits is None else exits_part(view.exits),
    }


def _detail(name: str, text: str) -> str | int | bool | None:
    if name in _VERDICTS:
        return _VERDICT.get(text)
    return int(text) if name in _NUMBERS else text


def _health(view: HealthView) -> dict[str, Any]:
    return {
        "health_factor": _wad(view.account.health_factor, with_decimal=True),
        "contract_health_factor": _wad(view.account.contract_health_factor, with_decimal=False),
        "status": view.status,
    }


def _totals(view: HealthView) -> dict[str, Any]:
    balance = view.balance
    return {
        "collateral_value": at_least(balance.collateral_value, 2),
        "debt_value": at_least(balance.debt_value, 2),
        "equity_value": at_least(balance.equity_value, 2),
        "idle_value": at_least(balance.idle_value, 2),
        "leverage": fraction(balance.leverage),
        "loan_to_value": fraction(balance.loan_to_value),
        "liquidation_threshold": bps(view.account.liquidation_threshold),
        "maximum_loan_to_value": bps(view.account.loan_to_value),
        "supply_rate": fraction(balance.supply_rate),
        "borrow_rate": fraction(balance.borrow_rate),
        "net_carry": fraction(balance.net_carry),
    }


def _leg(leg: Leg, *, at: int, quote_decimals: int) -> dict[str, Any]:
    return {
        "side": leg.side,
        "asset": _token(leg.asset),
        "amount": {"raw": str(leg.amount), "decimal": at_least(to_decimal(leg.amount, leg.asset.decimals), 0)},
        "price": at_least(to_decimal(leg.price.value, leg.price.decimals), 2),
        "value": at_least(to_decimal(leg.value, quote_decimals), 2),
        "liquidation_threshold": bps(leg.liquidation_threshold),
        "loan_to_value": bps(leg.loan_to_value),
        "used_as_collateral": leg.used_as_collateral,
        "rate": fraction(EXACT.divide(Decimal(leg.rate), RAY)),
        "price_source": {
            "address": leg.price.source,
            "driver": leg.price.driver,
            "description": leg.price.description,
            "updated_at": leg.price.updated_at,
            "age": price_age(leg, at=at),
            "capped": leg.price.ratio_capped,
        },
    }


def _scenarios(view: View) -> dict[str, Any]:
    days = view.days_by_interest
    return {
        "liquidation": [_liquidation(at) for at in view.by_asset],
        "liquidation_by_driver": [_driver_liquidation(at) for at in view.by_driver],
        "liquidation_by_ratio": [_ratio(at) for at in view.by_ratio],
        "common_move": fraction(view.common_move),
        "bounds": [bounds_part(each) for each in view.bounds],
        "days_to_liquidation_by_interest": None if days is None else at_least(rounded(days, 2), 2),
        "stress": [
            {"shock": at_least(row.change, 2), "health_factor": fraction(row.health_factor), "status": row.status}
            for row in view.stress
        ],
        "shock": None if view.shock is None else _shock(view.shock),
    }


def _liquidation(at: LiquidationView) -> dict[str, Any]:
    return {
        "asset": at.name,
        "address": at.address,
        "price": computed_price(at.price),
        "price_now": at_least(at.price_now, 2),
        "distance": fraction(at.distance),
        "side": at.side,
        "stable": at.stable,
    }


def _driver_liquidation(at: LiquidationView) -> dict[str, Any]:
    return {
        "driver": at.name,
        "feed": at.address,
        "price": computed_price(at.price),
        "price_now": at_least(at.price_now, 2),
        "distance": fraction(at.distance),
        "side": at.side,
        "stable": at.stable,
        "assets": [_moved(asset) for asset in at.assets],
    }


def _moved(asset: MovedAsset) -> dict[str, Any]:
    return {"asset": asset.symbol, "address": asset.address, "price": computed_price(asset.price)}


def _ratio(at: RatioView) -> dict[str, Any]:
    return {
        "collateral": at.collateral,
        "debt": at.debt,
        "ratio": computed_price(at.ratio),
        "ratio_now": computed_price(at.ratio_now),
        "distance": fraction(at.distance),
        "independent": at.independent,
    }


def _shock(shock: ShockView) -> dict[str, Any]:
    return {
        "moves": [
            {"name": move.name, "shock": at_least(move.change, 2), "assets": list(move.assets)} for move in shock.moves
        ],
        "health_factor": fraction(shock.health_factor),
        "status": shock.status,
    }


def _token(token: Token) -> dict[str, Any]:
    return {"symbol": token.symbol, "address": token.address, "decimals": token.decimals}


def _wad(value: Wad | None, *, with_decimal: bool) -> dict[str, str] | None:
    if value is None:
        return None
    wad = {"wad": str(value)}
    return {**wad, "decimal": format(to_decimal(value, 18), "f")} if with_decimal else wad
