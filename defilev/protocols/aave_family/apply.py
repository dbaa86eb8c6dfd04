"""What an action makes of an Aave v3 account, with the contract's rounding and the contract's refusals."""

from __future__ import annotations

from dataclasses import replace

from defilev.errors import Infeasible
from defilev.model.plan import Action, Borrow, Repay, Supply, Withdraw
from defilev.protocols.aave_family import bitmap
from defilev.protocols.aave_family.math import (
    account_data,
    debt_balance,
    effective_loan_to_value,
    has_zero_ltv_collateral,
    normalized_debt,
    normalized_income,
    supply_balance,
)
from defilev.protocols.aave_family.regimes import REGIMES
from defilev.protocols.aave_family.state import AaveState, Position, Reserve
from defilev.units import BPS, RAY, WAD, mul_div_up

__all__ = ["apply_action", "project_state"]


def project_state(state: AaveState, *, at: int) -> AaveState:
    """Return `state` when nothing but time passes until the Unix time `at`; raises `ValueError` for an earlier one."""
    if at < state.at:
        raise ValueError(f"{at} is before the state's own time {state.at}")
    return replace(state, at=at)


def apply_action(state: AaveState, action: Action, *, at: int) -> AaveState:
    """Return `state` right after `action` in a block with timestamp `at`.

    Rates stay as they were read: the new ones depend on everyone's balances. Caps are not looked at. Approvals and
    swaps only let time pass.

    Raises:
        Infeasible: the contract would revert; `reason` among the facts is its own name for it.
    """
    state = project_state(state, at=at)
    match action:
        case Withdraw():
            return _withdraw(state, action)
        case Repay():
            return _repay(state, action)
        case Supply():
            return _supply(state, action)
        case Borrow():
            return _borrow(state, action)
        case _:
            return state


def _withdraw(state: AaveState, action: Withdraw) -> AaveState:
    index, reserve = _reserve(state, action)
    regime = REGIMES[state.market.regime]
    balance = supply_balance(state, index)
    amount = balance if action.amount is None else action.amount
    _require(amount > 0, action, "InvalidAmount")
    _require(amount <= balance, action, "NotEnoughAvailableUserBalance")
    _require(amount <= reserve.available_liquidity, action, "not enough liquidity in the market")
    burned = regime.burn_supply(amount, RAY, normalized_income(reserve, at=state.at))
    position = state.positions[index]
    _require(burned > 0, action, "InvalidBurnAmount")
    left = max(position.scaled_supply - burned, 0)
    after = _with_position(state, index, replace(position, scaled_supply=left))
    after = _with_liquidity(after, index, -amount)
    if not bitmap.is_collateral(state.user_configuration, reserve.id):
        return after
    if left == 0:
        flags = bitmap.with_collateral(after.user_configuration, reserve.id, value=False)
        after = replace(after, user_configuration=flags)
    if after.user_configuration & bitmap.BORROW_MASK:
        _require_healthy(after, action)
        _require_no_stranded_zero_ltv(after, reserve, action)
    return after


def _repay(state: AaveState, action: Repay) -> AaveState:
    index, reserve = _reserve(state, action)
    regime = REGIMES[state.market.regime]
    position = state.positions[index]
    variable = debt_balance(state, index) - position.stable_debt
    _require(variable > 0, action, "NoDebtOfSelectedType")
    amount = variable if action.amount is None else min(action.amount, variable)
    _require(amount > 0, action, "InvalidAmount")
    burned = regime.burn_debt(amount, RAY, normalized_debt(regime, reserve, at=state.at))
    _require(burned > 0, action, "InvalidBurnAmount")
    left = 0 if amount == variable else max(position.scaled_debt - burned, 0)
    after = _with_liquidity(_with_position(state, index, replace(position, scaled_debt=left)), index, amount)
    owes = left > 0 or position.stable_debt > 0
    return replace(after, user_configuration=bitmap.with_borrowing(after.user_configuration, reserve.id, value=owes))


def _supply(state: AaveState, action: Supply) -> AaveState:
    index, reserve = _reserve(state, action)
    regime = REGIMES[state.market.regime]
    _require(action.amount > 0, action, "InvalidAmount")
    _require(not bitmap.is_frozen(reserve.configuration), action, "ReserveFrozen")
    position = state.positions[index]
    minted = regime.mint_supply(action.amount, RAY, normalized_income(reserve, at=state.at))
    _require(minted > 0, action, "InvalidMintAmount")
    after = _with_position(state, index, replace(position, scaled_supply=position.scaled_supply + minted))
    after = _with_liquidity(after, index, action.amount)
    enabled = position.scaled_supply == 0 and bitmap.loan_to_value(reserve.configuration) != 0
    if not enabled or bitmap.is_collateral(state.user_configuration, reserve.id):
        return after
    return replace(after, user_configuration=bitmap.with_collateral(after.user_configuration, reserve.id, value=True))


def _borrow(state: AaveState, action: Borrow) -> AaveState:
    index, reserve = _reserve(state, action)
    regime = REGIMES[state.market.regime]
    _require(action.amount > 0, action, "InvalidAmount")
    _require(not bitmap.is_frozen(reserve.configuration), action, "ReserveFrozen")
    _require(_borrowable(state, reserve), action, "BorrowingNotEnabled")
    _require(action.amount <= reserve.available_liquidity, action, "not enough liquidity in the market")
    position = state.positions[index]
    minted = regime.mint_debt(action.amount, RAY, normalized_debt(regime, reserve, at=state.at))
    _require(minted > 0, action, "InvalidMintAmount")
    after = _with_position(state, index, replace(position, scaled_debt=position.scaled_debt + minted))
    after = _with_liquidity(after, index, -action.amount)
    after = replace(after, user_configuration=bitmap.with_borrowing(after.user_configuration, reserve.id, value=True))
    data = account_data(after)
    _require(data.loan_to_value > 0, action, "LtvValidationFailed")
    _require_healthy(after, action)
    needed = mul_div_up(data.debt, BPS, data.loan_to_value)
    _require(needed <= data.collateral, action, "CollateralCannotCoverNewBorrow")
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


def _reserve(state: AaveState, action: Withdraw | Repay | Supply | Borrow) -> tuple[int, Reserve]:
    try:
        index = state.index_of(action.asset.address)
    except KeyError:
        raise Infeasible(
            f"{action.asset.symbol} is not listed in {state.market.name}", fix="choose an asset of the market"
        ) from None
    reserve = state.reserves[index]
    _require(bitmap.is_active(reserve.configuration), action, "ReserveInactive")
    _require(not bitmap.is_paused(reserve.configuration), action, "ReservePaused")
    return index, _accrued(state, reserve)


def _accrued(state: AaveState, reserve: Reserve) -> Reserve:
    """Return the reserve with its indices stored at the state's time, as the pool does before it acts on it."""
    regime = REGIMES[state.market.regime]
    return replace(
        reserve,
        liquidity_index=normalized_income(reserve, at=state.at),
        variable_borrow_index=normalized_debt(regime, reserve, at=state.at),
        last_update=max(state.at, reserve.last_update),
    )


def _with_position(state: AaveState, index: int, position: Position) -> AaveState:
    positions = (*state.positions[:index], position, *state.positions[index + 1 :])
    return replace(state, positions=positions)


def _with_liquidity(state: AaveState, index: int, change: int) -> AaveState:
    reserve = _accrued(state, state.reserves[index])
    reserve = replace(reserve, available_liquidity=reserve.available_liquidity + change)
    return replace(state, reserves=(*state.reserves[:index], reserve, *state.reserves[index + 1 :]))


def _require_healthy(state: AaveState, action: Action) -> None:
    health_factor = account_data(state).health_factor
    healthy = health_factor is None or health_factor >= WAD
    _require(healthy, action, "HealthFactorLowerThanLiquidationThreshold", health_factor=health_factor)


def _require_no_stranded_zero_ltv(state: AaveState, reserve: Reserve, action: Action) -> None:
    regime = REGIMES[state.market.regime]
    category = state.e_mode if regime.e_mode_decides_ltv else None
    own = effective_loan_to_value(regime, category, reserve)
    _require(own == 0 or not has_zero_ltv_collateral(state), action, "LtvValidationFailed")


def _require(holds: bool, action: Action, reason: str, **facts: object) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        named = f" {action.asset.symbol}" if isinstance(action, Supply | Withdraw | Borrow | Repay) else ""
        raise Infeasible(
            f"the market would refuse to {action.kind}{named}: {reason}",
            fix="choose another amount or asset",
            reason=reason,
            **facts,
        )
