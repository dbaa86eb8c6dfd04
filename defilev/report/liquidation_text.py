"""What liquidates an account, in words: prices, ratios, a common move, and time."""

from __future__ import annotations

from defilev.report import figures
from defilev.report.ink import Ink
from defilev.report.liquidation import LiquidationView, RatioView, worth_a_line
from defilev.report.perp import View
from defilev.report.table import Cell, flow

__all__ = ["liquidation_lines", "nearest_liquidation"]

DAYS_SHOWN_WITHIN = 5 * 365


def liquidation_lines(view: View, *, width: int, ink: Ink) -> list[str]:
    """Return one line or more for each way in which the account is liquidated, the nearest driver first."""
    if view.health_factor is None:
        return ["never: nothing is owed"]
    ways = [*_prices(view), *_ratios(view), *_common(view), *_interest(view)]
    lines = [line for way in ways for line in flow([Cell(part) for part in way], separator="  ", width=width, ink=ink)]
    return lines or ["no price alone liquidates it"]


def nearest_liquidation(view: View) -> str:
    """Return the nearest liquidation by price or ratio in a few words; a dash when there is none."""
    near = view.nearest
    return figures.NOTHING if near is None else f"{figures.clean(near.mover)} {figures.change(near.distance)}"


def _prices(view: View) -> list[list[str]]:
    ways = []
    for at in worth_a_line(view.by_driver):
        ways.append(_driver(at, view))
        if len(at.assets) > 1:
            held = {asset.address for asset in at.assets}
            ways.extend(_price(own, f"{own.name} alone", view) for own in view.by_asset if own.address in held)
    return ways


def _driver(at: LiquidationView, view: View) -> list[str]:
    if len(at.assets) > 1:
        others = ", ".join(figures.clean(asset.symbol) for asset in at.assets if asset.symbol != at.name)
        return [*_price(at, at.name, view), f"with {others}"]
    asset, quote = at.assets[0], view.account.quote
    return _words(asset.symbol, at, figures.price(asset.price, quote), figures.price(asset.price_now, quote), view)


def _price(at: LiquidationView, name: str, view: View) -> list[str]:
    quote = view.account.quote
    return _words(name, at, figures.price(at.price, quote), figures.price(at.price_now, quote), view)


def _words(name: str, at: LiquidationView | RatioView, price: str, now: str, view: View) -> list[str]:
    side = at.side if isinstance(at, LiquidationView) else "below"
    where = {"below": "above", "above": "below"}[side] if view.status == "LIQUIDATABLE" else side
    must = "must be " if view.status == "LIQUIDATABLE" else ""
    return [f"{figures.clean(name)} {must}{where} {price}", f"({figures.change(at.distance)} from {now})"]


def _ratios(view: View) -> list[list[str]]:
    return [
        [
            *_words(at.mover, at, figures.grouped(at.ratio, 4), figures.grouped(at.ratio_now, 4), view),
            f"at any price of {figures.clean(at.debt)}" if at.independent else "other prices as now",
        ]
        for at in view.by_ratio
    ]


def _common(view: View) -> list[list[str]]:
    alone = {at.distance for at in view.by_driver if not at.stable}
    if view.common_move is None or view.common_move in alone or view.status == "LIQUIDATABLE":
        return []
    return [[f"all but stablecoins {figures.change(view.common_move)} together"]]


def _interest(view: View) -> list[list[str]]:
    pair = any(at.independent for at in view.by_ratio)
    days = view.days_by_interest
    if view.status == "LIQUIDATABLE" or (days is None and not pair):
        return []
    if days is None:
        return [["interest alone: never at today's rates"]]
    if days > DAYS_SHOWN_WITHIN and not pair:
        return []
    return [[f"interest alone: in {figures.duration(int(days) * 86_400)} at today's rates, prices unchanged"]]
