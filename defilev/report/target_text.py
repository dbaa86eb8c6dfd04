"""A target as a person reads it: now and recommended, what limits it, when to act, and what it rests on."""

from __future__ import annotations

from collections.abc import Sequence

from defilev.model.target import Ceiling, HorizonRisk, Outlook, Target
from defilev.optimize.leverage import shrunk_fraction
from defilev.report import figures
from defilev.report.ink import Ink
from defilev.report.table import LABEL_WIDTH, Cell, Column, flow, labelled, table
from defilev.report.target_stress import delta_words, spiral_words, stress_table
from defilev.report.target_words import (
    binding_words,
    carry_words,
    chance,
    deciding_model,
    decimal,
    growth_words,
    implied_of,
    loop_lines,
    loss_words,
    multiplier_words,
    percent,
    reserve_words,
    risk_rows,
    sensitivity_words,
    spaced,
    volatility_words,
)

__all__ = ["target_text"]

_ACTIONS = {"hold": "HOLD", "deleverage": "DELEVERAGE", "lever-up": "LEVER UP", "close": "CLOSE"}


def target_text(target: Target, *, chain_name: str, width: int, ink: Ink, explain: bool = False) -> str:
    """Return the target for a terminal of `width` columns, at least 80; `explain` shows all that it rests on."""
    room = width - LABEL_WIDTH - 2
    blocks = [
        [*_head(target, chain_name, width, ink), *_volatility(target, room, ink)],
        _outlooks(target, width, ink),
        [*_risks(target, width, ink), *_loss(target, room, ink)] if target.position.side != "correlated" else [],
        labelled("carry", _wrapped(carry_words(target), room, ink)),
        _loop(target, room, ink),
        _ceilings(target, width, ink),
        [*_band(target, room, ink), *_trade(target, room, ink)],
        _what_if(target, room, ink),
        *((stress_table(target, width=width, ink=ink), _assumptions(target, room, ink)) if explain else ()),
        _notices(target, room, ink),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _head(target: Target, chain_name: str, width: int, ink: Ink) -> list[str]:
    position = target.position
    parts = [
        f"{position.protocol} {figures.clean(position.market_label or position.market)}",
        figures.clean(chain_name),
        f"block {figures.block_number(position.block.number)}",
        position.owner,
    ]
    cells = [Cell(parts[0], "strong"), *(Cell(part) for part in parts[1:])]
    return flow(cells, separator=" · ", width=width, ink=ink)


def _volatility(target: Target, room: int, ink: Ink) -> list[str]:
    if target.position.side == "correlated":
        return []
    return labelled("volatility", _wrapped(volatility_words(target), room, ink))


def _outlooks(target: Target, width: int, ink: Ink) -> list[str]:
    days = target.preferences.horizon_days
    has_prices, model = target.position.side != "correlated", deciding_model(target)
    columns = [
        Column(""),
        Column("leverage", "right"),
        Column("health factor", "right"),
        Column(f"P(liq {days:g} d), {model}" if has_prices else "interest liquidates in", "right"),
        Column("net carry", "right", drop=2),
        Column("drag if held", "right", drop=3),
        Column(f"you imply ({implied_of(target)})" if has_prices else "borrow rate", "right", drop=1),
    ]
    shown = [target.now, target.target, *target.alternatives]
    return table(columns, [_outlook(target, outlook) for outlook in shown], width=width, ink=ink)


def _outlook(target: Target, outlook: Outlook) -> list[Cell]:
    carry = decimal(outlook.carry)
    implied = decimal(outlook.implied_return)
    rate = figures.percent(decimal(outlook.borrow_rate))
    is_correlated = target.position.side == "correlated"
    return [
        Cell(outlook.name, "strong" if outlook.name == "target" else None),
        Cell(_held(target, outlook)),
        Cell(figures.health(decimal(outlook.health_factor))),
        Cell(_days(outlook.interest_days) if is_correlated else _chosen_chance(target, outlook)),
        Cell(f"{figures.percent(carry, signed=True, places=1)}/yr"),
        Cell(f"{figures.percent(decimal(outlook.decay), places=0)}/yr"),
        Cell(f"{rate}/yr" if is_correlated else f"{figures.percent(implied, signed=True, places=0)}/yr"),
    ]


def _held(target: Target, outlook: Outlook) -> str:
    """Return the leverage as it is now, and one to go to rounded down; below 1 is to hold no debt."""
    if outlook.leverage == target.now.leverage:
        return figures.leverage(decimal(outlook.leverage))
    return _down(max(outlook.leverage, 1.0))


def _chosen_chance(target: Target, outlook: Outlook) -> str:
    chosen = next((risk for risk in outlook.risks if risk.days == target.preferences.horizon_days), None)
    if chosen is None:
        return figures.NOTHING
    return chance(target, chosen.deciding)


def _days(days: float | None) -> str:
    return "never" if days is None else f"{days:,.0f} d".replace(",", figures.NARROW_SPACE)


def _risks(target: Target, width: int, ink: Ink) -> list[str]:
    risks: Sequence[HorizonRisk] = target.now.risks
    chosen = target.preferences.horizon_days
    days = [Column(f"{risk.days:g} d", "right", drop=int(risk.days != chosen)) for risk in risks]
    columns = [Column("P(liquidated within)"), *days]
    rows = [[Cell(text) for text in row] for row in risk_rows(target)]
    return table(columns, rows, width=width, ink=ink) if rows else []


def _loss(target: Target, room: int, ink: Ink) -> list[str]:
    said = loss_words(target)
    return labelled("a liquidation", _wrapped(said, room, ink)) if said else []


def _loop(target: Target, room: int, ink: Ink) -> list[str]:
    return labelled("loop", [line for said in loop_lines(target) for line in _wrapped(said, room, ink)])


def _ceilings(target: Target, width: int, ink: Ink) -> list[str]:
    columns = [Column("ceiling"), Column("leverage", "right"), Column("health", "right"), Column("")]
    rows = [_ceiling(ceiling) for ceiling in target.ceilings]
    lines = table(columns, rows, width=width, ink=ink)
    return [*lines, f"  bound by {binding_words(target)}"]


def _ceiling(ceiling: Ceiling) -> list[Cell]:
    said = ("advice", ceiling.kind == "advice"), ("exceeded", ceiling.exceeded)
    words = "← binding" if ceiling.binding else ", ".join(word for word, holds in said if holds)
    leverage = "any" if ceiling.leverage is None else _down(ceiling.leverage)
    return [
        Cell(spaced(ceiling.text)),
        Cell(leverage),
        Cell(figures.health(decimal(ceiling.health_factor))),
        Cell(words, "warning" if ceiling.exceeded and ceiling.kind == "hard" else None),
    ]


def _down(leverage: float) -> str:
    """Return a leverage with two places, rounded down: a limit is never shown higher than it is."""
    return f"{int(leverage * 100 + 1e-9) / 100:.2f}×"


def _band(target: Target, room: int, ink: Ink) -> list[str]:
    band = target.band
    if band.trigger_low is None:
        return labelled("band", ["none: nothing is to be owed"])
    low, to_low = (figures.health(decimal(level)) for level in (band.trigger_low, band.trade_to_low))
    if band.trigger_high is None and band.trade_to_high is None:
        said = f"leave alone from {low} up; below: trade {'back to it' if to_low == low else f'to {to_low}'}"
    else:
        high, to_high = (figures.health(decimal(level)) for level in (band.trigger_high, band.trade_to_high))
        upper = f"and {high}" if band.trigger_high is not None else "and no debt"
        said = f"do nothing between {low} {upper}; below: trade to {to_low}"
        said += f"; above: trade to {to_high}" if band.trigger_high is not None else ""
    if band.reaction is not None:
        bound = "binds" if band.reaction_binds else "not binding"
        said += f". Reaction check {figures.health(decimal(band.reaction))}: {bound}"
    if band.trades_per_year is not None and band.cost_rate is not None:
        often = "More than 365" if band.trades_per_year > 365 else f"About {band.trades_per_year:.0f}"
        trades = "trade" if round(band.trades_per_year) == 1 else "trades"
        said += f". {often} {trades} and {percent(band.cost_rate, places=2)} of growth a year"
    return labelled("band", _wrapped(said, room, ink))


def _trade(target: Target, room: int, ink: Ink) -> list[str]:
    trade, quote = target.trade, target.position.quote
    head = f"{_ACTIONS[trade.action]}: {trade.reason}"
    lines = labelled("advice", _wrapped(head, room, ink))
    if trade.action == "hold":
        return lines
    to = "no debt" if trade.health_factor is None else f"health {figures.health(decimal(trade.health_factor))}"
    held, owed = (figures.clean(name) for name in (target.position.collateral_asset, target.position.debt_asset))
    share = " in proportion" if "," in held else ""
    what = f"borrow {owed} for {held}" if trade.sale < 0 else f"sell {held}{share} and repay {owed}"
    sold, price = figures.worth(abs(trade.sale), quote), figures.worth(trade.cost, quote)
    cost = f"{what}: about {sold}, to {to}, for about {price}"
    lines += labelled("cost", _wrapped(cost, room, ink))
    if not trade.waiting:
        return lines
    waiting = f"a day off target costs about {figures.worth(trade.waiting, quote)}; wait only if that saves more"
    return lines + labelled("waiting", _wrapped(waiting, room, ink))


def _what_if(target: Target, room: int, ink: Ink) -> list[str]:
    lines = []
    if target.sensitivities:
        lines += labelled("sensitivity", _wrapped(sensitivity_words(target), room, ink))
    if target.reserves:
        lines += labelled("reserve", _wrapped(reserve_words(target), room, ink))
    if said := spiral_words(target):
        lines += labelled("selling", _wrapped(said, room, ink))
    return lines


def _assumptions(target: Target, room: int, ink: Ink) -> list[str]:
    wants, market = target.preferences, target.risk_market
    deserved = shrunk_fraction(wants.prior_sharpe, wants.information_years)
    said = [
        f"risk aversion {wants.risk_aversion:g}",
        f"trading {percent(wants.proportional_cost, places=2)} of value",
        f"gas {figures.worth(wants.gas_value, target.position.quote)} a rebalance",
        f"{wants.reaction_hours:g} h to react",
        f"risk-free {percent(wants.risk_free_rate, places=1)}",
        f"idle money {percent(wants.idle_rate, places=1)}",
        f"prior Sharpe {wants.prior_sharpe:g} of {wants.information_years:g} years deserves {deserved:.2f} of Kelly",
        f"supply {percent(target.position.supply_rate, places=2)}",
        f"borrow {percent(target.position.borrow_rate, places=2)}",
    ]
    if market.jumps is not None:
        said.append(f"{market.jumps.intensity:.0f} jumps a year")
    if multipliers := multiplier_words(target):
        said.append(multipliers)
    lines = labelled("delta", _wrapped(delta_words(target), room, ink)) if target.position.deltas else []
    if target.now.growth is not None:
        lines += labelled("growth", _wrapped(growth_words(target), room, ink))
    return lines + labelled("assumes", _wrapped(" · ".join(said), room, ink))


def _notices(target: Target, room: int, ink: Ink) -> list[str]:
    lines: list[str] = []
    for notice in target.notices:
        lines += labelled("note", _wrapped(spaced(f"{notice.name}: {notice.text}"), room, ink))
    return lines


def _wrapped(text: str, room: int, ink: Ink) -> list[str]:
    return flow([Cell(word) for word in text.split(" ")], separator=" ", width=room, ink=ink)
