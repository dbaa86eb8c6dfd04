"""What the `defilev/health@1` document says beside the accounts; docs/json.md describes every field."""

from __future__ import annotations

from typing import Any

from defilev.report.beta import BetaView
from defilev.report.bounds import Bounds
from defilev.report.decimals import at_least, computed_price, fraction, money
from defilev.report.failure import failure_fields
from defilev.report.health_report import Failure, LeftOut
from defilev.report.liquidation import decimal_figure
from defilev.report.one_book import BookBounds
from defilev.report.perp import View
from defilev.report.total import DriverView, OverlayView, TotalView
from defilev.units import EXACT

__all__ = ["bounds_part", "failure_part", "left_out_part", "overlay_part", "total_part"]


def total_part(total: TotalView, beta: BetaView | None = None) -> dict[str, Any]:
    """Return the sums over all accounts and overlays."""
    return {
        "accounts": total.accounts,
        "overlays": total.overlays,
        "collateral_value": at_least(total.collateral_value, 2),
        "debt_value": at_least(total.debt_value, 2),
        "equity_value": at_least(total.equity_value, 2),
        "idle_value": at_least(total.idle_value, 2),
        "margin_value": at_least(total.margin_value, 2),
        "notional": at_least(total.notional, 2),
        "gross_exposure": money(total.gross_exposure),
        "net_exposure": money(total.net_exposure),
        "gross_leverage": fraction(total.gross_leverage),
        "net_leverage": fraction(total.net_leverage),
        "carry": _carry(total),
        "drivers": [_driver(driver) for driver in total.drivers],
        "beta_weighted": None if beta is None else _beta(beta),
        "bounds": [_limits(each) for each in total.bounds],
        "worst": None if total.worst is None else _worst(total.worst),
        "nearest_liquidation": None if total.nearest is None else _nearest(total.nearest),
        "unpriced": [_of(view) for view in total.unpriced],
    }


def bounds_part(bounds: Bounds) -> dict[str, Any]:
    """Return between which moves an account lives."""
    return {"driver": bounds.driver, "below": fraction(bounds.below), "above": fraction(bounds.above)}


def overlay_part(overlay: OverlayView) -> dict[str, Any]:
    """Return an overlay with its figures."""
    gains = overlay.holding
    return {
        "kind": overlay.kind,
        "name": overlay.name,
        "owner": overlay.owner,
        "venue": overlay.venue or None,
        "note": overlay.note or None,
        "asset": overlay.asset,
        "amount": at_least(overlay.amount, 0),
        "entry": None if overlay.entry is None else at_least(overlay.entry, 2),
        "price": at_least(overlay.price, 2),
        "price_from": overlay.source,
        "equity_value": money(overlay.equity),
        "driver": gains.driver,
        "delta": money(decimal_figure(gains.delta)),
        "gamma": None if gains.gamma is None else money(decimal_figure(gains.gamma)),
        "vega": None if gains.vega is None else money(decimal_figure(gains.vega)),
    }


def left_out_part(left_out: LeftOut) -> dict[str, Any]:
    """Return a market that is not on its chain at the block."""
    market = left_out.market
    return {
        "chain": left_out.chain,
        "protocol": market.protocol,
        "market": market.market,
        "entry_points": dict(market.entry_points),
    }


def failure_part(failure: Failure) -> dict[str, Any]:
    """Return what could not be read, and the failure as `defilev/error@1` has it."""
    return {
        "chain": failure.chain,
        "protocol": failure.protocol,
        "market": failure.market,
        "address": failure.owner,
        "overlay": failure.overlay,
        **failure_fields(failure.error),
    }


def _carry(total: TotalView) -> dict[str, Any]:
    carry, equity = total.carry, total.equity_value
    return {
        "supply": money(carry.supply),
        "borrow": money(carry.borrow),
        "funding": money(carry.funding),
        "borrowing": money(carry.borrowing),
        "net": money(carry.net),
        "net_rate": fraction(EXACT.divide(carry.net, equity)) if equity > 0 else None,
        "unknown": carry.unknown,
    }


def _beta(beta: BetaView) -> dict[str, Any]:
    used = [{"driver": name, "beta": fraction(value)} for name, value in beta.betas]
    return {"reference": beta.reference, "delta": money(beta.delta), "betas": used}


def _limits(limits: BookBounds) -> dict[str, Any]:
    sides = {"below": limits.below, "above": limits.above}
    told = {side: None if at is None else {**_of(at[0]), "distance": fraction(at[1])} for side, at in sides.items()}
    return {"driver": limits.driver, **told}


def _driver(driver: DriverView) -> dict[str, Any]:
    return {
        "driver": driver.name,
        "stable": driver.stable,
        "price": computed_price(driver.price),
        "delta": money(driver.delta),
        "gamma": money(driver.gamma),
        "vega": money(driver.vega),
        "gross": money(driver.gross),
    }


def _of(view: View) -> dict[str, Any]:
    account = view.account
    return {
        "chain_id": account.chain_id,
        "protocol": account.protocol,
        "market": account.market,
        "address": account.owner,
        "name": view.name,
    }


def _worst(view: View) -> dict[str, Any]:
    return {
        **_of(view),
        "health_factor": None if view.health_factor is None else format(view.health_factor, "f"),
        "status": view.status,
    }


def _nearest(view: View) -> dict[str, Any]:
    near = view.nearest
    return {
        **_of(view),
        "mover": None if near is None else near.mover,
        "distance": None if near is None else fraction(near.distance),
        "status": view.status,
    }
