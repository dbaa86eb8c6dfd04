"""What an action makes of a Morpho Blue account, with the contract's rounding and the contract's refusals."""

from __future__ import annotations

from dataclasses import replace

from defilev.errors import Infeasible, PriceMissing
from defilev.model.plan import Action, Borrow, Repay, Supply, Withdraw
from defilev.protocols.morpho_blue.math import (
    accrued,
    borrowed,
    max_borrow,
    to_assets_down,
    to_assets_up,
    to_shares_down,
    to_shares_up,
)
from defilev.protocols.morpho_blue.state import MorphoState

__all__ = ["apply_action", "project_state"]


def project_state(state: MorphoState, *, at: int) -> MorphoState:
    """Return `state` when nothing but time passes until the Unix time `at`; raises `ValueError` for an earlier one."""
    if at < state.at:
        raise ValueError(f"{at} is before the state's own time {state.at}")
    return replace(state, at=at)


def apply_action(state: MorphoState, action: Action, *, at: int) -> MorphoState:
    """Return `state` right after `action` in a block with timestamp `at`.

    Totals, and with them the rates from then on, are those after this account's own actions; others' are not known.
    Approvals and swaps only let time pass.

    Raises:
        Infeasible: the contract would revert; `reason` among the facts is its own word for it.
    """
    lent_shares = accrued(state).position.supply_shares
    state = project_state(state, at=at)
    if not isinstance(action, Withdraw | Supply | Borrow | Repay):
        return state
    if action.asset == state.market.collateral and isinstance(action, Withdraw | Supply):
        return (
            _withdraw_collateral(state, action) if isinstance(action, Withdraw) else _supply_collateral(state, action)
        )
    if action.asset != state.market.loan:
        raise Infeasible(f"{action.asset.symbol} is not in {state.market.label}", fix="choose an asset of the market")
    return _on_the_loan_side(accrued(state), action, lent_shares)


def _on_the_loan_side(state: MorphoState, action: Withdraw | Supply | Borrow | Repay, lent_shares: int) -> MorphoState:
    match action:
        case Withdraw():
            return _withdraw(state, action, lent_shares)
        case Supply():
            return _supply(state, action)
        case Borrow():
            return _borrow(state, action)
        case Repay():
            return _repay(state, action)


def _withdraw_collateral(state: MorphoState, action: Withdraw) -> MorphoState:
    held = state.position.collateral
    amount = held if action.amount is None else action.amount
    _require(amount > 0, action, "zero assets")
    _require(amount <= held, action, "arithmetic overflow or underflow")
    after = _with_position(accrued(state), collateral=held - amount)
    _require_healthy(after, action)
    return after


def _supply_collateral(state: MorphoState, action: Supply) -> MorphoState:
    """Nothing accrues when collateral is supplied."""
    _require(action.amount > 0, action, "zero assets")
    return _with_position(state, collateral=state.position.collateral + action.amount)


def _withdraw(state: MorphoState, action: Withdraw, lent_shares: int) -> MorphoState:
    """Everything is `lent_shares`: those that there were when the call was made, without a fee that came meanwhile."""
    totals, held = state.totals, state.position.supply_shares
    _require(bool(lent_shares if action.amount is None else action.amount), action, "inconsistent input")
    if action.amount is None:
        shares, assets = lent_shares, to_assets_down(lent_shares, totals.supply_assets, totals.supply_shares)
    else:
        shares, assets = to_shares_up(action.amount, totals.supply_assets, totals.supply_shares), action.amount
    _require(shares <= held, action, "arithmetic overflow or underflow")
    after = _with_totals(
        state, supply_assets=totals.supply_assets - assets, supply_shares=totals.supply_shares - shares
    )
    _require(totals.borrow_assets <= after.totals.supply_assets, action, "insufficient liquidity")
    return _with_position(after, supply_shares=held - shares)


def _supply(state: MorphoState, action: Supply) -> MorphoState:
    totals = state.totals
    _require(action.amount > 0, action, "inconsistent input")
    shares = to_shares_down(action.amount, totals.supply_assets, totals.supply_shares)
    after = _with_totals(
        state, supply_assets=totals.supply_assets + action.amount, supply_shares=totals.supply_shares + shares
    )
    return _with_position(after, supply_shares=state.position.supply_shares + shares)


def _borrow(state: MorphoState, action: Borrow) -> MorphoState:
    totals = state.totals
    _require(action.amount > 0, action, "inconsistent input")
    shares = to_shares_up(action.amount, totals.borrow_assets, totals.borrow_shares)
    after = _with_totals(
        state, borrow_assets=totals.borrow_assets + action.amount, borrow_shares=totals.borrow_shares + shares
    )
    after = _with_position(after, borrow_shares=state.position.borrow_shares + shares)
    _require_healthy(after, action)
    _require(after.totals.borrow_assets <= totals.supply_assets, action, "insufficient liquidity")
    return after


def _repay(state: MorphoState, action: Repay) -> MorphoState:
    totals, owed = state.totals, state.position.borrow_shares
    if action.shares is None and action.amount is not None:
        _require(action.amount > 0, action, "inconsistent input")
        assets, shares = action.amount, to_shares_down(action.amount, totals.borrow_assets, totals.borrow_shares)
    else:
        shares = owed if action.shares is None else action.shares
        _require(shares > 0, action, "inconsistent input")
        assets = to_assets_up(shares, totals.borrow_assets, totals.borrow_shares)
        _require(action.amount is None or assets <= action.amount, action, "transferFrom reverted")
    _require(shares <= owed, action, "arithmetic overflow or underflow")
    left = max(totals.borrow_assets - assets, 0)
    after = _with_totals(state, borrow_assets=left, borrow_shares=totals.borrow_shares - shares)
    return _with_position(after, borrow_shares=owed - shares)


def _require_healthy(state: MorphoState, action: Action) -> None:
    """Refuse as `_isHealthy` does, with the oracle's price as it was read."""
    owed = borrowed(state)
    if owed and state.market.price is None:
        raise PriceMissing(f"{action.kind} cannot be judged: the oracle of {state.market.label} gives no price")
    _require(max_borrow(state) >= owed, action, "insufficient collateral")


def _require(holds: bool, action: Action, reason: str) -> None:  # noqa: FBT001 - it is the condition itself
    if not holds:
        raise Infeasible(
            f"the market would refuse to {action.kind}: {reason}", fix="choose another amount", reason=reason
        )


def _with_position(state: MorphoState, **changes: int) -> MorphoState:
    return replace(state, position=replace(state.position, **changes))


def _with_totals(state: MorphoState, **changes: int) -> MorphoState:
    return replace(state, totals=replace(state.totals, **changes))
