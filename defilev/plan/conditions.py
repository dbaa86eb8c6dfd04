"""What must hold after the last step, so that anyone can tell whether a plan kept its promise."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from defilev.model.plan import Approve, Borrow, PostCondition, Repay, SetEMode, Supply, Swap, Unwind, Withdraw
from defilev.model.request import Address
from defilev.model.token import Token
from defilev.plan.goals import MARGIN
from defilev.plan.inputs import PlanInputs
from defilev.plan.path import Path, borrow_of, start, supply_of
from defilev.units import WAD, mul_div_up

__all__ = ["RATE_ROOM", "ROUNDING", "post_conditions"]

RATE_ROOM = 10_000
"""A debt may be higher than predicted by one part in this many, for rates that move meanwhile."""

ROUNDING = 2
"""Base units that the market's rounding may cost."""


def post_conditions(inputs: PlanInputs, path: Path, label: str) -> tuple[PostCondition, ...]:
    """Return the conditions that a plan along `path` promises; `label` says that it stops short of the goal."""
    return (
        *_health(inputs, path, label),
        *_debts(path, inputs),
        *_collaterals(path, inputs),
        *_allowances(path),
        *_balances(path, inputs),
        *_e_mode(path),
    )


def _e_mode(path: Path) -> Iterator[PostCondition]:
    switches = [action.category for action in path.actions if isinstance(action, SetEMode)]
    if switches:
        yield PostCondition("e-mode-is", limit=switches[-1])


def _health(inputs: PlanInputs, path: Path, label: str) -> Iterator[PostCondition]:
    health = path.health_factor()
    if health is None:
        return
    if inputs.goal.kind == "health-factor" and inputs.goal.value is not None and not label:
        target = Fraction(inputs.goal.value) * WAD
        yield PostCondition("health-factor-at-least", limit=-(-target.numerator // target.denominator))
    else:
        yield PostCondition("health-factor-at-least", limit=health - MARGIN)


def _debts(path: Path, inputs: PlanInputs) -> Iterator[PostCondition]:
    debts = [leg.asset for leg in inputs.account.legs if leg.side == "borrow"]
    debts += [action.asset for action in path.actions if isinstance(action, Borrow)]
    if path.health_factor() is None and debts:
        yield PostCondition("no-debt")
        return
    for token in dict.fromkeys(debts):
        owed = borrow_of(path.last, token.address)
        room = mul_div_up(owed, 1, RATE_ROOM) + ROUNDING if owed else 0
        yield PostCondition("debt-at-most", limit=owed + room, token=token)


def _collaterals(path: Path, inputs: PlanInputs) -> Iterator[PostCondition]:
    supplied = [leg.asset for leg in inputs.account.legs if leg.side == "supply"]
    supplied += [action.asset for action in path.actions if isinstance(action, Supply)]
    left = {token: supply_of(path.first, token.address) for token in supplied}
    if supplied and not any(left.values()):
        yield PostCondition("no-collateral")
        return
    for token, amount in left.items():
        if amount > ROUNDING:
            yield PostCondition("collateral-at-least", limit=amount - ROUNDING, token=token)


def _allowances(path: Path) -> Iterator[PostCondition]:
    granted = {(action.asset, action.spender): None for action in path.actions if isinstance(action, Approve)}
    for token, spender in {**granted, **dict.fromkeys(path.used)}:
        yield PostCondition("allowance-zero", token=token, spender=spender)


def _balances(path: Path, inputs: PlanInputs) -> Iterator[PostCondition]:
    """Yield what the wallet holds at least, for every token that moves: the plan spends no more than it says."""
    for token, change in _worst_changes(path, inputs).items():
        held = inputs.wallet.balance(token.address) + change
        if held > 0:
            yield PostCondition("balance-at-least", limit=held, token=token)


def _worst_changes(path: Path, inputs: PlanInputs) -> dict[Token, int]:
    """Return by token what the wallet gains at least: withdrawals at the plan's block, repayments at their latest."""
    changes: dict[Token, int] = {}
    granted = {(held.token, held.spender): held.amount for held in inputs.wallet.allowances}
    walked = start(inputs)
    for action in path.actions:
        for token, change in _moves(walked, action, granted):
            changes[token] = changes.get(token, 0) + change
        walked = walked.then(action)
    return changes


def _moves(walked: Path, action: object, granted: dict[tuple[Token, Address], int]) -> Iterator[tuple[Token, int]]:
    match action:
        case Approve(asset, spender, _, amount):
            granted[asset, spender] = amount
        case Withdraw(asset, amount):
            yield asset, _withdrawn(walked, asset) if amount is None else amount
        case Repay(asset, amount):
            yield asset, -(granted[asset, walked.protocol.spender(walked.first)] if amount is None else amount)
        case Borrow(asset, amount):
            yield asset, amount
        case Supply(asset, amount):
            yield asset, -amount
        case Swap(route, amount_in, minimum_out):
            yield route[0].token_in, -amount_in
            yield route[-1].token_out, minimum_out
        case Unwind(asset=asset, collateral=collateral):
            yield asset, 0
            yield collateral, 0
        case _:
            return


def _withdrawn(walked: Path, asset: Token) -> int:
    """Return what withdrawing all brings at least: less at the latest where a dearer debt was repaid from it."""
    first, last = supply_of(walked.first, asset.address), supply_of(walked.last, asset.address)
    return first if last >= first else max(last - ROUNDING, 0)
