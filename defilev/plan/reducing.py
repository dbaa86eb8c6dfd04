"""Bringing perpetuals nearer to nothing, or giving them more margin: as few transactions as reach the goal; pure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from defilev.errors import Infeasible, UnknownName
from defilev.model.account import LendingAccount
from defilev.model.plan import Action, Approve, Plan, Reduce, Supply, Withdraw
from defilev.model.token import Token
from defilev.plan.goals import MARGIN
from defilev.plan.reduce_inputs import ReduceInputs, is_reached
from defilev.plan.reduce_plan import RATIO_ROOM, assembled
from defilev.plan.words import amount_text, health_text
from defilev.units import WAD

__all__ = ["plan_margin", "plan_reduction"]


def plan_reduction(inputs: ReduceInputs) -> Plan:
    """Return the plan that reaches the goal of `inputs`, sized for the worst allowed fills and the worse price.

    Raises:
        Infeasible: there is no position, a market cannot be traded, the goal is met already or cannot be reached.
        UnknownName: the chosen market is none of the account's.
    """
    if not inputs.protocol.positions(inputs.account):
        raise Infeasible("the account has no position to reduce", fix="look at it with `defilev health`")
    if inputs.goal.kind == "close":
        actions = _closing(inputs)
    elif inputs.via == "margin":
        actions = _adding(inputs)
    else:
        actions = _reducing(inputs)
    return assembled(inputs, tuple(actions))


def plan_margin(inputs: ReduceInputs, *, most: Decimal | None = None) -> Plan:
    """Return the plan that adds margin from the wallet of `inputs` until the goal is reached, or as much as there is.

    Args:
        inputs: the wallet is the payer's.
        most: value in quote units that is added at most; all that the wallet holds when left out.

    Raises:
        Infeasible: there is no position, the goal is met already, or the wallet holds nothing of the settlement token.
    """
    protocol, account = inputs.protocol, inputs.protocol.at_worst(inputs.account)
    if not protocol.positions(account):
        raise Infeasible("the account has no position to add margin for", fix="look at it with `defilev health`")
    _require_unmet(inputs, account)
    token = protocol.settlement(account)
    has = inputs.wallet.balance(token.address)
    has = has if most is None else min(has, int(most.scaleb(token.decimals)))
    if has == 0:
        raise Infeasible(f"{inputs.wallet.owner} holds no {token.symbol} to add", fix=f"send it {token.symbol}")
    after = protocol.apply(account, Supply(token, has))
    if _is_met(inputs, after):
        return assembled(inputs, tuple(_adding(inputs)))
    label = f"PARTIAL: to margin ratio {health_text(protocol.margin_ratio(after))}"
    return assembled(inputs, _deposit(inputs, token, has), label=label)


def _closing(inputs: ReduceInputs) -> list[Action]:
    """Close every position, then withdraw everything."""
    protocol, account = inputs.protocol, inputs.account
    protocol.require_tradable(account)
    actions: list[Action] = []
    for token, _ in _ordered(inputs):
        actions.append(_trade(inputs, token, None))
        account = protocol.apply(account, actions[-1])
    return [*actions, *(Withdraw(token, None) for token in protocol.held(account))]


def _reducing(inputs: ReduceInputs) -> list[Action]:
    """Reduce positions in their order, the last of them only as far as it takes."""
    protocol, account = inputs.protocol, inputs.protocol.at_worst(inputs.account)
    protocol.require_tradable(account)
    _require_unmet(inputs, account)
    actions: list[Action] = []
    for token, size in _ordered(inputs):
        whole = _trade(inputs, token, None)
        if _is_met(inputs, after := protocol.apply(account, whole)):
            amount = _smallest(inputs, account, token, abs(size))
            return [*actions, whole if amount == abs(size) else _trade(inputs, token, amount)]
        actions.append(whole)
        account = after
    raise Infeasible(
        "the goal is not reached even when everything is closed at the worst allowed price",
        fix="add margin with --via margin, or allow less slippage",
        reached=health_text(account.health_factor),
    )


def _smallest(inputs: ReduceInputs, account: LendingAccount, token: Token, size: int) -> int:
    """Return the least amount that reaches the goal; all of `size` does."""
    low, high = 0, size
    while high - low > 1:
        middle = (low + high) // 2
        if _reaches(inputs, account, token, middle):
            high = middle
        else:
            low = middle
    return high


def _reaches(inputs: ReduceInputs, account: LendingAccount, token: Token, amount: int) -> bool:
    """Tell whether a trade goes through and reaches the goal: a smaller one may leave too little margin."""
    try:
        return _is_met(inputs, inputs.protocol.apply(account, _trade(inputs, token, amount)))
    except Infeasible:
        return False


def _adding(inputs: ReduceInputs) -> list[Action]:
    """Deposit the least amount of the settlement token that reaches the goal."""
    protocol, account = inputs.protocol, inputs.protocol.at_worst(inputs.account)
    _require_unmet(inputs, account)
    token = protocol.settlement(account)
    has = inputs.wallet.balance(token.address)
    if not _is_met(inputs, protocol.apply(account, Supply(token, has))):
        raise Infeasible(
            f"the wallet's {amount_text(has, token)} do not reach the goal",
            fix="aim lower, bring more of it, or reduce with --via reduce",
        )
    low, high = 0, has
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _is_met(inputs, protocol.apply(account, Supply(token, middle))) else (middle, high)
    return list(_deposit(inputs, token, high))


def _deposit(inputs: ReduceInputs, token: Token, amount: int) -> tuple[Action, ...]:
    vault = inputs.protocol.spender(inputs.account)
    return Approve(token, vault, "Perp v2 Vault", amount), Supply(token, amount)


def _ordered(inputs: ReduceInputs) -> Sequence[tuple[Token, int]]:
    """Return the positions, the chosen one first; raises `UnknownName`."""
    found = inputs.protocol.positions(inputs.account)
    wanted = inputs.market
    if wanted is None:
        return found
    chosen = [each for each in found if wanted.casefold() in (each[0].symbol.casefold(), each[0].address.casefold())]
    if not chosen:
        known = ", ".join(token.symbol for token, _ in found)
        raise UnknownName(f"the account has no position in {wanted}", fix=f"name one of {known}")
    return (*chosen, *(each for each in found if each not in chosen))


def _trade(inputs: ReduceInputs, token: Token, amount: int | None) -> Reduce:
    """Return the trade; its limit is tied to the price at the plan's block, whatever was predicted since."""
    return inputs.protocol.reduce(inputs.account, token, amount, slippage=inputs.max_slippage, deadline=inputs.deadline)


def _require_unmet(inputs: ReduceInputs, account: LendingAccount) -> None:
    if _is_met(inputs, account):
        raise Infeasible(
            f"the goal is met already: health {health_text(account.health_factor)}, "
            f"margin ratio {health_text(inputs.protocol.margin_ratio(account))}",
            fix="aim higher",
        )


def _is_met(inputs: ReduceInputs, account: LendingAccount) -> bool:
    """Tell whether the goal is reached with a margin for the prices of the wait."""
    room = Fraction(1, RATIO_ROOM) if inputs.goal.kind == "margin-ratio" else Fraction(MARGIN, WAD)
    return is_reached(inputs.protocol, account, inputs.goal, room=room)
