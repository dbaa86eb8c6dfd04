"""A rehearsal as lines for a terminal: the shock, what the account was, became and came back to, and at what cost."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from defilev.model.account import LendingAccount
from defilev.model.rehearsal import Outcome, Rehearsal
from defilev.report import figures
from defilev.report.ink import Ink
from defilev.report.plan_text import plan_text
from defilev.report.simulation_text import simulation_text
from defilev.report.table import LABEL_WIDTH, Cell, flow, labelled
from defilev.units import Wad, to_decimal

__all__ = ["rehearsal_text"]

_GWEI = Decimal(10**9)
_VERDICTS: dict[Outcome, tuple[str, str]] = {
    "worked": ("WORKED: every step ran, and what the plan promised held", "OK"),
    "not-needed": ("NOT NEEDED: the health factor is the goal after the move, or above it", "OK"),
    "partial": ("IN PART: every step ran, and the plan stops short of its goal", "LOW"),
    "failed": ("FAILED: a step reverted, or a promise was broken", "DANGER"),
    "no-plan": ("NO PLAN", "DANGER"),
    "too-late": ("TOO LATE: the account is liquidatable after the move", "LIQUIDATABLE"),
}


def rehearsal_text(made: Rehearsal, *, width: int, ink: Ink) -> str:
    """Return the rehearsal for a terminal of `width` columns, at least 80: the plan and its run, then what it means."""
    parts = []
    if made.plan is not None:
        parts.append(plan_text(made.plan, width=width, ink=ink))
    if made.plan is not None and made.report is not None:
        parts.append(simulation_text(made.plan, made.report, width=width, ink=ink))
    heading = ink(f"rehearsed on a fork of block {figures.block_number(made.before.block.number)}", "strong")
    room = width - LABEL_WIDTH - 2
    facts = [line for label, cells in _facts(made) for line in labelled(label, _flow(cells, room, ink))]
    return "\n\n".join([*parts, "\n".join([heading, *facts])])


def _flow(cells: list[Cell], width: int, ink: Ink) -> list[str]:
    words = [Cell(word, cell.style) for cell in cells for word in cell.text.split(" ")]
    return flow(words, separator=" ", width=width, ink=ink)


def _facts(made: Rehearsal) -> Iterator[tuple[str, list[Cell]]]:
    account = made.before
    yield "position", [Cell(f"{account.protocol} {figures.clean(account.market_name)} · {account.owner}")]
    yield "oracle", [Cell(", ".join(_prices(made)))]
    yield "pools", [Cell(_pools(made))]
    if made.base_fee is not None:
        yield "base fee", [Cell(f"{figures.grouped(Decimal(made.base_fee) / _GWEI, 2)} gwei")]
    yield "health factor", [Cell(" → ".join(_healths(made)))]
    verdict, style = _VERDICTS[made.outcome]
    said = f"{verdict}: {figures.clean(made.refusal)}" if made.refusal else verdict
    yield "outcome", [Cell(said, style)]
    if made.cost is not None:
        yield "cost", [Cell(_cost(made, made.cost))]


def _prices(made: Rehearsal) -> Iterator[str]:
    quote = made.before.quote
    for move in made.moves:
        symbol = figures.clean(move.asset.symbol)
        if move.before == move.after:
            yield f"{symbol} stays at {figures.price(move.after, quote)}"
            continue
        change = figures.shock(move.after / move.before - 1)
        yield f"{symbol} {figures.price(move.before, quote)} → {figures.price(move.after, quote)} ({change})"


def _pools(made: Rehearsal) -> str:
    if not made.pools:
        return "none is needed: what is supplied is what is owed"
    moved = sum(pool.factor != 1 for pool in made.pools)
    said = f"{moved} of {len(made.pools)} moved by swaps, as far as the oracle"
    if made.shock.liquidity is None:
        return f"{said}, their liquidity as it is"
    return f"{said}; all of them with {figures.percent(1 + made.shock.liquidity)} of their liquidity"


def _healths(made: Rehearsal) -> Iterator[str]:
    yield f"{_health(made.before.health_factor)} before"
    yield f"{_health(made.shocked.health_factor)} after the move"
    if made.report is not None and made.report.collateral_value is not None:
        after = made.health_after
        yield "nothing owed after the plan" if after is None else f"{_health(after)} after the plan"


def _cost(made: Rehearsal, cost: int) -> str:
    account = made.before
    said = f"{_worth(account, cost)} of {_worth(made.shocked, made.shocked.equity_value)} equity"
    if made.gas_value is not None:
        said += f", and {_worth(account, made.gas_value)} for gas"
    bought = (made.health_after or 0) - (made.shocked.health_factor or 0)
    return said if made.health_after is None else f"{said}, for {_health(Wad(bought))} of health"


def _worth(account: LendingAccount, value: int) -> str:
    return figures.worth(to_decimal(value, account.quote_decimals), account.quote)


def _health(value: Wad | None) -> str:
    return figures.health(None if value is None else to_decimal(value, 18))
