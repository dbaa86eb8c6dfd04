"""What a plan costs against the oracle, and its gas and time."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from math import ceil, prod

from defilev.model.plan import Action, Approve, Execute, PlanCost, Step, Swap, Unwind
from defilev.model.token import Token
from defilev.plan.inputs import APPROVE_GAS, SECONDS_PER_STEP, PlanInputs
from defilev.venues import leverage_executor

__all__ = ["cost_of", "gas_of", "spent"]

WHOLE_FEE = 1_000_000
"""All of what is sold, in hundredths of a basis point, as fee tiers are named."""


def cost_of(inputs: PlanInputs, steps: Sequence[Step]) -> PlanCost:
    """Return the cost of `steps`: in quote base units at the quotes and at the worst allowed fills, and their gas."""
    actions = [step.action for step in steps if not isinstance(step.action, Execute)]
    trades = [action for action in actions if isinstance(action, Swap | Unwind)]
    losses = [_losses(inputs, action) for action in trades]
    gas = sum(step.gas_limit for step in steps)
    expected, fee = sum(quoted for quoted, _ in losses), sum(_fee(inputs, action) for action in trades)
    return PlanCost(
        expected=expected,
        worst=sum(worst for _, worst in losses),
        gas=gas,
        gas_price=inputs.gas_price,
        gas_value=_gas_value(inputs, gas),
        transactions=len(steps),
        signatures=len(steps),
        minutes=(Decimal(SECONDS_PER_STEP) * len(steps) / 60).quantize(Decimal("0.1")),
        fee=fee,
        impact=expected - fee,
    )


def spent(inputs: PlanInputs, actions: Sequence[Action]) -> int:
    """Return what `actions` cost in quote base units: at their quotes, with their gas where that has a price."""
    gas = sum(gas_of(inputs, action) for action in actions)
    losses = [_losses(inputs, action) for action in actions if isinstance(action, Swap | Unwind)]
    return sum(expected for expected, _ in losses) + (_gas_value(inputs, gas) or 0)


def gas_of(inputs: PlanInputs, action: Action) -> int:
    """Return the gas limit of a step."""
    if isinstance(action, Approve):
        return APPROVE_GAS
    if isinstance(action, Swap) and inputs.venue is not None:
        return inputs.venue.gas(action)
    if isinstance(action, Unwind):
        return leverage_executor.gas(action)
    return inputs.protocol.gas(action)


def _losses(inputs: PlanInputs, action: Swap | Unwind) -> tuple[int, int]:
    """Return what an exchange loses against the oracle: at the quote, and at worst; a lender's fee is part of it."""
    if isinstance(action, Unwind):
        repaid = _value(inputs, action.asset, action.amount)
        return (
            _value(inputs, action.collateral, action.quoted) - repaid,
            _value(inputs, action.collateral, action.limit) - repaid,
        )
    sold, bought = _value(inputs, action.route[0].token_in, action.amount_in), action.route[-1].token_out
    return sold - _value(inputs, bought, action.quoted_out), sold - _value(inputs, bought, action.minimum_out)


def _value(inputs: PlanInputs, token: Token, amount: int) -> int:
    return inputs.protocol.value_down(inputs.account, token.address, amount)


def _fee(inputs: PlanInputs, action: Swap | Unwind) -> int:
    """Return what the pools on the way keep of what is sold, by their fee tiers, and a lender takes, rounded up."""
    kept = prod((1 - Fraction(hop.fee, WHOLE_FEE) for hop in action.route), start=Fraction(1))
    if isinstance(action, Unwind):
        sold = _value(inputs, action.collateral, action.quoted)
        return ceil(sold * (1 - kept)) + _value(inputs, action.asset, action.fee)
    return ceil(_value(inputs, action.route[0].token_in, action.amount_in) * (1 - kept))


def _gas_value(inputs: PlanInputs, gas: int) -> int | None:
    if inputs.native is None:
        return None
    return inputs.protocol.value_down(inputs.account, inputs.native.address, gas * inputs.gas_price)
