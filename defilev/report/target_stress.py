"""What if it comes hard: the stress table of a target, whether selling still helps, and what the account is long."""

from __future__ import annotations

from decimal import Decimal

from defilev.model.target import StressResult, Target
from defilev.report import figures
from defilev.report.ink import Ink
from defilev.report.table import Cell, Column, table
from defilev.report.target_words import decimal, percent

__all__ = ["delta_words", "spiral_words", "stress_table"]

_STABLE_BETA = 0.0


def stress_table(target: Target, *, width: int, ink: Ink) -> list[str]:
    """Return one line for each scenario that changes the account; empty where there is none, or nothing is owed."""
    if not target.stress or target.position.health_factor is None:
        return []
    edge = figures.health(decimal(target.band.trigger_low))
    columns = [
        Column("stress, all at once"),
        Column("health", "right"),
        Column("equity", "right"),
        Column(f"sell, back to {edge}", "right"),
        Column("for", "right", drop=1),
        Column("moves the pools", "right", drop=2),
    ]
    return table(columns, [_row(result, target.position.quote) for result in target.stress], width=width, ink=ink)


def _row(result: StressResult, quote: str) -> list[Cell]:
    sells = bool(result.sale) and not result.liquidated
    return [
        Cell(result.name),
        Cell(figures.health(decimal(result.health_factor))),
        Cell(percent(result.equity_change, signed=True)),
        Cell("LIQUIDATED", "DANGER") if result.liquidated else Cell(_sale(result, quote)),
        Cell(figures.worth(result.cost, quote) if sells and result.cost is not None else ""),
        Cell(_move(result.move) if sells and result.move is not None else ""),
    ]


def _sale(result: StressResult, quote: str) -> str:
    if result.sale is None:
        return "no sale gets there"
    return figures.worth(result.sale, quote) if result.sale else "nothing"


def spiral_words(target: Target) -> str:
    """Return whether selling raises health, and a liquidation too; empty when nothing is owed."""
    spiral, depth = target.spiral, target.position.depth
    if spiral is None:
        return ""
    sale = figures.worth(spiral.sale, target.position.quote)
    unless = f"unless it moves the oracle by {percent(spiral.critical_move, places=1)} or more"
    most = "whatever it does to the price" if spiral.critical_move >= 1 else unless
    if depth is None or spiral.move is None:
        said = f"a sale of {sale} raises health {most}; no pools tell what it does"
    else:
        pair = f"{figures.clean(depth.sold)} for {figures.clean(depth.bought)}"
        warning = "LOWERS health at first if the oracle follows: repay from the wallet instead"
        effect = f"raises health {most}" if spiral.helps else warning
        said = f"a sale of {sale} ({pair}) moves the pools of {depth.venue} by {_move(spiral.move)}, and {effect}"
    return f"{said}{_liquidation_words(target)}"


def _liquidation_words(target: Target) -> str:
    spiral = target.spiral
    if spiral is None or spiral.toxic_loan_to_value is None:
        return ""
    threshold = target.position.liquidation_threshold
    verb = "raises" if threshold < spiral.toxic_loan_to_value else "LOWERS"
    toxic = percent(spiral.toxic_loan_to_value, places=1)
    return f". A liquidation {verb} health: it spirals above a loan-to-value of {toxic}"


def delta_words(target: Target) -> str:
    """Return the net delta by driver and, where histories give betas, the whole in terms of the first driver."""
    rows, quote = target.position.deltas, target.position.quote
    said = " · ".join(f"{figures.clean(row.asset)} {figures.worth(row.value, quote)}" for row in rows)
    moving = [row for row in rows if row.beta not in (None, _STABLE_BETA)]
    if len(moving) < 2 or any(row.beta is None for row in rows):
        return said
    total = sum((row.value * Decimal(repr(row.beta or 0.0)) for row in moving), Decimal(0))
    betas = ", ".join(f"{figures.clean(row.asset)} {row.beta:.2f}" for row in moving[1:])
    return f"{said}; in all like {figures.worth(total, quote)} of {figures.clean(moving[0].asset)} (beta {betas})"


def _move(move: float) -> str:
    return percent(move, places=1 if move >= 0.01 else 2 if move >= 0.0001 else 4)
