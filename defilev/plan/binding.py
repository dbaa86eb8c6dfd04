"""What decided how much a plan does: its target, or what ran out before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from defilev.errors import Infeasible
from defilev.model.account import LendingAccount
from defilev.model.explained import Bound
from defilev.model.plan import Borrow, Goal, Repay, RepayWithSupply, Supply, Withdraw
from defilev.model.token import Token
from defilev.plan.inputs import PlanInputs
from defilev.plan.path import Path, supply_of
from defilev.plan.words import goal_text, health_text

__all__ = ["bound_of", "target_bound"]

NEAR = 200
"""One part in this many above a limit is at it: rounds are sized a little inside their limits."""

LTV_PART = 20
"""A round is at the loan-to-value when one part in this many more is refused: a little stays borrowable."""

DUST = 100_000
"""Less than one part in this many of what was supplied is nothing."""

SMALL_PART = 1000
"""What is left of a collateral is withdrawn in this part, to learn what forbids even so little."""

_FROM_WALLET = ("wallet", "payer", "collateral")


def bound_of(inputs: PlanInputs, path: Path, label: str) -> Bound:
    """Return what decided the size of the plan along `path`, which stops short of its goal if it has a `label`."""
    if not label:
        bound = target_bound(inputs.goal, raises_risk=any(isinstance(each, Borrow) for each in path.actions))
        return Bound("target", bound.text + _of_rounds(inputs, path))
    if inputs.constraints.via in _FROM_WALLET or not any(isinstance(each, Withdraw) for each in path.actions):
        return _of_wallet(inputs, path)
    return _of_sales(inputs, path)


def target_bound(goal: Goal, *, raises_risk: bool = False) -> Bound:
    """Return the bound of a plan that reaches `goal`."""
    if goal.kind == "close":
        return Bound("target", "what is owed: all of it is repaid")
    if goal.rearranges:
        return Bound("target", f"what was asked for: {goal_text(goal)}")
    if raises_risk:
        return Bound("target", f"the target: as much as keeps {goal_text(goal)} even at the worst fills")
    return Bound("target", f"the target: as little as reaches {goal_text(goal)} even at the worst fills")


def _of_wallet(inputs: PlanInputs, path: Path) -> Bound:
    """Return whether the wallet was spent whole, or only what was allowed of it."""
    spent: dict[Token, int] = {}
    for action in path.actions:
        if isinstance(action, Repay | Supply):
            spent[action.asset] = spent.get(action.asset, 0) + (action.amount or 0)
    left = [token for token, amount in spent.items() if inputs.spendable(token) - amount > amount // NEAR]
    if left:
        names = " and ".join(token.symbol for token in left)
        return Bound("cap", f"the most that may be spent: the wallet has more {names} than this")
    names = " and ".join(token.symbol for token in spent)
    return Bound("wallet", f"the wallet: it has no more {names}")


def _of_sales(inputs: PlanInputs, path: Path) -> Bound:
    """Return what stopped the sales before the goal: their number, what there is to sell, or what one more would do."""
    sold = [each for each in path.actions if isinstance(each, Withdraw | RepayWithSupply)]
    token = sold[-1].asset
    supplied, liquid = supply_of(path.first, token.address), inputs.protocol.liquidity(path.first, token.address)
    if path.last.health_factor is None:
        return Bound("liquidity", "the market: it does not pay out all that is supplied now")
    if len(sold) >= inputs.rounds:
        return Bound("rounds", f"the rounds: a plan has no more than {inputs.rounds}{_of_rounds(inputs, path)}")
    if supplied * DUST <= supply_of(inputs.account, token.address):
        return Bound("collateral", f"what may be sold: no {token.symbol} is left")
    if liquid * DUST <= supplied:
        return Bound("liquidity", f"the market: it pays out no more {token.symbol} now")
    limit = _limit_on(inputs, path, token, max(supplied // SMALL_PART, 1))
    venue = inputs.venue.name if inputs.venue else "the market"
    return limit or Bound("slippage", f"what {venue} takes of {token.symbol} within the allowed slippage")


def _limit_on(inputs: PlanInputs, path: Path, token: Token, amount: int) -> Bound | None:
    """Return what forbids to withdraw `amount` more; `None` when nothing does."""
    try:
        after = path.since().then(Withdraw(token, amount))
    except Infeasible as refusal:
        return Bound("loan-to-value", f"the market's limits: {refusal.fact}")
    if after.lowest is not None and after.lowest < inputs.floor:
        return Bound("floor", _floor(inputs))
    return None


def _of_rounds(inputs: PlanInputs, path: Path) -> str:
    limits = ", or ".join(dict.fromkeys(_limits_of_rounds(inputs, path)))
    return f"; rounds before the last go as far as {limits} lets them" if limits else ""


def _limits_of_rounds(inputs: PlanInputs, path: Path) -> Iterator[str]:
    """Yield what the rounds before the last are as large as, where that is a limit and not an amount to be sold."""
    kind = Borrow if any(isinstance(each, Borrow) for each in path.actions) else Withdraw
    last = max((place for place, each in enumerate(path.actions) if isinstance(each, kind)), default=0)
    account = inputs.account
    for place, action in enumerate(path.actions[:last]):
        at = path.nominal_time(place)
        account = inputs.protocol.apply(account, action, at=at)
        if isinstance(action, Borrow | Withdraw) and isinstance(action, kind):
            yield from _limit_of_round(inputs, account, action, at=at)


def _limit_of_round(inputs: PlanInputs, after: LendingAccount, action: Borrow | Withdraw, *, at: int) -> Iterator[str]:
    health = after.health_factor
    if health is None:
        return
    if health <= inputs.floor + inputs.floor // NEAR:
        yield _floor(inputs)
    elif isinstance(action, Withdraw) and not inputs.protocol.liquidity(after, action.asset.address):
        yield f"the {action.asset.symbol} that the market pays out"
    elif _is_refused(inputs, after, replace(action, amount=max((action.amount or 0) // LTV_PART, 1)), at=at):
        yield "the market's loan-to-value"


def _is_refused(inputs: PlanInputs, account: LendingAccount, more: Borrow | Withdraw, *, at: int) -> bool:
    try:
        inputs.protocol.apply(account, more, at=at)
    except Infeasible:
        return True
    return False


def _floor(inputs: PlanInputs) -> str:
    return f"the floor of {health_text(inputs.floor)}"
