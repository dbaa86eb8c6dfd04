"""The exits of an account in words: until which move each works, the point of no return, impact, and toxicity."""

from __future__ import annotations

from decimal import Decimal

from defilev.model.exits import Exit, ExitLadder, NoReturn
from defilev.report import figures
from defilev.report.ink import Ink
from defilev.report.liquidation import decimal_figure
from defilev.report.table import LABEL_WIDTH, Cell, flow, labelled

__all__ = ["exit_lines"]

_NOW, _CLOSED = "now", "not now"


def exit_lines(ladder: ExitLadder, *, quote: str, width: int, ink: Ink) -> list[str]:
    """Return the ladder as labelled lines for a terminal of `width` columns; values are in `quote`."""
    room = width - LABEL_WIDTH - 2
    rungs = [(_until(ladder, exit_), _rung(ladder, exit_, quote)) for exit_ in ladder.exits]
    rungs += [(_until(ladder, each), _last(each)) for each in ladder.no_return]
    widest = max(len(until) for until, _ in rungs)
    lines = _words(_heading(ladder), room, ink)
    for until, (text, style) in rungs:
        first, *more = _words(text, room - widest - 2, ink, style)
        lines += [f"{until:>{widest}}  {first}", *(f"{'':{widest}}  {line}" for line in more)]
    named = labelled("exits", lines)
    for label, text in (("own impact", _impact(ladder, quote)), ("toxic", _toxic(ladder))):
        named += labelled(label, _words(text, room, ink) if text else [])
    return named


def _words(text: str, width: int, ink: Ink, style: str | None = None) -> list[str]:
    return flow([Cell(word, style) for word in text.split(" ")], separator=" ", width=width, ink=ink)


def _heading(ladder: ExitLadder) -> str:
    goal = figures.health(decimal_figure(ladder.question.goal))
    return f"back to health {goal}, after {_move(ladder)}, until"


def _move(ladder: ExitLadder) -> str:
    what = {"fall": "a fall of", "rise": "a rise of", "ratio": "a fall of"}[ladder.axis.kind]
    together = " together" if ladder.axis.name == "all but stablecoins" else ""
    return f"{what} {figures.clean(ladder.axis.name)}{together}"


def _until(ladder: ExitLadder, at: Exit | NoReturn) -> str:
    if at.shock is None:
        return _NOW if isinstance(at, Exit) and at.way == "liquidation" else _CLOSED
    if at.is_endless:
        return "always"
    return figures.change(decimal_figure(at.shock if ladder.axis.kind == "rise" else -at.shock))


def _rung(ladder: ExitLadder, at: Exit, quote: str) -> tuple[str, str | None]:
    if at.way == "liquidation":
        return "LIQUIDATION", "LIQUIDATABLE"
    there = "" if at.health_factor is None else f"health {figures.health(decimal_figure(at.health_factor))} there"
    held = "" if at.value is None else f"it has {_worth(at.value, quote) if at.value else 'none'}"
    return f"{_way(ladder, at)}{_in_brackets(held, '' if at.is_endless else there)}", None


def _in_brackets(*facts: str) -> str:
    said = ", ".join(fact for fact in facts if fact)
    return f" ({said})" if said else ""


def _way(ladder: ExitLadder, at: Exit) -> str:
    loss, asset = figures.percent(decimal_figure(ladder.question.slippage)), figures.clean(at.asset)
    return {
        "repay": "repay the debt from the wallet",
        "add": "add collateral from the wallet",
        "sell": f"sell {asset} at {loss} slippage in {ladder.question.rounds} rounds",
        "sell-part": f"sell {asset} in part",
        "liquidation": "liquidation",
    }[at.way]


def _last(at: NoReturn) -> tuple[str, str | None]:
    limit = figures.health(decimal_figure(at.health_factor))
    return f"no return for {figures.clean(at.asset)}: below health {limit} no sale helps", None


def _impact(ladder: ExitLadder, quote: str) -> str:
    impact = ladder.impact
    if impact is None:
        return ""
    sale = _worth(impact.sale, quote)
    said = f"selling {sale} of {figures.clean(impact.asset)} moves {impact.venue} by {_share(impact.move)}"
    most = f"of {_share(impact.critical_move)} on" if impact.critical_move < 1 else ""
    if not impact.helps:
        return f"{said}: it would LOWER health at first if the oracle followed: repay from the wallet instead"
    return f"{said}; it would lower health from a move {most}" if most else f"{said}; it helps whatever the move"


def _toxic(ladder: ExitLadder) -> str:
    if ladder.toxic_loan_to_value is None:
        return ""
    limit = _share(ladder.toxic_loan_to_value)
    said = f"a liquidation lowers health above a loan-to-value of {limit}"
    if ladder.toxic_shock is None:
        return said
    if not ladder.toxic_shock:
        return f"{said}, which is so now"
    sign = 1 if ladder.axis.kind == "rise" else -1
    return f"{said}, {figures.change(decimal_figure(sign * ladder.toxic_shock))} from here"


def _worth(value: float, quote: str) -> str:
    return figures.worth(decimal_figure(value).quantize(Decimal("0.01")), quote)


def _share(fraction: float) -> str:
    return figures.percent(decimal_figure(fraction), places=1 if fraction >= 0.01 else 2)
