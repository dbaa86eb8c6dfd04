"""Many accounts, or a book, at a glance: a line each, the worst first, and what all of it comes to."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from defilev.report import figures
from defilev.report.health_report import HealthReport
from defilev.report.ink import Ink
from defilev.report.liquidation import decimal_figure
from defilev.report.liquidation_text import nearest_liquidation
from defilev.report.perp import View
from defilev.report.table import LABEL_WIDTH, Cell, Column, flow, labelled, table
from defilev.report.total import DriverView, OverlayView, TotalView

__all__ = ["account_lines", "summary_lines"]

_PERCENT = Decimal("0.01")
_BEYOND = Decimal(10_000)
_NAME_SHOWN = 12
_MARKET_SHOWN = 18
"""Characters of a name, and of what people call a market, where the terminal is narrow."""


def account_lines(report: HealthReport, *, width: int, ink: Ink) -> list[str]:
    """Return a table of the accounts that hold anything, the worst first."""
    return table(_columns(report), _rows(report), width=width, ink=ink)


def summary_lines(report: HealthReport, *, width: int, ink: Ink) -> list[str]:
    """Return a table of the accounts with their total, and below it what moves the total, and the overlays."""
    if report.total is None:
        return []
    lines = table(_columns(report), [*_rows(report), _total_row(report, report.total)], width=width, ink=ink)
    below = [*_moves(report.total), *(_overlay(overlay) for overlay in report.overlays)]
    room = width - LABEL_WIDTH - 2
    return [*lines, ""] + [
        line
        for label, parts in below
        for line in labelled(label, flow([Cell(part) for part in parts], separator="   ", width=room, ink=ink))
    ]


def _columns(report: HealthReport) -> list[Column]:
    columns = [
        Column("account"),
        Column("market"),
        Column("health", "right"),
        Column("status"),
        Column("leverage", "right", drop=2),
        Column("equity", "right", drop=1),
        Column("nearest liquidation", drop=3),
    ]
    return [*columns[:2], Column("chain"), *columns[2:]] if len(report.chains) > 1 else columns


def _rows(report: HealthReport) -> list[list[Cell]]:
    held = [view for view in report.all_views if not view.account.is_empty]
    ordered = sorted(held, key=lambda view: (view.health_factor is None, view.health_factor or 0))
    return [_row(report, view) for view in ordered]


def _row(report: HealthReport, view: View) -> list[Cell]:
    account = view.account
    chain = [Cell(figures.clean(report.chain_of(view).name))] if len(report.chains) > 1 else []
    return [
        Cell(_name(view), short=figures.shortened(_name(view), _NAME_SHOWN)),
        Cell(_market(view), short=_short_market(view)),
        *chain,
        Cell(_health(view.health_factor)),
        Cell(view.status, view.status),
        Cell(figures.leverage(view.balance.leverage)),
        Cell(figures.worth(view.balance.equity_value, account.quote)),
        Cell(nearest_liquidation(view)),
    ]


def _total_row(report: HealthReport, total: TotalView) -> list[Cell]:
    """Return the row of the total: the worst health, all equity, the nearest liquidation of any account."""
    worst, near = total.worst, total.nearest
    return [
        Cell("total", "strong"),
        Cell(""),
        *([Cell("")] if len(report.chains) > 1 else []),
        Cell(figures.NOTHING if worst is None else _health(worst.health_factor)),
        Cell("OK" if worst is None else worst.status, None if worst is None else worst.status),
        Cell(""),
        Cell(figures.dollars(total.equity_value), "strong"),
        Cell(figures.NOTHING if near is None else nearest_liquidation(near)),
    ]


def _moves(total: TotalView) -> Iterator[tuple[str, list[str]]]:
    """Yield what the total gains when prices and volatilities move; stablecoins are left to the JSON document."""
    volatile = [driver for driver in total.drivers if not driver.stable]
    if total.nearest is not None:
        yield "nearest", [nearest_liquidation(total.nearest), _whose(total.nearest)]
    if volatile:
        yield "net delta", [_delta(driver) for driver in volatile]
    if gammas := [_signed(driver, driver.gamma * _PERCENT) for driver in volatile if driver.gamma is not None]:
        yield "gamma", [f"{text} of delta per 1{figures.NARROW_SPACE}%" for text in gammas]
    if vegas := [_signed(driver, driver.vega) for driver in volatile if driver.vega is not None]:
        yield "vega", [f"{text} per point of volatility" for text in vegas]
    for view in total.unpriced:
        yield "not in total", [_whose(view), "no market in dollars that was read vouches for it"]
    if total.idle_value:
        yield "idle supply", [f"{figures.dollars(total.idle_value)}, in the delta and not in the equity"]


def _name(view: View) -> str:
    return figures.clean(view.name) if view.name else figures.short_address(view.account.owner)


def _whose(view: View) -> str:
    return f"{_name(view)} {_market(view)}"


def _market(view: View) -> str:
    return f"{view.account.protocol} {figures.clean(view.account.market_name)}"


def _short_market(view: View) -> str:
    """Return the market without the version in its protocol's name, and the middle of a long name left out."""
    name = figures.clean(view.account.market_name)
    return f"{view.account.protocol.partition('-')[0]} {figures.shortened(name, _MARKET_SHOWN)}"


def _health(value: Decimal | None) -> str:
    """Return a health factor, only a bound beyond ten thousand."""
    if value is not None and value >= _BEYOND:
        return f">{figures.grouped(_BEYOND, 0)}"
    return figures.health(value)


def _delta(driver: DriverView) -> str:
    name, worth = figures.clean(driver.name), figures.dollars(driver.delta)
    if not driver.price or "/" in name:  # the price of one asset in another: dollars of it are no number of tokens
        return f"{name} {worth}"
    return f"{name} {worth} ({figures.grouped(driver.delta / driver.price, 4)} {name})"


def _signed(driver: DriverView, value: Decimal) -> str:
    return f"{figures.clean(driver.name)} {figures.dollars(value)}"


def _overlay(overlay: OverlayView) -> tuple[str, list[str]]:
    at = f" at {figures.clean(overlay.venue)}" if overlay.venue else ""
    amount = format(overlay.amount.normalize(), "f").replace("-", figures.MINUS)
    held = f"{amount} × {overlay.asset} option" if overlay.kind == "option" else f"{amount} {overlay.asset}"
    parts = [f"{overlay.name}: {figures.clean(held)}{at}"]
    if overlay.equity is not None:
        word = "value" if overlay.entry is None else "gain"
        parts.append(f"{word} {figures.dollars(overlay.equity)}")
    parts.append(f"delta {figures.dollars(decimal_figure(overlay.holding.delta))}")
    return overlay.kind, [*parts, *([figures.clean(overlay.note)] if overlay.note else [])]
