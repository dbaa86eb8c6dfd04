"""The ways to a goal as a table: what each costs and does to the health factor, the cheapest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from defilev.model.account import LendingAccount
from defilev.model.plan import Goal
from defilev.plan.alternatives import Alternative, gain_per_cost
from defilev.plan.constraints import options_of
from defilev.plan.words import goal_text
from defilev.report import figures
from defilev.report.ink import Ink
from defilev.report.table import Cell, Column, flow, labelled, table
from defilev.units import to_decimal

__all__ = ["alternatives_text", "way_text"]


def alternatives_text(
    account: LendingAccount, goal: Goal, found: Sequence[Alternative], *, width: int, ink: Ink
) -> str:
    """Return the ways for a terminal of `width` columns, at least 80, without a newline at its end."""
    heading = ink(f"the ways to {goal_text(goal)}", "strong")
    now = figures.health(None if account.health_factor is None else to_decimal(account.health_factor, 18))
    market = figures.clean(account.market_label or account.market)
    facts = [
        *labelled("position", [f"{account.protocol} {market} · {account.owner}"]),
        *labelled("health factor", [f"{now} now"]),
        *([] if account.quote == figures.DOLLAR else labelled("values", [f"in {figures.clean(account.quote)}"])),
    ]
    possible = [way for way in found if way.plan is not None]
    ways = ["", *table(_columns(account.quote), [_row(way) for way in possible], width=width, ink=ink)]
    options = ["", *_options(possible, width=width, ink=ink)]
    return "\n".join([heading, *facts, *(ways + options if possible else []), *_impossible(found, width, ink)])


def way_text(way: Alternative) -> str:
    """Return what a way does, in few words."""
    via, sell = way.constraints.via, way.constraints.sell
    if via == "sell" and len(sell) == 1:
        return f"sell {figures.clean(_short(sell[0]))}"
    if via == "payer":
        return f"paid by {figures.short_address(way.payer or '')}"
    return _WORDS[via or "mixed"]


_WORDS = {
    "mixed": "wallet, then sales",
    "sell": "cheapest sales",
    "wallet": "wallet alone",
    "collateral": "add collateral",
    "reduce": "reduce positions",
    "margin": "add margin",
}


def _short(name: str) -> str:
    return figures.short_address(name) if name.startswith("0x") else name


def _columns(quote: str) -> tuple[Column, ...]:
    currency = "$" if quote == figures.DOLLAR else figures.clean(quote)
    return (
        Column("way"),
        Column("health", "right"),
        Column("lowest", "right"),
        Column("cost", "right"),
        Column("at worst", "right"),
        Column("gas", "right", drop=1),
        Column("txs", "right"),
        Column(f"Δhealth/{currency}", "right"),
    )


def _row(way: Alternative) -> list[Cell]:
    plan = way.plan
    assert plan is not None  # noqa: S101 - the caller has looked
    cost, gain = plan.cost, gain_per_cost(plan)

    def worth(value: int | None) -> str:
        if value is None:
            return figures.NOTHING
        text = figures.worth(to_decimal(value, plan.quote_decimals), plan.quote)
        return text.removesuffix(f" {figures.clean(plan.quote)}")

    return [
        Cell(way_text(way) + (" (part)" if plan.label else "")),
        Cell(_health(plan.promise.health_factor)),
        Cell(_health(plan.promise.lowest_health_factor)),
        Cell(worth(cost.expected)),
        Cell(worth(cost.worst)),
        Cell(worth(cost.gas_value)),
        Cell(str(cost.transactions)),
        Cell(figures.NOTHING if gain is None else _digits(gain)),
    ]


def _digits(gain: Decimal) -> str:
    """Return three significant digits."""
    return f"{gain.quantize(Decimal(1).scaleb(min(gain.adjusted() - 2, 0))):f}"


def _health(wad: int | None) -> str:
    return figures.health(None if wad is None else to_decimal(wad, 18))


def _options(possible: Sequence[Alternative], *, width: int, ink: Ink) -> list[str]:
    rows = [[Cell(way_text(way)), Cell(" ".join(options_of(way.constraints, way.payer)))] for way in possible]
    return table((Column("way"), Column("the options that plan it")), rows, width=width, ink=ink)


def _impossible(found: Sequence[Alternative], width: int, ink: Ink) -> Iterator[str]:
    refused = [way for way in found if way.plan is None]
    if refused:
        yield ""
        yield f"  {ink('not possible', 'dim')}"
    indent = max((len(way_text(way)) for way in refused), default=0) + 5
    for way in refused:
        words = [Cell(word) for word in figures.clean(way.refusal).split(" ")]
        first, *rest = flow(words, separator=" ", width=width - indent, ink=ink)
        yield f"  {way_text(way):<{indent - 2}}{first}"
        yield from (f"{'':<{indent}}{line}" for line in rest)
