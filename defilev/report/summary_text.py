"""Many accounts, or a book, at a glance: a line each, the worst first, and what all of it comes to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from defilev.report import figures
from defilev.report.beta import BetaView
from defilev.report.health_report import HealthReport
from defilev.report.ink import Ink
from defilev.report.liquidation import decimal_figure
from defilev.report.liquidation_text import nearest_liquidation
from defilev.report.one_book import BookBounds
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
    below = [
        *_moves(report.total),
        *_beta(report.beta),
        *_carry(report.total),
        *(_overlay(overlay) for overlay in report.overlays),
    ]
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
    for limits in _told(total.bounds):
        yield "bounds", _limits(limits)
    gross, net = figures.leverage(total.gross_leverage), figures.leverage(total.net_leverage)
    if volatile:
        exposure = f"{figures.dollars(total.gross_exposure)} gross, {figures.dollars(total.net_exposure)} net"
        yield "leverage", [f"{gross} gross", f"{net} net", exposure]
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


def _told(bounds: Sequence[BookBounds]) -> list[BookBounds]:
    """Return the bounds worth a line: one driver says the same as all together; pairs are the nearest line's."""
    alone = [each for each in bounds if each.driver is not None and "/" not in each.driver]
    return alone if len(alone) == 1 else [each for each in bounds if each.driver is None or "/" not in each.driver]


def _limits(limits: BookBounds) -> list[str]:
    name = "all but stablecoins" if limits.driver is None else figures.clean(limits.driver)
    sides = [at for at in (limits.below, limits.above) if at is not None]
    told = (f"{figures.change(move) if move else 'now'} {_whose(view)}" for view, move in sides)
    return [name, *dict.fromkeys(told)]


def _beta(beta: BetaView | None) -> Iterator[tuple[str, list[str]]]:
    if beta is not None:
        used = [f"{figures.clean(name)} × {figures.grouped(value, 2)}" for name, value in beta.betas]
        yield "beta delta", [f"{figures.clean(beta.reference)} {figures.dollars(beta.delta)}", *used]


def _carry(total: TotalView) -> Iterator[tuple[str, list[str]]]:
    """Yield what the book earns in a year, its parts that are not zero, and how much of it nobody can tell."""
    carry = total.carry
    loans, perps = (("supply", carry.supply), ("borrow", carry.borrow)), (("funding", carry.funding),)
    named = (*loans, *perps, ("borrowing", carry.borrowing))
    parts = [f"{name} {figures.dollars(value)}" for name, value in named if value]
    if parts:
        unknown = [f"funding of {carry.unknown} unknown"] if carry.unknown else []
        yield "carry", [f"{figures.dollars(carry.net)} a year", *parts, *unknown]


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
