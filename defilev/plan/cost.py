"""What a plan costs against the oracle, and its gas and time."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from math import ceil, prod

from defilev.model.plan import Action, Approve, PlanCost, Step, Swap
from defilev.plan.inputs import APPROVE_GAS, SECONDS_PER_STEP, PlanInputs

__all__ = ["cost_of", "gas_of", "spent"]

WHOLE_FEE = 1_000_000
"""All of what is sold, in hundredths of a basis point, as fee tiers are named."""


def cost_of(inputs: PlanInputs, steps: Sequence[Step]) -> PlanCost:
    """Return the cost of `steps`: in quote base units at the quotes and at the worst allowed fills, and their gas."""
    swaps = [step.action for step in steps if isinstance(step.action, Swap)]
    gas = sum(step.gas_limit for step in steps)
    expected, fee = (
        sum(_loss(inputs, swap, swap.quoted_out) for swap in swaps),
        sum(_fee(inputs, each) for each in swaps),
    )
    return PlanCost(
        expected=expected,
        worst=sum(_loss(inputs, swap, swap.minimum_out) for swap in swaps),
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
    swaps = [action for action in actions if isinstance(action, Swap)]
    gas = sum(gas_of(inputs, action) for action in actions)
    return sum(_loss(inputs, swap, swap.quoted_out) for swap in swaps) + (_gas_value(inputs, gas) or 0)


def gas_of(inputs: PlanInputs, action: Action) -> int:
    """Return the gas limit of a step."""
    if isinstance(action, Approve):
        return APPROVE_GAS
    if isinstance(action, Swap) and inputs.venue is not None:
        return inputs.venue.gas(action)
    return inputs.protocol.gas(action)


def _loss(inputs: PlanInputs, swap: Swap, amount_out: int) -> int:
    value = inputs.protocol.value_down
    sold = value(inputs.account, swap.route[0].token_in.address, swap.amount_in)
    return sold - value(inputs.account, swap.route[-1].token_out.address, amount_out)


def _fee(inputs: PlanInputs, swap: Swap) -> int:
    """Return what the pools on the way keep of what is sold, by their fee tiers, rounded up."""
    sold = inputs.protocol.value_down(inputs.account, swap.route[0].token_in.address, swap.amount_in)
    kept = prod((1 - Fraction(hop.fee, WHOLE_FEE) for hop in swap.route), start=Fraction(1))
    return ceil(sold * (1 - kept))


def _gas_value(inputs: PlanInputs, gas: int) -> int | None:
    if inputs.native is None:
        return None
    return inputs.protocol.value_down(inputs.account, inputs.native.address, gas * inputs.gas_price)
