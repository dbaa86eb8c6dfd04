"""What a plan costs, as a table: pool fees, price impact, gas, at the quotes and at worst."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from defilev.model.plan import Plan
from defilev.report import figures
from defilev.report.ink import Ink
from defilev.report.table import Cell, Column, table
from defilev.units import to_decimal

__all__ = ["cost_table", "gas_of", "value_of"]

_COLUMNS = (Column("cost"), Column("at the quotes", "right"), Column("at worst", "right"), Column("", drop=1))
_GWEI = 9
_GWEI_DIGITS = Decimal("0.0001")


def cost_table(plan: Plan, *, width: int, ink: Ink) -> list[str]:
    """Return the table of what trading and gas cost and their total, which leaves out gas that has no price."""
    return table(_COLUMNS, [[*map(Cell, row), note] for *row, note in _rows(plan)], width=width, ink=ink)


def gas_of(plan: Plan) -> str:
    """Return what the gas may cost: a value where the market prices the native asset, else so much of that."""
    cost = plan.cost
    if cost.gas_value is not None:
        return value_of(plan, cost.gas_value)
    return f"{to_decimal(cost.gas * cost.gas_price, 18):.6f} of the native currency"


def value_of(plan: Plan, raw: int) -> str:
    """Return quote base units in the plan's currency."""
    return figures.worth(to_decimal(raw, plan.quote_decimals), plan.quote)


def _rows(plan: Plan) -> Iterator[tuple[str, str, str, Cell]]:
    cost, slippage = plan.cost, figures.percent(plan.max_slippage)
    below = Cell(f"at worst {slippage} below the oracle in all", short=f"to {slippage} in all")
    if cost.fee is None:
        yield "trades", value_of(plan, cost.expected), value_of(plan, cost.worst), below
    else:
        fee = value_of(plan, cost.fee)
        yield "pool fees", fee, fee, Cell("")
        yield "price impact", value_of(plan, cost.expected - cost.fee), value_of(plan, cost.worst - cost.fee), below
    gas, used = gas_of(plan), f"{figures.grouped(Decimal(cost.gas), 0)} gas"
    amount = f"{used} at {_gwei(cost.gas_price)} gwei"
    if cost.gas_value is None:
        yield "gas, at most", figures.NOTHING, figures.NOTHING, Cell(f"{gas}: {amount}", short=gas)
        yield "total but gas", value_of(plan, cost.expected), value_of(plan, cost.worst), Cell("")
        return
    yield "gas, at most", gas, gas, Cell(amount, short=used)
    yield "total", value_of(plan, cost.expected + cost.gas_value), value_of(plan, cost.worst + cost.gas_value), Cell("")


def _gwei(wei: int) -> str:
    """Return wei in gwei with four significant digits at most below one."""
    value = to_decimal(wei, _GWEI)
    short = value.quantize(_GWEI_DIGITS) if value >= _GWEI_DIGITS else value
    return f"{short.normalize():f}"
