"""A plan as lines for a terminal: what it does, what it promises, what it costs, until when it may be begun."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from defilev.model.account import Notice
from defilev.model.plan import (
    Action,
    Approve,
    Borrow,
    Plan,
    Reduce,
    Repay,
    RepayWithSupply,
    SetCollateral,
    SetEMode,
    Step,
    Supply,
    Swap,
    Unwind,
    Withdraw,
)
from defilev.model.token import Token
from defilev.plan.words import goal_text
from defilev.report import figures
from defilev.report.ink import Ink
from defilev.report.plan_cost import cost_table, gas_of, value_of
from defilev.report.plan_effect import effect_table, health_of, in_words
from defilev.report.switch_text import how_switched, switched
from defilev.report.table import LABEL_WIDTH, Cell, Column, flow, labelled, table
from defilev.report.unwind_text import enforced, lent, unwound

__all__ = ["plan_text"]

LISTED = 24
"""A plan with more steps than this is shown by its rounds."""

_STEPS = (
    Column("step"),
    Column("", "right"),
    Column("what"),
    Column("health after", "right"),
    Column("how", drop=1),
)


def _round_columns(taken: str, brought: str) -> tuple[Column, ...]:
    amounts = (Column(taken, "right"), Column(brought, "right"))
    return (Column("round"), Column("steps"), *amounts, Column("lowest", "right"), Column("health after", "right"))


def plan_text(plan: Plan, *, width: int, ink: Ink) -> str:
    """Return the plan for a terminal of `width` columns, at least 80, without a newline at its end."""
    room = width - LABEL_WIDTH - 2
    heading = ink(f"plan {plan.hash}", "strong")
    facts = [line for label, text in _facts(plan) for line in labelled(label, _wrapped(text, width=room, ink=ink))]
    effect = effect_table(plan, width=width, ink=ink)
    steps = _rounds(plan, width=width, ink=ink) if len(plan.steps) > LISTED else _steps(plan, width=width, ink=ink)
    costs = [*cost_table(plan, width=width, ink=ink), ""] if _trades(plan) else []
    closing = [line for label, text in _after(plan) for line in labelled(label, _wrapped(text, width=room, ink=ink))]
    warnings = [line for notice in plan.warnings for line in _notice(notice, width=room, ink=ink)]
    return "\n".join(
        [heading, *_label(plan, width=width, ink=ink), *facts, "", *effect, "", *steps, "", *costs, *closing, *warnings]
    )


def _wrapped(text: str, *, width: int, ink: Ink, style: str | None = None) -> list[str]:
    words = [Cell(word) for word in text.split(" ")]
    if style is not None:
        words[0] = Cell(words[0].text, style)
    return flow(words, separator=" ", width=width, ink=ink)


def _label(plan: Plan, *, width: int, ink: Ink) -> list[str]:
    label = figures.clean(plan.label)
    lines = _wrapped(label, width=width - 2, ink=ink, style="warning") if label else []
    return [f"  {line}" for line in lines]


def _notice(notice: Notice, *, width: int, ink: Ink) -> list[str]:
    if notice.name == "exits":
        return labelled("exits now", _wrapped(figures.clean(notice.text), width=width, ink=ink))
    text = figures.clean(f"{notice.name}: {notice.text}")
    return labelled("warning", _wrapped(text, width=width, ink=ink, style="warning"))


def _facts(plan: Plan) -> Iterator[tuple[str, str]]:
    yield "position", f"{_market(plan)} · {plan.owner}"
    if plan.payer is not None:
        yield "signed by", plan.payer
    if plan.market_label:
        yield "market", plan.market
    if plan.goal.kind == "close" and not plan.label:
        is_perp = any(isinstance(step.action, Reduce) for step in plan.steps)
        owed = "closes every position" if is_perp else "repays everything that is owed"
        yield "close", f"{owed}, withdraws everything that is {'left' if is_perp else 'supplied'}"
    elif plan.goal.rearranges:
        yield plan.goal.kind, figures.clean(goal_text(plan.goal))
    yield ("raises risk", _levering(plan)) if plan.levers else ("in words", in_words(plan))
    if plan.bound_by is not None:
        yield "bound by", figures.clean(plan.bound_by.text)
    if plan.promise.lowest_health_factor is not None:
        lowest = health_of(plan.promise.lowest_health_factor)
        yield "on the way", f"health never below {lowest} (floor {health_of(plan.floor)})"
    for condition in plan.post_conditions:
        if condition.kind == "margin-ratio-at-least":
            yield "margin ratio", f"at least {health_of(condition.limit)} afterwards"


def _levering(plan: Plan) -> str:
    """Return in words what a plan borrows in all, and what it supplies for it."""
    borrows = [action for step in plan.steps for action in step.actions if isinstance(action, Borrow)]
    supplies = [action for step in plan.steps for action in step.actions if isinstance(action, Supply)]
    borrowed, supplied = (
        ", ".join(_amount(sum(each.amount for each in of if each.asset == token), token) for token in _assets(of))
        for of in (borrows, supplies)
    )
    return f"borrows {borrowed}, and supplies {supplied} that is bought with it"


def _assets(actions: Sequence[Borrow] | Sequence[Supply]) -> list[Token]:
    return list(dict.fromkeys(action.asset for action in actions))


def _market(plan: Plan) -> str:
    return f"{plan.protocol} {figures.clean(plan.market_label or plan.market)}"


def _steps(plan: Plan, *, width: int, ink: Ink) -> list[str]:
    rows = [
        [
            Cell(str(step.index)),
            Cell(step.action.kind),
            Cell(_joined(iter(step.actions))),
            Cell(health_of(step.health_factor)),
            Cell(lent(step.action) if isinstance(step.action, Unwind) else _how(plan, step)),
        ]
        for step in plan.steps
    ]
    return table(_STEPS, rows, width=width, ink=ink)


def _what(action: Action) -> str:
    match action:
        case Swap(route, amount_in, minimum_out):
            least = _amount(minimum_out, route[-1].token_out)
            return f"{_amount(amount_in, route[0].token_in)} → at least {least}"
        case Approve(asset, _, _, 0):
            return f"no {figures.clean(asset.symbol)}"
        case Repay(asset, amount) if action.shares is not None and amount is not None:
            return f"up to {_amount(amount, asset)}"
        case Reduce(asset, side, amount):
            return f"{_amount(amount, asset) if amount is not None else f'all {figures.clean(asset.symbol)}'} {side}"
        case RepayWithSupply() | SetCollateral() | SetEMode() | Unwind():
            return unwound(action) if isinstance(action, Unwind) else switched(action)
        case _:
            return f"all {figures.clean(action.asset.symbol)}" if action.amount is None else _of(action)


def _of(action: Withdraw | Repay | Supply | Borrow | Approve | RepayWithSupply) -> str:
    if action.amount is None:
        raise TypeError("everything has no amount")
    return _amount(action.amount, action.asset)


def _how(plan: Plan, step: Step) -> str:
    match step.action:
        case Approve(_, _, name, 0):
            return f"the {name} may take nothing more"
        case Approve(_, _, name):
            return f"to the {name}, exact amount"
        case Swap(route, _, _, quoted):
            tokens = " → ".join(figures.clean(hop.token_in.symbol) for hop in route[1:])
            fees = " + ".join(f"{figures.grouped(Decimal(hop.fee) / 10_000, 2)} %" for hop in route)
            through = f" through {tokens}" if tokens else ""
            return f"quote {_amount(quoted, route[-1].token_out)}{through}, fee {fees}"
        case Reduce(_, side, _, limit, _, quote):
            way = "sell for at least" if side == "long" else "buy back for at most"
            return f"{way} {_amount(limit, quote)}"
        case RepayWithSupply() | SetCollateral() | SetEMode():
            return how_switched(step.action)
        case _:
            return _market(plan)


def _rounds(plan: Plan, *, width: int, ink: Ink) -> list[str]:
    taken, brought = (Borrow, Supply) if plan.levers else (Withdraw, Repay)
    rows = []
    for number, steps in enumerate(_split(plan.steps, taken), start=1):
        healths = [step.health_factor for step in steps if step.health_factor is not None]
        numbers = f"{steps[0].index}–{steps[-1].index}" if len(steps) > 1 else str(steps[0].index)
        rows.append(
            [
                Cell(str(number)),
                Cell(numbers),
                Cell(_joined(step.action for step in steps if isinstance(step.action, taken))),
                Cell(_joined(step.action for step in steps if isinstance(step.action, brought))),
                Cell(health_of(min(healths, default=None))),
                Cell(health_of(steps[-1].health_factor)),
            ]
        )
    columns = _round_columns("borrow", "supply") if plan.levers else _round_columns("withdraw", "repay")
    return table(columns, rows, width=width, ink=ink)


def _split(steps: Sequence[Step], first: type[Action]) -> list[list[Step]]:
    """Return the steps by round: each begins with a `first`, and one before them repays from the wallet."""
    rounds: list[list[Step]] = []
    for step in steps:
        if isinstance(step.action, first) or not rounds:
            rounds.append([])
        rounds[-1].append(step)
    return rounds


def _joined(actions: Iterator[Action]) -> str:
    return ", ".join(_what(each) for each in actions) or figures.NOTHING


def _after(plan: Plan) -> Iterator[tuple[str, str]]:
    cost = plan.cost
    if cost.worst > cost.expected and any(isinstance(step.action, Swap | Unwind) for step in plan.steps):
        left = value_of(plan, cost.worst - cost.expected)
        yield "left over", f"what better fills bring, about {left}, stays in the wallet"
    for step in plan.steps:
        if isinstance(step.action, Unwind):
            yield "enforced", enforced(step.action)
    for text in _wallet(plan):
        yield "in the wallet", text
    if not _trades(plan):
        yield "gas", f"at most {gas_of(plan)} for {figures.grouped(Decimal(cost.gas), 0)}"
    yield "effort", _effort(plan)
    begun = f"{figures.duration(plan.expires_at - plan.block.timestamp)} after block"
    at = figures.block_number(plan.expires_at_block)
    yield "expires", f"at block {at}, {begun} {figures.block_number(plan.block.number)}, for the first signature"


def _trades(plan: Plan) -> bool:
    return any(isinstance(action, Swap | Reduce | Unwind) for step in plan.steps for action in step.actions)


def _effort(plan: Plan) -> str:
    count = plan.cost.transactions
    if plan.cost.signatures != count:
        executed = f"{count} transaction{'' if count == 1 else 's'} of the Safe, all or none of the calls in each"
        return f"{executed}; {plan.cost.signatures} signatures of its owners"
    if count == 1:
        return f"1 transaction and signature, about {plan.cost.minutes} min"
    each = f"{count} transactions and signatures, about {plan.cost.minutes} min"
    if any(isinstance(step.action, Unwind) for step in plan.steps):
        return f"{each}; each call of the executor is all or nothing"
    return f"{each}, one after another: not atomic from a plain account"


def _wallet(plan: Plan) -> Iterator[str]:
    if plan.goal.kind != "close" or plan.label:
        return
    held = [
        _amount(condition.limit or 0, condition.token)
        for condition in plan.post_conditions
        if condition.kind == "balance-at-least" and condition.token is not None
    ]
    if held:
        yield f"afterwards at least {', '.join(held)}"


def _amount(raw: int, token: Token) -> str:
    return f"{figures.amount(raw, token.decimals)} {figures.clean(token.symbol)}"
