"""What a plan does in words, and what it changes as a table: before, and after it at worst."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from decimal import Decimal
from itertools import pairwise

from defilev.model.explained import LiquidationPrice
from defilev.model.plan import (
    Action,
    Borrow,
    Plan,
    Reduce,
    Repay,
    RepayWithSupply,
    SetCollateral,
    SetEMode,
    Supply,
    Swap,
    Unwind,
    Withdraw,
)
from defilev.model.token import Token
from defilev.report import figures
from defilev.report.ink import Ink
from defilev.report.plan_cost import value_of
from defilev.report.switch_text import switched
from defilev.report.table import Cell, Column, table
from defilev.units import to_decimal

__all__ = ["effect_table", "health_of", "in_words"]

_COLUMNS = (Column(""), Column("before", "right"), Column("after, at worst", "right"), Column("", drop=1))


def effect_table(plan: Plan, *, width: int, ink: Ink) -> list[str]:
    """Return the table of health, leverage, values and liquidation prices before the plan and after it at worst."""
    return table(_COLUMNS, [[*map(Cell, row), note] for *row, note in _rows(plan)], width=width, ink=ink)


def health_of(wad: int | None) -> str:
    """Return a health factor in wad; a dash when nothing is owed."""
    return figures.health(None if wad is None else to_decimal(wad, 18))


def in_words(plan: Plan) -> str:
    """Return what the plan does in all, by what it moves: a token that is sold is not said to be withdrawn too."""
    actions = [action for step in plan.steps for action in step.actions]
    swaps = [each for each in actions if isinstance(each, Swap)]
    sold = {each.route[0].token_in for each in swaps}
    said: dict[str, list[str]] = {}
    for verb, phrase in _phrases([each for each in actions if not _is_sold(each, sold)]):
        said.setdefault(verb, []).append(phrase)
    deeds = [f"{verb} {_joined(phrases)}" for verb, phrases in said.items()]
    rounds = sum(isinstance(now, Swap) and not isinstance(last, Swap) for last, now in pairwise([None, *actions]))
    return f"{_joined(deeds, ', ')}{f', in {rounds} rounds' if rounds > 1 else ''}"


def _is_sold(action: Action, sold: Collection[Token]) -> bool:
    return isinstance(action, Withdraw) and action.amount is not None and action.asset in sold


def _rows(plan: Plan) -> Iterator[tuple[str, str, str, Cell]]:
    promise = plan.promise
    after = "nothing owed" if promise.health_factor is None else f"at least {health_of(promise.health_factor)}"
    yield "health factor", health_of(plan.health_factor_before), after, Cell("")
    yield "leverage", figures.leverage(plan.leverage_before), figures.leverage(promise.leverage), Cell("")
    for name, before, value in (
        ("collateral", plan.collateral_value_before, promise.collateral_value),
        ("debt", plan.debt_value_before, promise.debt_value),
    ):
        yield name, figures.NOTHING if before is None else value_of(plan, before), value_of(plan, value), Cell("")
    for at in plan.liquidation_prices:
        name = f"{figures.clean(at.asset.symbol)} liquidates {at.side}"
        yield name, _price(at.before, plan.quote), _price(at.after, plan.quote), _distance(at, plan.quote)


def _price(price: Decimal | None, quote: str) -> str:
    return figures.NOTHING if price is None else figures.price(price, quote)


def _distance(at: LiquidationPrice, quote: str) -> Cell:
    now = f"now {figures.price(at.price_now, quote)}"
    if at.after is None or not at.price_now:
        return Cell(now)
    return Cell(f"{now}, {figures.change(at.after / at.price_now - 1)} away", short=now)


def _phrases(actions: Iterable[Action]) -> Iterator[tuple[str, str]]:
    """Yield a verb and what it is done with, each token or pair once, in the order of the steps."""
    sums: dict[tuple[str, Token, Token | None], tuple[int | None, int]] = {}
    for action in actions:
        match action:
            case Swap(route, amount_in, minimum_out):
                key = ("sells", route[0].token_in, route[-1].token_out)
                amount, least = sums.get(key, (0, 0))
                sums[key] = (amount or 0) + amount_in, least + minimum_out
            case Withdraw() | Repay() | Supply() | Borrow():
                plain = (_VERBS[action.kind], action.asset, None)
                amount, _ = sums.get(plain, (0, 0))
                sums[plain] = (None if action.amount is None or amount is None else amount + action.amount), 0
    for (verb, token, bought), (amount, least) in sums.items():
        yield verb, _amount(amount, token) + (f" for at least {_amount(least, bought)}" if bought else "")
    for action in actions:
        yield from _phrases_of(action)


def _phrases_of(action: Action) -> Iterator[tuple[str, str]]:
    """Yield what is done once: it is summed up with nothing."""
    match action:
        case Reduce(asset, side, amount):
            yield "reduces", f"{_amount(amount, asset)} {side}"
        case RepayWithSupply():
            yield "repays", f"{switched(action)} with what is supplied of it"
        case SetCollateral(_, enabled):
            yield "lets", f"{switched(action)} count as collateral{'' if enabled else ' no more'}"
        case Unwind(asset, amount, collateral, limit=limit):
            yield "repays", _amount(amount, asset)
            yield "sells", f"at most {_amount(limit, collateral)} for it, in one transaction"
        case SetEMode(category):
            yield ("enters", f"e-mode {switched(action)}") if category else ("leaves", "its e-mode")


_VERBS = {"withdraw": "withdraws", "repay": "repays", "supply": "supplies", "borrow": "borrows"}


def _amount(raw: int | None, token: Token) -> str:
    symbol = figures.clean(token.symbol)
    return f"all {symbol}" if raw is None else f"{figures.amount(raw, token.decimals)} {symbol}"


def _joined(words: list[str], comma: str = ", ") -> str:
    return words[0] if len(words) == 1 else f"{comma.join(words[:-1])} and {words[-1]}" if words else figures.NOTHING
