"""A perpetual as a person reads it: its figures, its legs and its margin, and where each price came from."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from defilev.model.perp import Margin, PerpLeg
from defilev.report import figures
from defilev.report.ink import Ink
from defilev.report.liquidation_text import liquidation_lines
from defilev.report.perp import PerpView
from defilev.report.table import LABEL_WIDTH, Cell, Column, flow, labelled, table
from defilev.units import EXACT, RAY, to_decimal

__all__ = ["perp_facts", "perp_legs"]

_WIDE = 100


def perp_facts(view: PerpView, *, width: int, ink: Ink) -> list[str]:
    """Return health, margin, carry and liquidation, a line or more for each."""
    balance, quote = view.balance, view.account.quote
    shown = figures.health(view.health_factor)
    health = f"{shown}  {ink(view.status, view.status)}" + " " * max(1, 20 - len(shown) - len(view.status))
    ratio = f"{figures.health(view.margin_ratio):<22}maintenance  {figures.worth(balance.maintenance_margin, quote)}"
    equity, leverage = figures.worth(balance.equity_value, quote), figures.leverage(balance.leverage)
    if width >= _WIDE:
        rows = labelled("health factor", [f"{health}leverage   {leverage:<10} equity  {equity}"])
    else:
        rows = labelled("health factor", [f"{health}leverage   {leverage}"])
        rows += labelled("equity", [equity])
    rows += labelled("margin ratio", [ratio])
    room = width - LABEL_WIDTH - 2
    for label, parts in (("net carry", _carry(view)), ("to close", _closing(view)), *_sources(view)):
        rows += labelled(label, flow([Cell(part) for part in parts], separator="   ", width=room, ink=ink))
    return [*rows, *labelled("liquidation", liquidation_lines(view, width=room, ink=ink))]


def perp_legs(view: PerpView, *, width: int, ink: Ink) -> list[str]:
    """Return a table of the legs and of the margin behind them."""
    columns = [
        Column("leg"),
        Column("amount"),
        Column("price", "right", drop=1),
        Column("value", "right"),
        Column("entry", "right", drop=2),
        Column("profit", "right"),
        Column("funding", "right", drop=4),
        Column("borrowing", "right", drop=4),
    ]
    rows = [_leg(view, leg) for leg in view.account.legs] + [_margin(view, each) for each in view.account.margin]
    return table(columns, rows, width=width, ink=ink)


def _leg(view: PerpView, leg: PerpLeg) -> list[Cell]:
    account = view.account
    funding = None if leg.funding_rate is None else EXACT.divide(Decimal(leg.funding_rate), RAY)
    profit = to_decimal(leg.unrealized_pnl, account.quote_decimals)
    return [
        Cell(leg.side),
        Cell(f"{figures.amount(leg.size_in_tokens, leg.index.decimals)} {figures.clean(leg.index.symbol)}"),
        Cell(figures.price(to_decimal(leg.mark.value, leg.mark.decimals), account.quote)),
        Cell(figures.worth(to_decimal(leg.notional(account.quote_decimals), account.quote_decimals), account.quote)),
        Cell(figures.price(to_decimal(leg.entry_price, leg.mark.decimals), account.quote)),
        Cell(("+" if profit > 0 else "") + figures.worth(profit, account.quote)),
        Cell(figures.percent(funding, signed=True)),
        Cell(figures.percent(EXACT.divide(Decimal(-leg.borrow_rate), RAY), signed=True)),
    ]


def _margin(view: PerpView, margin: Margin) -> list[Cell]:
    account = view.account
    return [
        Cell("margin"),
        Cell(f"{figures.amount(margin.amount, margin.asset.decimals)} {figures.clean(margin.asset.symbol)}"),
        Cell(figures.price(to_decimal(margin.price.value, margin.price.decimals), account.quote)),
        Cell(figures.worth(to_decimal(margin.value, account.quote_decimals), account.quote)),
        *(Cell("") for _ in range(4)),
    ]


def _carry(view: PerpView) -> list[str]:
    balance, quote = view.balance, view.account.quote
    funding = figures.NOTHING if balance.funding is None else figures.worth(balance.funding, quote)
    head = f"{figures.percent(balance.net_carry, signed=True)}/yr of the equity"
    return [head, f"funding {funding}", f"borrowing {figures.worth(balance.borrowing, quote)} a year"]


def _closing(view: PerpView) -> list[str]:
    """Return what closing costs now: the fees by name, and of the price impact what the protocol's test counts."""
    account = view.account
    parts = [
        f"{fee.name} {figures.worth(to_decimal(fee.value, account.quote_decimals), account.quote)}"
        for fee in account.fees
    ]
    if account.price_impact:
        parts.append(f"price impact {figures.worth(view.balance.price_impact, account.quote)}")
    return parts or ["no fee"]


def _sources(view: PerpView) -> Iterator[tuple[str, list[str]]]:
    """Yield where prices are from, and the view that a contract has beside the verdict, where an account tells."""
    said = dict(view.account.details)
    told = [_source(said, name) for name in ("index", "collateral") if f"{name}_price_source" in said]
    if told:
        yield "prices", told
    if "reader_remaining_collateral" in said:
        left = to_decimal(int(said["reader_remaining_collateral"]), view.account.quote_decimals)
        verdict = "liquidatable" if said["reader_is_liquidatable"] == "true" else "not liquidatable"
        yield "Reader's view", [f"{figures.worth(left, view.account.quote)} left, {verdict}", "without pending fees"]


def _source(said: dict[str, str], name: str) -> str:
    spread = said.get(f"{name}_price_spread")
    apart = f", {figures.percent(Decimal(spread), places=3, signed=True)} from the feed" if spread else ""
    return f"{name} by {said[f'{name}_price_source']}{apart}"
