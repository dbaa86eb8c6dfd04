"""What the owner should know before carrying out a plan."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from defilev.model.account import Notice
from defilev.model.plan import Approve, PlanCost, SetCollateral, SetEMode
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
    if not inputs.goal.rearranges:
        yield from _switches(path)
    for symbol, spender in _cleared(inputs, path):
        yield Notice(
            "allowance-cleared", f"an allowance of {symbol} to the {spender} stands already and is set to zero"
        )


def _switches(path: Path) -> Iterator[Notice]:
    """Yield what changes in the position beside its size, since no sale alone reached the goal."""
    for action in path.actions:
        if isinstance(action, SetCollateral) and action.enabled:
            text = "counts as collateral from here on, and can be taken in a liquidation"
            yield Notice("collateral-enabled", f"{action.asset.symbol} {text}: nothing else reaches the goal")
        elif isinstance(action, SetCollateral):
            text = "counts as collateral no more, so that other collateral can leave before it"
            yield Notice("collateral-disabled", f"{action.asset.symbol} {text}: nothing else reaches the goal")
        elif isinstance(action, SetEMode):
            name = f"e-mode {action.category} {action.label}".rstrip()
            text = "only its own assets can be borrowed in it, and its thresholds hold"
            yield Notice("e-mode-entered", f"the account enters {name}: {text}; nothing else reaches the goal")


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
