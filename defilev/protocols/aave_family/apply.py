"""What an action makes of an Aave v3 account, with the contract's rounding and the contract's refusals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from defilev.model.plan import (
    Action,
    Borrow,
    Repay,
    RepayWithSupply,
    SetCollateral,
    SetEMode,
    Supply,
    Unwind,
    Withdraw,
)
from defilev.protocols.aave_family import bitmap
from defilev.protocols.aave_family.math import (
    account_data,
    debt_balance,
    normalized_debt,
    normalized_income,
    supply_balance,
)
from defilev.protocols.aave_family.regimes import REGIMES
from defilev.protocols.aave_family.state import AaveState, Reserve
from defilev.protocols.aave_family.steps import (
    require,
    require_healthy,
    require_no_stranded_zero_ltv,
    reserve_of,
    with_collateral_flag,
    with_liquidity,
    with_position,
)
from defilev.protocols.aave_family.switching import is_enabled_at_once, set_collateral, set_e_mode
from defilev.units import BPS, RAY, mul_div_up

__all__ = ["apply_action", "project_state"]


def project_state(state: AaveState, *, at: int) -> AaveState:
    """Return `state` when nothing but time passes until the Unix time `at`; raises `ValueError` for an earlier one."""
    if at < state.at:
        raise ValueError(f"{at} is before the state's own time {state.at}")
    return replace(state, at=at)


def apply_action(state: AaveState, action: Action, *, at: int) -> AaveState:
    """Return `state` right after `action` in a block with timestamp `at`.

    Rates stay as they were read: the new ones depend on everyone's balances. Caps are not looked at. Approvals and
    swaps only let time pass. To give away supply as its receipt has the rounding and the refusals of a withdrawal.
    What suppliers get of a flash loan's fee is not counted.

    Raises:
        Infeasible: the contract would revert; `reason` among the facts is its own name for it.
    """
    state = project_state(state, at=at)
    act = _ACTS.get(type(action))
    return state if act is None else act(state, action)


def _withdraw(state: AaveState, action: Withdraw) -> AaveState:
    index, reserve = reserve_of(state, action)
    regime = REGIMES[state.market.regime]
    balance = supply_balance(state, index)
    amount = balance if action.amount is None else action.amount
    require(amount > 0, action, "InvalidAmount")
    require(amount <= balance, action, "NotEnoughAvailableUserBalance")
    require(amount <= reserve.available_liquidity, action, "not enough liquidity in the market")
    burned = regime.burn_supply(amount, RAY, normalized_income(reserve, at=state.at))
    position = state.positions[index]
    require(burned > 0, action, "InvalidBurnAmount")
    left = max(position.scaled_supply - burned, 0)
    after = with_position(state, index, replace(position, scaled_supply=left))
    after = with_liquidity(after, index, -amount)
    if not bitmap.is_collateral(state.user_configuration, reserve.id):
        return after
    if left == 0:
        after = with_collateral_flag(after, reserve, value=False)
    if after.user_configuration & bitmap.BORROW_MASK:
        require_healthy(after, action)
        require_no_stranded_zero_ltv(after, reserve, action)
    return after


def _repay(state: AaveState, action: Repay) -> AaveState:
    index, reserve = reserve_of(state, action)
    position = state.positions[index]
    variable = debt_balance(state, index) - position.stable_debt
    require(variable > 0, action, "NoDebtOfSelectedType")
    amount = variable if action.amount is None else min(action.amount, variable)
    require(amount > 0, action, "InvalidAmount")
    return with_liquidity(_with_debt_repaid(state, action, index, reserve, amount), index, amount)


def _repay_with_supply(state: AaveState, action: RepayWithSupply) -> AaveState:
    """Burn debt and supply at once: what the pool has to lend stays as it is."""
    index, reserve = reserve_of(state, action)
    regime = REGIMES[state.market.regime]
    position, held = state.positions[index], supply_balance(state, index)
    variable = debt_balance(state, index) - position.stable_debt
    require(variable > 0, action, "NoDebtOfSelectedType")
    amount = min(held if action.amount is None else action.amount, variable)
    require(amount > 0, action, "InvalidAmount")
    require(amount <= held, action, "NotEnoughAvailableUserBalance")
    after = _with_debt_repaid(state, action, index, reserve, amount)
    burned = regime.burn_supply(amount, RAY, normalized_income(reserve, at=state.at))
    require(burned > 0, action, "InvalidBurnAmount")
    left = max(position.scaled_supply - burned, 0)
    after = with_liquidity(with_position(after, index, replace(after.positions[index], scaled_supply=left)), index, 0)
    if not bitmap.is_collateral(state.user_configuration, reserve.id):
        return after
    if left == 0 and not regime.stable_debt:
        after = with_collateral_flag(after, reserve, value=False)
    if regime.exact_health and after.user_configuration & bitmap.BORROW_MASK:
        require_healthy(after, action)
    return after


def _with_debt_repaid(
    state: AaveState, action: Repay | RepayWithSupply, index: int, reserve: Reserve, amount: int
) -> AaveState:
    regime, position = REGIMES[state.market.regime], state.positions[index]
    burned = regime.burn_debt(amount, RAY, normalized_debt(regime, reserve, at=state.at))
    require(burned > 0, action, "InvalidBurnAmount")
    variable = debt_balance(state, index) - position.stable_debt
    left = 0 if amount == variable else max(position.scaled_debt - burned, 0)
    after = with_position(state, index, replace(position, scaled_debt=left))
    owes = left > 0 or position.stable_debt > 0
    return replace(after, user_configuration=bitmap.with_borrowing(after.user_configuration, reserve.id, value=owes))


def _supply(state: AaveState, action: Supply) -> AaveState:
    index, reserve = reserve_of(state, action)
    regime = REGIMES[state.market.regime]
    require(action.amount > 0, action, "InvalidAmount")
    require(not bitmap.is_frozen(reserve.configuration), action, "ReserveFrozen")
    position = state.positions[index]
    minted = regime.mint_supply(action.amount, RAY, normalized_income(reserve, at=state.at))
    require(minted > 0, action, "InvalidMintAmount")
    after = with_position(state, index, replace(position, scaled_supply=position.scaled_supply + minted))
    after = with_liquidity(after, index, action.amount)
    enabled = position.scaled_supply == 0 and is_enabled_at_once(state, reserve)
    return with_collateral_flag(after, reserve, value=True) if enabled else after


def _borrow(state: AaveState, action: Borrow) -> AaveState:
    index, reserve = reserve_of(state, action)
    regime = REGIMES[state.market.regime]
    require(action.amount > 0, action, "InvalidAmount")
    require(not bitmap.is_frozen(reserve.configuration), action, "ReserveFrozen")
    require(_borrowable(state, reserve), action, "BorrowingNotEnabled")
    require(action.amount <= reserve.available_liquidity, action, "not enough liquidity in the market")
    position = state.positions[index]
    minted = regime.mint_debt(action.amount, RAY, normalized_debt(regime, reserve, at=state.at))
    require(minted > 0, action, "InvalidMintAmount")
    after = with_position(state, index, replace(position, scaled_debt=position.scaled_debt + minted))
    after = with_liquidity(after, index, -action.amount)
    after = replace(after, user_configuration=bitmap.with_borrowing(after.user_configuration, reserve.id, value=True))
    data = account_data(after)
    require(data.loan_to_value > 0, action, "LtvValidationFailed")
    require_healthy(after, action)
    needed = mul_div_up(data.debt, BPS, data.loan_to_value)
    require(needed <= data.collateral, action, "CollateralCannotCoverNewBorrow")
    return after


def _borrowable(state: AaveState, reserve: Reserve) -> bool:
    category = state.e_mode
    enabled = bitmap.borrowing_enabled(reserve.configuration)
    if category is None:
        return enabled
    if category.borrowable_bitmap is None:
        return enabled and bitmap.e_mode_category(reserve.configuration) == category.id
    inside = bool(category.borrowable_bitmap >> reserve.id & 1)
    return inside and (enabled or REGIMES[state.market.regime].e_mode_decides_ltv)


def _unwind(state: AaveState, action: Unwind) -> AaveState:
    repaid = _repay(state, Repay(action.asset, action.amount))
    return _withdraw(repaid, Withdraw(action.collateral, action.taken))


_ACTS: Mapping[type, Callable[[AaveState, Any], AaveState]] = {
    Withdraw: _withdraw,
    Repay: _repay,
    Supply: _supply,
    Borrow: _borrow,
    RepayWithSupply: _repay_with_supply,
    SetCollateral: set_collateral,
    SetEMode: set_e_mode,
    Unwind: _unwind,
}
"""What each action of the market does; any other only lets time pass."""
