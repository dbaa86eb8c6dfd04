"""Repaying from a wallet and nothing else: the owner's, or one that pays on the owner's behalf."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from defilev.errors import Infeasible
from defilev.model.account import Leg
from defilev.model.plan import Plan
from defilev.model.token import TokenBalance, Wallet
from defilev.plan.assemble import assemble
from defilev.plan.choose import payable_debts
from defilev.plan.goals import Aim
from defilev.plan.inputs import PlanInputs
from defilev.plan.path import Path, start
from defilev.plan.refusals import SMALLEST_RISE, require_possible
from defilev.plan.rounds import reached, wallet_amount
from defilev.plan.sale import repay
from defilev.plan.staircase import repay_from_wallet, worth_its_gas
from defilev.plan.words import health_text

__all__ = ["how_far", "plan_repayment"]


def plan_repayment(inputs: PlanInputs, *, most: Decimal | None = None) -> Plan:
    """Return the plan that repays from the wallet of `inputs` until the goal is reached, or as much of it as there is.

    Amounts are exact and at most what is owed at the plan's block, so that nothing of an allowance is left: a debt that
    is repaid whole leaves the interest of the wait.

    Args:
        inputs: the wallet is the payer's.
        most: value in quote units that is repaid at most; all that the wallet holds when left out.

    Raises:
        Infeasible: the wallet holds none of the debts, or too little to matter, or it is another's than the owner's
            and nobody repays for another on this protocol.
    """
    _require_its_own(inputs)
    require_possible(inputs)
    aim = Aim(inputs.goal)
    path = before = start(inputs)
    for debt, capped in _payable(inputs, most):
        if not reached(path, aim):
            path, left = _by_standing_allowance(path, capped, debt, aim)
            path = repay_from_wallet(path, left, debt.asset, aim)
    _require_rise(inputs, before, path)
    return assemble(inputs, path, how_far(path, aim))


def how_far(path: Path, aim: Aim) -> str:
    """Return the label of a plan along `path`: empty when it reaches the goal."""
    return "" if reached(path, aim) else f"PARTIAL: to health {health_text(path.health_factor())}"


def _by_standing_allowance(path: Path, inputs: PlanInputs, debt: Leg, aim: Aim) -> tuple[Path, PlanInputs]:
    """Return the path after repaying what an earlier plan granted and did not come to repay, and the wallet after it.

    To clear it and to grant another would take two blocks in which nothing is repaid; this takes one, and leaves none
    of the allowance. Unchanged when nothing stands, when the goal asks for no more, and when either part
    is not worth its gas.
    """
    held, token = inputs.wallet.balance(debt.asset.address), debt.asset
    standing = path.granted.get((token.address, inputs.protocol.spender(path.first)), 0)
    wanted = wallet_amount(path, token, held, aim)
    if not all(part > 0 and worth_its_gas(inputs, token, part) for part in (standing, wanted - standing)):
        return path, inputs
    return repay(path, token, standing), replace(inputs, wallet=_holding(inputs.wallet, debt, held - standing))


def _require_its_own(inputs: PlanInputs) -> None:
    if inputs.payer is None or inputs.protocol.abilities.repays_for_another:
        return
    raise Infeasible(
        f"a debt on {inputs.protocol.name} is not repaid from another's wallet",
        fix="let the owner's own key act",
        payer=inputs.payer,
    )


def _payable(inputs: PlanInputs, most: Decimal | None) -> Iterator[tuple[Leg, PlanInputs]]:
    """Yield the debts, the largest first, each with the wallet that may be spent on it."""
    left = None if most is None else Fraction(most)
    for debt in payable_debts(inputs):
        held = inputs.spendable(debt.asset)
        price = Fraction(debt.price.value, 10 ** (debt.price.decimals + debt.asset.decimals))
        amount = held if left is None or price == 0 else min(held, int(left / price))
        if left is not None:
            left -= min(amount, debt.amount) * price
        yield debt, replace(inputs, wallet=_holding(inputs.wallet, debt, amount))


def _holding(wallet: Wallet, debt: Leg, amount: int) -> Wallet:
    balances = tuple(
        TokenBalance(debt.asset, amount) if held.token.address == debt.asset.address else held
        for held in wallet.balances
    )
    return replace(wallet, balances=balances)


def _require_rise(inputs: PlanInputs, before: Path, after: Path) -> None:
    was, becomes = before.health_factor() or 0, after.health_factor()
    if after.actions and (becomes is None or becomes - was >= SMALLEST_RISE):
        return
    debts = ", ".join(leg.asset.symbol for leg in payable_debts(inputs))
    raise Infeasible(
        f"{inputs.wallet.owner} holds too little of {debts} to raise the health factor",
        fix="send it more of the debt asset",
        holds=", ".join(f"{held.amount} {held.token.symbol}" for held in inputs.wallet.balances if held.amount)
        or "nothing",
    )
