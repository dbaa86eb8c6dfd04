"""Health as a person reads it: one block for each account, a summary before many of them, or of a book."""

from __future__ import annotations

from decimal import Decimal

from defilev.model.account import Leg
from defilev.report import figures
from defilev.report.exits_text import exit_lines
from defilev.report.failure import text_of
from defilev.report.health import HealthView
from defilev.report.health_report import ChainView, Failure, HealthReport
from defilev.report.ink import Ink
from defilev.report.liquidation_text import liquidation_lines
from defilev.report.perp import PerpView, View
from defilev.report.perp_text import perp_facts, perp_legs
from defilev.report.summary_text import summary_lines
from defilev.report.table import LABEL_WIDTH, Cell, Column, flow, labelled, table
from defilev.risk.prices import price_age
from defilev.risk.status import Status
from defilev.units import BPS, EXACT, RAY, to_decimal

__all__ = ["health_text", "place_of_failure"]

SUMMARY_FROM = 6
ID_SHOWN = 10
"""Characters of a market's id that are shown, enough for --market."""
_WIDE = 100
_CHECKS = {"exact": "matches the contract", "consistent": "agrees with the contract"}


def health_text(report: HealthReport, *, width: int, ink: Ink) -> str:
    """Return the report for a terminal of `width` columns, at least 80, without a newline at its end."""
    blocks = [_block(report, view, width=width, ink=ink) for view in report.all_views]
    is_one_book = report.is_book or bool(report.perps)
    if len(blocks) >= SUMMARY_FROM or (is_one_book and len(blocks) + len(report.overlays) > 1):
        blocks.insert(0, summary_lines(report, width=width, ink=ink))
    where = "what could be read" if report.failures else "the markets asked for"
    blocks.extend([f"{owner}: no position in {where}"] for owner in report.without_position)
    blocks.extend(_not_read(failure, width=width, ink=ink) for failure in report.failures)
    return "\n\n".join("\n".join(block) for block in blocks)


def place_of_failure(failure: Failure) -> str:
    """Return what could not be read or priced, by its names."""
    if failure.overlay is not None:
        return f"overlay {failure.overlay}"
    names = (failure.chain, failure.protocol, failure.market, failure.owner)
    return " ".join(name for name in names if name is not None)


def _not_read(failure: Failure, *, width: int, ink: Ink) -> list[str]:
    words = f"{place_of_failure(failure)}: not read: {text_of(failure.error.fact)}".split(" ")
    return flow([Cell(words[0], "warning"), *(Cell(word) for word in words[1:])], separator=" ", width=width, ink=ink)


def _block(report: HealthReport, view: View, *, width: int, ink: Ink) -> list[str]:
    head = _head(report, view, width=width, ink=ink)
    if view.account.is_empty:
        return [*head, "  no position"]
    if not view.account.legs:
        return [*head, *_after(view, width=width, ink=ink)]
    if isinstance(view, PerpView):
        facts, legs = perp_facts(view, width=width, ink=ink), perp_legs(view, width=width, ink=ink)
    else:
        facts, legs = _facts(view, width=width, ink=ink), _legs(view, width=width, ink=ink)
    after = _after(view, width=width, ink=ink)
    return [*head, "", *facts, "", *legs, *([""] if after else []), *after]


def _head(report: HealthReport, view: View, *, width: int, ink: Ink) -> list[str]:
    account = view.account
    check = _CHECKS.get(account.self_check.result, f"not checked: {account.self_check.compared}")
    owner = f"{figures.clean(view.name)} {account.owner}" if view.name else account.owner
    chain = report.chain_of(view)
    parts = [_titled(view), figures.clean(chain.name), _block_named(chain)]
    cells = [Cell(part) for part in (*parts, owner, check)]
    return flow([Cell(cells[0].text, "strong"), *cells[1:]], separator=" · ", width=width, ink=ink)


def _titled(view: View) -> str:
    """Return protocol and market; what people call an isolated market stands beside the beginning of its id."""
    account = view.account
    if not account.market_label:
        return f"{account.protocol} {account.market}"
    return f"{account.protocol} {figures.clean(account.market_label)} ({account.market[:ID_SHOWN]})"


def _block_named(chain: ChainView) -> str:
    when = f"{figures.duration(chain.age)} ago" if 0 <= chain.age < 86_400 else figures.utc(chain.block.timestamp)
    named = f"{chain.block_name}, {when}" if chain.block_name else when
    return f"block {figures.block_number(chain.block.number)} ({named})"


def _facts(view: HealthView, *, width: int, ink: Ink) -> list[str]:
    balance = view.balance
    health = f"{figures.health(view.health_factor)}  {ink(view.status, view.status)}"
    visible = len(figures.health(view.health_factor)) + 2 + len(view.status)
    health += " " * max(1, 22 - visible)
    account = view.account
    threshold = None if account.liquidation_threshold is None else _bps(account.liquidation_threshold)
    loan = f"{figures.percent(balance.loan_to_value)}  of {figures.percent(threshold)}"
    equity = figures.worth(balance.equity_value, view.account.quote)
    if width >= _WIDE:
        rows = [
            *labelled(
                "health factor", [f"{health}leverage   {figures.leverage(balance.leverage):<10} equity  {equity}"]
            ),
            *labelled("loan-to-value", [f"{loan:<22}net carry  {_carry(view)}"]),
        ]
    else:
        rows = [
            *labelled("health factor", [f"{health}leverage   {figures.leverage(balance.leverage)}"]),
            *labelled("loan-to-value", [f"{loan:<22}equity     {equity}"]),
            *labelled("net carry", [_carry(view)]),
        ]
    if (e_mode := dict(account.details).get("e_mode", "0")) != "0":
        rows += labelled(
            "e-mode", [f"{e_mode} {figures.clean(dict(account.details).get('e_mode_label', ''))}".rstrip()]
        )
    return [*rows, *labelled("liquidation", liquidation_lines(view, width=width - LABEL_WIDTH - 2, ink=ink))]


def _carry(view: HealthView) -> str:
    balance = view.balance
    if balance.net_carry is None:
        return figures.NOTHING
    grows = any(leg.used_as_collateral and leg.price.ratio is not None for leg in view.account.legs)
    earned = figures.percent(balance.supply_rate) + (" before token yield" if grows else "")
    owed = f"  borrow {figures.percent(balance.borrow_rate)}" if balance.borrow_rate is not None else ""
    return f"{figures.percent(balance.net_carry, signed=True)}/yr  (supply {earned}{owed})"


def _legs(view: HealthView, *, width: int, ink: Ink) -> list[str]:
    columns = [
        Column("leg"),
        Column("amount"),
        Column("price", "right", drop=1),
        Column("value", "right"),
        Column("threshold", "right", drop=3),
        Column("rate", "right", drop=2),
    ]
    if width >= _WIDE:
        columns.append(Column("price updated", "right", drop=4))
    amounts = [figures.amount(leg.amount, leg.asset.decimals) for leg in view.account.legs]
    longest = max(len(amount) for amount in amounts)
    rows = [
        _leg(view, leg, amount=amount.rjust(longest))[: len(columns)]
        for leg, amount in zip(view.account.legs, amounts, strict=True)
    ]
    return table(columns, rows, width=width, ink=ink)


def _leg(view: HealthView, leg: Leg, *, amount: str) -> list[Cell]:
    idle = leg.side == "supply" and not leg.used_as_collateral
    rate = EXACT.divide(Decimal(leg.rate), RAY) * (-1 if leg.side == "borrow" else 1)
    age = price_age(leg, at=view.account.block.timestamp)
    threshold = figures.percent(None if leg.liquidation_threshold is None else _bps(leg.liquidation_threshold))
    return [
        Cell("idle" if idle else leg.side, "dim" if idle else None),
        Cell(f"{amount} {figures.clean(leg.asset.symbol)}"),
        Cell(figures.price(to_decimal(leg.price.value, leg.price.decimals), view.account.quote)),
        Cell(figures.worth(to_decimal(leg.value, view.account.quote_decimals), view.account.quote)),
        Cell("not enabled" if idle and leg.liquidation_threshold is not None else threshold),
        Cell(figures.percent(rate, signed=True)),
        Cell("unknown" if age is None else f"{figures.duration(age)} before"),
    ]


def _after(view: View, *, width: int, ink: Ink) -> list[str]:
    room = width - LABEL_WIDTH - 2
    lines = labelled("stress", _stress(view, width=room, ink=ink))
    lines += labelled("shock", _shock(view, width=room, ink=ink))
    if isinstance(view, HealthView) and view.exits is not None:
        lines += exit_lines(view.exits, quote=view.account.quote, width=width, ink=ink)
    for notice in view.warnings:
        words = [Cell(word) for word in figures.clean(f"{notice.name}: {notice.text}").split(" ")]
        lines += labelled(
            "warning", flow([Cell(words[0].text, "warning"), *words[1:]], separator=" ", width=room, ink=ink)
        )
    note = [Cell(word) for word in figures.clean(view.note).split()]
    return lines + labelled("note", flow(note, separator=" ", width=room, ink=ink))


def _stress(view: View, *, width: int, ink: Ink) -> list[str]:
    if not view.stress or view.health_factor is None:
        return []
    moving = view.volatile[0] if len(view.volatile) == 1 else "all but stablecoins"
    items = [
        _state(f"{figures.shock(row.change)}  ", row.health_factor, row.status, first=moving if place == 0 else "")
        for place, row in enumerate(view.stress)
    ]
    return flow(items, separator="     ", width=width, ink=ink)


def _shock(view: View, *, width: int, ink: Ink) -> list[str]:
    if view.shock is None or view.health_factor is None:
        return []
    moves = [
        Cell(f"{figures.clean(move.name)} {figures.shock(move.change)}{_with(move.name, move.assets)}")
        for move in view.shock.moves
    ]
    after = _state("→ ", view.shock.health_factor, view.shock.status)
    return flow([*moves, after], separator="  ", width=width, ink=ink)


def _with(name: str, assets: tuple[str, ...]) -> str:
    if not assets:
        return " (moves nothing held)"
    others = [figures.clean(symbol) for symbol in assets if symbol.casefold() != name.casefold()]
    return f" (with {', '.join(others)})" if others else ""


def _state(prefix: str, health_factor: Decimal | None, status: Status, *, first: str = "") -> Cell:
    start = f"{figures.clean(first)} " if first else ""
    return Cell(f"{start}{prefix}{figures.health(health_factor)} {status}", None if status == "OK" else status)


def _bps(value: int) -> Decimal:
    return EXACT.divide(Decimal(value), BPS)
