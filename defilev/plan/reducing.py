"""Bringing perpetuals nearer to nothing, or giving them more margin: as few transactions as reach the goal; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from defilev.abi import Transaction, interface
from defilev.errors import Infeasible, UnknownName
from defilev.model.account import LendingAccount, Notice
from defilev.model.plan import (
    Action,
    Approve,
    Goal,
    Plan,
    PlanCost,
    PostCondition,
    Promise,
    Reduce,
    Step,
    Supply,
    Withdraw,
)
from defilev.model.plan_hash import with_hash
from defilev.model.token import Token, Wallet
from defilev.plan.assemble import APPROVE_GAS
from defilev.plan.goals import MARGIN
from defilev.plan.inputs import SECONDS_PER_STEP
from defilev.plan.words import amount_text, health_text
from defilev.protocols.contract import PerpActing
from defilev.units import WAD, Wad, to_decimal

__all__ = ["ReduceInputs", "Via", "is_reached", "plan_reduction"]

Via = Literal["reduce", "margin"]

LEVERAGE_PLACES = 6
RATIO_ROOM = 500
"""A margin ratio is sized for one part in this many above its goal: prices of averages move in the wait."""

DEADLINE_ROOM = 3_600
"""Seconds after the plan's expiry until which its trades may still be included."""


@dataclass(frozen=True, slots=True)
class ReduceInputs:
    """What to plan for perpetuals, and from which state.

    `account` is the loan that they are, `wallet` what the owner holds of its tokens. `via` says whether positions are
    reduced or margin is added. `max_slippage` is a fraction of the mark price, fees included. `market` is the symbol
    or address of the position to begin with, the largest when `None`. Times are as in `PlanInputs`.
    """

    protocol: PerpActing
    account: LendingAccount
    wallet: Wallet
    goal: Goal
    via: Via
    max_slippage: Decimal
    window: int
    block_seconds: Decimal
    gas_price: int
    native: Token | None = None
    market: str | None = None

    @property
    def deadline(self) -> int:
        """The Unix time after which no trade of the plan counts."""
        return self.account.block.timestamp + self.window + DEADLINE_ROOM


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
    return _assembled(inputs, tuple(actions))


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
    vault = protocol.spender(account)
    return [Approve(token, vault, "Perp v2 Vault", high), Supply(token, high)]


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


def is_reached(protocol: PerpActing, account: LendingAccount, goal: Goal, *, room: Fraction = Fraction(0)) -> bool:
    """Tell whether an account of perpetuals has reached a goal, surpassed by `room` of it; without positions it has."""
    if not account.legs or not protocol.positions(account):
        return True
    target = Fraction(goal.value or 0)
    if goal.kind == "leverage":
        leverage = protocol.leverage(account)
        return leverage is not None and leverage * (1 + room) <= target
    found = protocol.margin_ratio(account) if goal.kind == "margin-ratio" else account.health_factor
    return goal.kind != "close" and found is not None and found >= target * WAD * (1 + room)


def _assembled(inputs: ReduceInputs, actions: tuple[Action, ...]) -> Plan:
    protocol, account = inputs.protocol, inputs.account
    states = [protocol.at_worst(account)]
    for action in actions:
        states.append(protocol.apply(states[-1], action))
    steps = tuple(_step(inputs, place, action, states) for place, action in enumerate(actions))
    cost, blocks = _cost(inputs, steps, states), -(-inputs.window // inputs.block_seconds)
    healths = [state.health_factor for state in states if state.health_factor is not None]
    return with_hash(
        Plan(
            chain_id=account.chain_id,
            block=account.block,
            protocol=account.protocol,
            market=account.market,
            owner=account.owner,
            goal=inputs.goal,
            label="",
            health_factor_before=account.health_factor,
            leverage_before=_leverage(inputs, account),
            floor=Wad(WAD),
            max_slippage=inputs.max_slippage,
            steps=steps,
            promise=Promise(
                health_factor=states[-1].health_factor,
                leverage=_leverage(inputs, states[-1]),
                collateral_value=states[-1].collateral_value,
                debt_value=states[-1].debt_value,
                lowest_health_factor=min(healths, default=None),
            ),
            post_conditions=tuple(_conditions(inputs, actions, states[-1])),
            cost=cost,
            quote_decimals=account.quote_decimals,
            expires_at_block=account.block.number + max(int(blocks), 1),
            expires_at=account.block.timestamp + inputs.window,
            nonce=inputs.wallet.nonce,
            warnings=(*account.warnings, *_notices(inputs, cost)),
            quote=account.quote,
        )
    )


def _step(inputs: ReduceInputs, place: int, action: Action, states: Sequence[LendingAccount]) -> Step:
    transaction = _transaction(inputs, states[place], action)
    return Step(
        index=place + 1,
        action=action,
        to=transaction.to,
        contract=transaction.contract,
        value=0,
        data="0x" + transaction.data.hex(),
        function=transaction.function.name,
        arguments=transaction.described(),
        health_factor=states[place + 1].health_factor,
        at=inputs.account.block.timestamp + SECONDS_PER_STEP * (place + 1),
        gas_limit=APPROVE_GAS if isinstance(action, Approve) else inputs.protocol.gas(action),
    )


def _transaction(inputs: ReduceInputs, account: LendingAccount, action: Action) -> Transaction:
    if isinstance(action, Approve):
        approve = interface("erc20")["approve"]
        return Transaction(action.asset.address, action.asset.symbol, approve, (action.spender, action.amount))
    return inputs.protocol.transaction(account, action)


def _conditions(inputs: ReduceInputs, actions: Sequence[Action], last: LendingAccount) -> Iterator[PostCondition]:
    """Yield what must hold afterwards: the goal itself, and that nothing else was spent or left."""
    goal, ratio = inputs.goal, inputs.protocol.margin_ratio(last)
    if last.health_factor is None or ratio is None:
        yield PostCondition("no-debt")
    else:
        value = Fraction(goal.value or 0) * WAD
        target = -(-value.numerator // value.denominator)
        is_ratio, is_health = goal.kind == "margin-ratio", goal.kind == "health-factor"
        yield PostCondition("health-factor-at-least", limit=target if is_health else last.health_factor - MARGIN)
        yield PostCondition("margin-ratio-at-least", limit=target if is_ratio else ratio - ratio // RATIO_ROOM)
    for action in actions:
        if isinstance(action, Approve):
            yield PostCondition("allowance-zero", token=action.asset, spender=action.spender)
        if isinstance(action, Supply) and (left := inputs.wallet.balance(action.asset.address) - action.amount):
            yield PostCondition("balance-at-least", limit=left, token=action.asset)


def _cost(inputs: ReduceInputs, steps: Sequence[Step], states: Sequence[LendingAccount]) -> PlanCost:
    losses = [
        inputs.protocol.loss(states[place], step.action)
        for place, step in enumerate(steps)
        if isinstance(step.action, Reduce)
    ]
    gas = sum(step.gas_limit for step in steps)
    return PlanCost(
        expected=sum(expected for expected, _ in losses),
        worst=sum(worst for _, worst in losses),
        gas=gas,
        gas_price=inputs.gas_price,
        gas_value=_gas_value(inputs, gas),
        transactions=len(steps),
        signatures=len(steps),
        minutes=(Decimal(SECONDS_PER_STEP) * len(steps) / 60).quantize(Decimal("0.1")),
    )


def _gas_value(inputs: ReduceInputs, gas: int) -> int | None:
    if inputs.native is None:
        return None
    return inputs.protocol.value_down(inputs.account, inputs.native.address, gas * inputs.gas_price)


def _notices(inputs: ReduceInputs, cost: PlanCost) -> Iterator[Notice]:
    needed = cost.gas * cost.gas_price
    if inputs.wallet.native < needed:
        yield Notice(
            "native-balance-short",
            f"the wallet has {to_decimal(inputs.wallet.native, 18):.6f} of the native asset and the steps may need "
            f"{to_decimal(needed, 18):.6f} for gas",
        )


def _leverage(inputs: ReduceInputs, account: LendingAccount) -> Decimal | None:
    """Return the leverage to six places, rounded up; `None` without positions or without equity."""
    leverage = inputs.protocol.leverage(account)
    if not leverage:
        return None
    scale = 10**LEVERAGE_PLACES
    return Decimal(-(-leverage.numerator * scale // leverage.denominator)).scaleb(-LEVERAGE_PLACES)
