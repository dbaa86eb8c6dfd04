"""Actions on perpetuals as a plan: steps with their calldata, promise, post-conditions, cost, expiry, hash; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction

from defilev.abi import Transaction, interface
from defilev.model.account import LendingAccount, Notice
from defilev.model.explained import Bound
from defilev.model.plan import (
    Action,
    Approve,
    ConditionKind,
    Plan,
    PlanCost,
    PostCondition,
    Promise,
    Reduce,
    Step,
    Supply,
)
from defilev.model.plan_hash import with_hash
from defilev.model.token import Token
from defilev.plan.binding import target_bound
from defilev.plan.goals import MARGIN
from defilev.plan.inputs import APPROVE_GAS, SECONDS_PER_STEP
from defilev.plan.reduce_inputs import ReduceInputs
from defilev.units import WAD, Wad, to_decimal

__all__ = ["RATIO_ROOM", "assembled"]

LEVERAGE_PLACES = 6
RATIO_ROOM = 500
"""A margin ratio is sized for one part in this many above its goal: prices of averages move in the wait."""

_SPENT = Bound("wallet", "the wallet, or what may be spent of it")


def assembled(inputs: ReduceInputs, actions: tuple[Action, ...], *, label: str = "") -> Plan:
    """Return the plan that carries out `actions`, predicted at the worse price and with every fill at its limit.

    `label` says in words that it does less than the goal.
    """
    protocol, account = inputs.protocol, inputs.account
    states = [protocol.at_worst(account)]
    for action in actions:
        states.append(protocol.apply(states[-1], action))
    steps = tuple(_step(inputs, place, action, states) for place, action in enumerate(actions))
    cost, blocks = _cost(inputs, steps, states), -(-inputs.window // inputs.block_seconds)
    return with_hash(
        Plan(
            chain_id=account.chain_id,
            block=account.block,
            protocol=account.protocol,
            market=account.market,
            owner=account.owner,
            goal=inputs.goal,
            label=label,
            health_factor_before=account.health_factor,
            leverage_before=_leverage(inputs, account),
            floor=Wad(WAD),
            max_slippage=inputs.max_slippage,
            steps=steps,
            promise=_promise(inputs, states),
            post_conditions=tuple(_conditions(inputs, actions, states[-1], label)),
            cost=cost,
            quote_decimals=account.quote_decimals,
            expires_at_block=account.block.number + max(int(blocks), 1),
            expires_at=account.block.timestamp + inputs.window,
            nonce=inputs.wallet.nonce,
            warnings=(*account.warnings, *_notices(inputs, cost)),
            quote=account.quote,
            payer=None if inputs.payer == account.owner else inputs.payer,
            collateral_value_before=account.collateral_value,
            debt_value_before=account.debt_value,
            bound_by=Bound("wallet", "the wallet, or the most that may be spent of it")
            if label
            else target_bound(inputs.goal),
        )
    )


def _promise(inputs: ReduceInputs, states: Sequence[LendingAccount]) -> Promise:
    last = states[-1]
    healths = [state.health_factor for state in states if state.health_factor is not None]
    return Promise(
        health_factor=last.health_factor,
        leverage=_leverage(inputs, last),
        collateral_value=last.collateral_value,
        debt_value=last.debt_value,
        lowest_health_factor=min(healths, default=None),
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


def _conditions(
    inputs: ReduceInputs, actions: Sequence[Action], last: LendingAccount, label: str
) -> Iterator[PostCondition]:
    """Yield what must hold afterwards: the goal itself, and that nothing else was spent or left."""
    goal, ratio = inputs.goal, inputs.protocol.margin_ratio(last)
    reached = "" if label else goal.kind
    if last.health_factor is None or ratio is None:
        yield PostCondition("no-debt")
    else:
        value = Fraction(goal.value or 0) * WAD
        target = -(-value.numerator // value.denominator)
        is_ratio, is_health = reached == "margin-ratio", reached == "health-factor"
        yield PostCondition("health-factor-at-least", limit=target if is_health else last.health_factor - MARGIN)
        yield PostCondition("margin-ratio-at-least", limit=target if is_ratio else ratio - ratio // RATIO_ROOM)
    for token in dict.fromkeys(action.asset for action in actions if isinstance(action, Reduce)):
        yield from _not_turned(token, last)
    for action in actions:
        if isinstance(action, Approve):
            yield PostCondition("allowance-zero", token=action.asset, spender=action.spender)
        if isinstance(action, Supply) and (left := inputs.wallet.balance(action.asset.address) - action.amount):
            yield PostCondition("balance-at-least", limit=left, token=action.asset)


def _not_turned(token: Token, last: LendingAccount) -> Iterator[PostCondition]:
    """Yield what is left of a position that is reduced: had it shrunk before, the same trade would turn it around."""
    for leg in last.legs:
        if leg.asset == token:
            kind: ConditionKind = "collateral-at-least" if leg.side == "supply" else "debt-at-least"
            yield PostCondition(kind, limit=leg.amount, token=token)


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
