"""Post-conditions held against what was observed; pure."""

from __future__ import annotations

from collections.abc import Sequence

from defilev.model.plan import PostCondition
from defilev.model.probe import Observed
from defilev.model.request import Address
from defilev.model.simulation import CheckedCondition
from defilev.model.token import TokenBalance

__all__ = ["check_condition", "unchecked"]


def check_condition(condition: PostCondition, observed: Observed) -> CheckedCondition:
    """Return whether `condition` holds, with the value found.

    The value is a health factor in wad (`None` when nothing is owed, which holds), base units of the condition's token,
    or for `no-debt` and `no-collateral` the quote base units that are left: those hold when no unit of any token is.
    """
    found = _found(condition, observed)
    return CheckedCondition(condition, _holds(condition, found, observed), found)


def unchecked(condition: PostCondition) -> CheckedCondition:
    """Return `condition` as not held, with nothing found: the plan did not run to its end."""
    return CheckedCondition(condition, holds=False, found=None)


def _found(condition: PostCondition, observed: Observed) -> int | None:
    balances = {
        "debt-at-most": observed.owed,
        "debt-at-least": observed.owed,
        "collateral-at-least": observed.supplied,
        "balance-at-least": observed.wallet,
    }
    totals = {
        "health-factor-at-least": observed.health_factor,
        "margin-ratio-at-least": observed.margin_ratio,
        "no-debt": observed.debt_value,
        "no-collateral": observed.collateral_value,
        "e-mode-is": observed.e_mode,
    }
    if condition.kind in balances:
        return _amount(balances[condition.kind], _token(condition))
    if condition.kind in totals:
        return totals[condition.kind]
    return _allowance(observed, _token(condition), condition.spender)


def _holds(condition: PostCondition, found: int | None, observed: Observed) -> bool:
    match condition.kind:
        case "debt-at-most":
            return found is not None and found <= _limit(condition)
        case "no-debt":
            return found == 0 and _nothing(observed.owed)
        case "no-collateral":
            return found == 0 and _nothing(observed.supplied)
        case "allowance-zero":
            return found == 0
        case "e-mode-is":
            return found == _limit(condition)
        case _:
            return found is None or found >= _limit(condition)


def _nothing(balances: Sequence[TokenBalance]) -> bool:
    return all(balance.amount == 0 for balance in balances)


def _limit(condition: PostCondition) -> int:
    if condition.limit is None:
        raise ValueError(f"a condition {condition.kind} needs a limit")
    return condition.limit


def _token(condition: PostCondition) -> Address:
    if condition.token is None:
        raise ValueError(f"a condition {condition.kind} needs a token")
    return condition.token.address


def _amount(balances: Sequence[TokenBalance], token: Address) -> int:
    for balance in balances:
        if balance.token.address == token:
            return balance.amount
    raise KeyError(token)


def _allowance(observed: Observed, token: Address, spender: Address | None) -> int:
    for allowance in observed.allowances:
        if (allowance.token.address, allowance.spender) == (token, spender):
            return allowance.amount
    raise KeyError((token, spender))
