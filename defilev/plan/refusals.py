"""What no plan can do, said with the numbers and with what would help."""

from __future__ import annotations

from fractions import Fraction

from defilev.errors import Infeasible, UnknownName
from defilev.model.token import Token
from defilev.plan.constraints import is_named
from defilev.plan.goals import Aim
from defilev.plan.inputs import PlanInputs
from defilev.plan.path import Path, borrow_of, supply_of
from defilev.plan.rounds import payoff, repayable, repayment_reaches
from defilev.plan.sale import Sale
from defilev.plan.search import smallest
from defilev.plan.words import amount_text, health_text, leverage_text, percent_text, ratio_text
from defilev.units import WAD, Wad

__all__ = [
    "SMALLEST_RISE",
    "out_of_reach",
    "past_no_return",
    "require_known",
    "require_possible",
    "require_progress",
    "require_worthwhile",
    "with_outside_help",
]

SMALLEST_RISE = WAD // 1000
"""A partial plan that raises the health factor by less is not worth its gas."""


def require_known(inputs: PlanInputs) -> None:
    """Raise `UnknownName` when the user would keep an asset that the market does not have: a slip would be costly."""
    tokens = inputs.protocol.tokens(inputs.account)
    for keep in inputs.constraints.keep:
        if not any(is_named([keep.asset], token) for token in tokens):
            there = ", ".join(token.symbol for token in tokens)
            raise UnknownName(f"--keep {keep.asset!r} is not in the market", fix=f"choose one of: {there}")


def require_possible(inputs: PlanInputs) -> None:
    """Raise `Infeasible` when the account has no position, owes nothing, is there already, or the floor forbids it."""
    account = inputs.account
    if account.is_empty:
        raise Infeasible(
            f"{account.owner} has no position on {account.protocol} {account.market_name}", fix="check WHO"
        )
    if inputs.goal.kind == "close":
        return
    if account.health_factor is None:
        raise Infeasible(
            f"{account.owner} owes nothing on {account.protocol} {account.market_name}",
            fix="use --close to withdraw everything",
        )
    if Aim(inputs.goal).met(account):
        raise _there_already(inputs)
    target = inputs.goal.value
    if inputs.goal.kind == "health-factor" and target is not None and Fraction(target) * WAD < inputs.floor:
        raise Infeasible(
            f"the target {target} is below the floor of {health_text(inputs.floor)}",
            fix="aim higher, or lower --floor",
        )


def _there_already(inputs: PlanInputs) -> Infeasible:
    account = inputs.account
    if inputs.goal.kind == "health-factor":
        now = health_text(account.health_factor)
        return Infeasible(
            f"the health factor is {now} already, not below the target {inputs.goal.value}",
            fix=f"aim above {now}",
        )
    now = leverage_text(account)
    return Infeasible(
        f"the leverage is {now} already, not above the target {inputs.goal.value}", fix=f"aim below {now}"
    )


def past_no_return(path: Path, sale: Sale, aim: Aim) -> Infeasible | None:
    """Return the refusal when selling this collateral cannot raise the health factor any more, else `None`.

    A sale raises it only while the health factor is above threshold / (1 - slippage) of the asset sold.
    """
    health = path.health_factor()
    if health is None or Fraction(health, WAD) * sale.kept > sale.threshold:
        return None
    limit = sale.threshold / sale.kept
    return with_outside_help(
        Infeasible(
            f"selling {sale.collateral.symbol} cannot raise the health factor any more: "
            f"{health_text(health)} is not above {ratio_text(limit)}, "
            f"its threshold {percent_text(sale.threshold)} over {percent_text(sale.kept)} of the price",
            health_factor=health_text(health),
            threshold=percent_text(sale.threshold),
            max_slippage=percent_text(1 - sale.kept),
            fix="add collateral",
        ),
        path,
        sale.debt,
        aim,
    )


def with_outside_help(refusal: Infeasible, path: Path, debt: Token, aim: Aim) -> Infeasible:
    """Return `refusal` with how much of `debt`, brought from outside, reaches the goal; unchanged when none does."""
    needed = _outside_amount(path, debt, aim)
    if needed is None:
        return refusal
    fix = f"bring {amount_text(needed, debt)} more to the wallet and plan again, or {refusal.fix}"
    return type(refusal)(refusal.fact, fix=fix, **refusal.facts)


def _outside_amount(path: Path, debt: Token, aim: Aim) -> int | None:
    """Return how many base units of `debt` reach the goal when they are repaid; `None` when all of it does not."""
    if aim.goal.kind == "close":
        return payoff(path, debt)
    owed = repayable(path, debt, borrow_of(path.first, debt.address))
    if not repayment_reaches(path, debt, owed, aim):
        return None
    return smallest(lambda amount: repayment_reaches(path, debt, amount, aim), owed)


def require_progress(before: Path, after: Path, sale: Sale) -> None:
    """Raise `Infeasible` when a round leaves the health factor no higher than it was."""
    was, now = before.health_factor(), after.health_factor()
    if was is not None and now is not None and now <= was:
        raise Infeasible(
            f"selling more {sale.collateral.symbol} would lower the health factor from {health_text(was)} to "
            f"{health_text(now)}",
            fix="add collateral, or lower --max-slippage",
        )


def require_worthwhile(start: Path, end: Path, rounds: int, floor: Wad) -> None:
    """Raise `Infeasible` when so many rounds raise the health factor by next to nothing."""
    before, after = start.health_factor() or 0, end.health_factor() or 0
    if after - before < SMALLEST_RISE:
        raise Infeasible(
            f"{rounds} rounds above the floor of {health_text(floor)} would raise the health factor "
            f"from {health_text(before)} to {health_text(after)} only",
            fix="lower --floor",
        )


def out_of_reach(path: Path, sale: Sale, goal: str) -> Infeasible:
    """Return the refusal when selling all of one collateral, or repaying all of one debt, does not reach the goal."""
    collateral, debt = sale.collateral.symbol, sale.debt.symbol
    reachable = health_text(path.health_factor())
    is_sold = supply_of(path.first, sale.collateral.address) < borrow_of(path.first, sale.debt.address) / sale.price
    spent = f"selling all {collateral} for {debt}" if sale.swaps else f"repaying {debt} with all that is supplied of it"
    done = spent if is_sold else f"repaying all {debt}"
    other = "--sell" if is_sold else "--repay"
    return Infeasible(
        f"{done} reaches a health factor of {reachable}, not {goal}",
        fix=f"aim lower and plan again afterwards, choose another with {other}, or use --close",
        health_factor=reachable,
        leverage=leverage_text(path.last),
    )
