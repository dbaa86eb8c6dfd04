"""What an action makes of a Compound v3 account, with the contract's rounding and the contract's refusals.

Supplying or withdrawing the base asset accrues interest first; moving collateral does not, and is held against the
indices of the last accrual. So the most that can be borrowed and the most collateral that can leave are limited by two
different figures of the same debt.
"""

from __future__ import annotations

from dataclasses import replace

from defilev.errors import Infeasible
from defilev.model.plan import Action, Borrow, Repay, Supply, Withdraw
from defilev.protocols.compound_v3.math import accrued, balance, covers, debt, present_value, principal_value
from defilev.protocols.compound_v3.state import CometState, Totals

__all__ = ["apply_action", "project_state"]

_SUPPLY, _WITHDRAW = 1 << 0, 1 << 2


def project_state(state: CometState, *, at: int) -> CometState:
    """Return `state` when nothing but time passes until the Unix time `at`; raises `ValueError` for an earlier one."""
    if at < state.at:
        raise ValueError(f"{at} is before the state's own time {state.at}")
    return replace(state, at=at)


def apply_action(state: CometState, action: Action, *, at: int) -> CometState:
    """Return `state` right after `action` in a block with timestamp `at`.

    Approvals and swaps only let time pass.

    Raises:
        Infeasible: the contract would revert; `reason` among the facts is its own name for it.
    """
    state = project_state(state, at=at)
    match action:
        case Withdraw():
            return _withdraw(state, action)
        case Borrow():
            _require(_is_base(state, action), action, "only the base asset can be borrowed")
            return _take_base(state, action, action.amount)
        case Repay():
            _require(_is_base(state, action), action, "only the base asset is ever owed")
            _require(debt(state) > 0, action, "nothing is owed")
            return _bring_base(state, action, debt(state) if action.amount is None else action.amount)
        case Supply():
            return _supply(state, action)
        case _:
            return state


def _withdraw(state: CometState, action: Withdraw) -> CometState:
    if not _is_base(state, action):
        return _take_collateral(state, action)
    held = balance(state)
    amount = held if action.amount is None else action.amount
    _require(amount <= held, action, "more than is supplied would be borrowed")
    return _take_base(state, action, amount)


def _supply(state: CometState, action: Supply) -> CometState:
    if _is_base(state, action):
        return _bring_base(state, action, action.amount)
    _require(not state.market.pause_flags & _SUPPLY, action, "Paused")
    index = _index(state, action)
    collateral = state.market.collaterals[index]
    _require(collateral.supplied + action.amount <= collateral.supply_cap, action, "SupplyCapExceeded")
    return _with_collateral(state, index, action.amount)


def _take_base(state: CometState, action: Withdraw | Borrow, amount: int) -> CometState:
    _require(not state.market.pause_flags & _WITHDRAW, action, "Paused")
    before, after = _moved(state, -amount)
    if after < 0:
        _require(-after >= state.market.borrow_minimum, action, "BorrowTooSmall")
        covered = covers(before, "borrow_factor", before.market.totals)
        _require(covered is not None, action, "BadPrice")
        _require(bool(covered), action, "NotCollateralized")
    _require(amount <= state.market.cash, action, "not enough liquidity in the market")
    return before


def _bring_base(state: CometState, action: Repay | Supply, amount: int) -> CometState:
    _require(not state.market.pause_flags & _SUPPLY, action, "Paused")
    return _moved(state, amount)[0]


def _moved(state: CometState, change: int) -> tuple[CometState, int]:
    """Return the state with `change` base units of the base asset put in, and the balance that this makes."""
    totals = accrued(state.market, at=state.at)
    value = present_value(state.principal, totals) + change
    principal = principal_value(value, totals)
    totals = _with_principal(totals, state.principal, principal)
    market = replace(state.market, totals=totals, cash=state.market.cash + change)
    return replace(state, market=market, principal=principal), value


def _with_principal(totals: Totals, old: int, new: int) -> Totals:
    return replace(
        totals,
        supply_principal=totals.supply_principal + max(new, 0) - max(old, 0),
        borrow_principal=totals.borrow_principal + max(-new, 0) - max(-old, 0),
    )


def _take_collateral(state: CometState, action: Withdraw) -> CometState:
    _require(not state.market.pause_flags & _WITHDRAW, action, "Paused")
    index = _index(state, action)
    held = state.balances[index]
    amount = held if action.amount is None else action.amount
    _require(amount <= held, action, "more than is held")
    after = _with_collateral(state, index, -amount)
    covered = covers(after, "borrow_factor", state.market.totals)
    _require(covered is not None, action, "BadPrice")
    _require(bool(covered), action, "NotCollateralized")
    return after


def _with_collateral(state: CometState, index: int, change: int) -> CometState:
    collaterals, balances = list(state.market.collaterals), list(state.balances)
    balances[index] += change
    collaterals[index] = replace(collaterals[index], supplied=collaterals[index].supplied + change)
    bit = 1 << collaterals[index].offset
    assets = state.assets | bit if balances[index] else state.assets & ~bit
    market = replace(state.market, collaterals=tuple(collaterals))
    return replace(state, market=market, assets=assets, balances=tuple(balances))


def _is_base(state: CometState, action: Withdraw | Borrow | Repay | Supply) -> bool:
    return action.asset.address == state.market.base.address


def _index(state: CometState, action: Withdraw | Supply) -> int:
    try:
        return state.index_of(action.asset.address)
    except KeyError:
        raise Infeasible(
            f"{action.asset.symbol} is not listed in {state.market.name}", fix="choose an asset of the market"
        ) from None


def _require(holds: bool, action: Action, reason: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        raise Infeasible(
            f"the market would refuse to {action.kind}: {reason}", fix="choose another amount or asset", reason=reason
        )
