"""What the owner should know before carrying out a plan."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from defilev.model.account import Notice
from defilev.model.plan import Approve, PlanCost
from defilev.plan.inputs import PlanInputs
from defilev.plan.path import Path
from defilev.units import to_decimal

__all__ = ["notices"]


def notices(inputs: PlanInputs, path: Path, cost: PlanCost) -> tuple[Notice, ...]:
    """Return the account's own notices and those of the plan."""
    return (*inputs.account.warnings, *_of_plan(inputs, path, cost))


def _of_plan(inputs: PlanInputs, path: Path, cost: PlanCost) -> Iterator[Notice]:
    if inputs.wallet.has_code:
        yield Notice(
            "owner-has-code",
            "the owner is a contract or a delegated account: plain transactions from it may not be possible",
        )
    needed = cost.gas * cost.gas_price
    if inputs.wallet.native < needed:
        yield Notice(
            "native-balance-short",
            f"the wallet has {_ether(inputs.wallet.native)} of the native asset and the steps may need "
            f"{_ether(needed)} for gas",
        )
    for symbol, spender in _cleared(inputs, path):
        yield Notice(
            "allowance-cleared", f"an allowance of {symbol} to the {spender} stands already and is set to zero"
        )


def _ether(wei: int) -> Decimal:
    return to_decimal(wei, 18).quantize(Decimal("0.000001"))


def _cleared(inputs: PlanInputs, path: Path) -> Iterator[tuple[str, str]]:
    names = {
        (action.asset.address, action.spender): (action.asset.symbol, action.spender_name)
        for action in path.actions
        if isinstance(action, Approve)
    }
    for held in inputs.wallet.allowances:
        key = (held.token.address, held.spender)
        if held.amount > 0 and key in names:
            yield names[key]
