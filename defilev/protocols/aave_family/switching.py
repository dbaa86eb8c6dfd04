"""What counts as collateral, and the e-mode: who may change them, and what stands in the way (`ValidationLogic`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from defilev.model.plan import SetCollateral, SetEMode
from defilev.protocols.aave_family import bitmap
from defilev.protocols.aave_family.math import effective_loan_to_value
from defilev.protocols.aave_family.regimes import REGIMES
from defilev.protocols.aave_family.state import AaveState, EMode, Reserve
from defilev.protocols.aave_family.steps import (
    require,
    require_healthy,
    require_no_stranded_zero_ltv,
    reserve_of,
    with_collateral_flag,
)

__all__ = ["category_of", "e_mode_obstacles", "is_enabled_at_once", "set_collateral", "set_e_mode"]


def set_collateral(state: AaveState, action: SetCollateral) -> AaveState:
    """Return the state after `setUserUseReserveAsCollateral`; raises `Infeasible` as the pool reverts."""
    index, reserve = reserve_of(state, action)
    regime = REGIMES[state.market.regime]
    is_held = state.positions[index].scaled_supply > 0
    require(is_held or regime.exact_health, action, "UnderlyingBalanceZero")
    if bitmap.is_collateral(state.user_configuration, reserve.id) == action.enabled:
        return state
    after = with_collateral_flag(state, reserve, value=action.enabled)
    if action.enabled:
        require(is_held, action, "UnderlyingBalanceZero")
        require(_can_be_collateral(state, reserve), action, "UserInIsolationModeOrLtvZero")
        return after
    require_healthy(after, action)
    require_no_stranded_zero_ltv(after, reserve, action)
    return after


def set_e_mode(state: AaveState, action: SetEMode) -> AaveState:
    """Return the state after `setUserEMode`; raises `Infeasible` as the pool reverts."""
    regime, category = REGIMES[state.market.regime], category_of(state, action.category)
    if (state.e_mode.id if state.e_mode else 0) == action.category:
        return state
    known = action.category == 0 or (category is not None and category.liquidation_threshold > 0)
    require(known, action, "InconsistentEModeCategory", category=action.category)
    for reason, reserve in _barred(state, category):
        require(False, action, reason, asset=reserve.asset.symbol, category=action.category)
    after = replace(state, e_mode=category)
    if state.e_mode is not None or not regime.stable_debt:
        require_healthy(after, action)
    return after


def category_of(state: AaveState, category: int) -> EMode | None:
    """Return a category that was read with the state, or after it; `None` for none of them."""
    known = (state.e_mode, *state.categories)
    return next((each for each in known if each is not None and each.id == category), None)


def e_mode_obstacles(state: AaveState, category: int) -> tuple[str, ...]:
    """Return in words, by asset, all that keeps an account out of a known category; of none with 0.

    Whether its health would suffice afterwards is another question.
    """
    words = {
        "InvalidDebtInEmode": "{} is owed and cannot be borrowed there",
        "InvalidCollateralInEmode": "{} is enabled as collateral and has a loan-to-value of zero there",
    }
    found = _barred(state, category_of(state, category))
    return tuple(words[reason].format(reserve.asset.symbol) for reason, reserve in found)


def is_enabled_at_once(state: AaveState, reserve: Reserve) -> bool:
    """Return whether a first supply becomes collateral by itself."""
    isolates = REGIMES[state.market.regime].isolates and bitmap.debt_ceiling(reserve.configuration) > 0
    return not isolates and _can_be_collateral(state, reserve)


def _can_be_collateral(state: AaveState, reserve: Reserve) -> bool:
    regime = REGIMES[state.market.regime]
    category = state.e_mode if regime.e_mode_decides_ltv else None
    if effective_loan_to_value(regime, category, reserve) == 0:
        return False
    enabled = [other for other in state.reserves if bitmap.is_collateral(state.user_configuration, other.id)]
    if not enabled or not regime.isolates:
        return True
    is_isolated = len(enabled) == 1 and bitmap.debt_ceiling(enabled[0].configuration) > 0
    return not is_isolated and bitmap.debt_ceiling(reserve.configuration) == 0


def _barred(state: AaveState, category: EMode | None) -> Iterator[tuple[str, Reserve]]:
    """Yield the contract's reason and the reserve, for all that keeps an account out of a category, `None` for none.

    Before 3.6 leaving is never barred, and collateral of any kind may stay.
    """
    regime = REGIMES[state.market.regime]
    for reserve in state.reserves:
        if bitmap.is_borrowing(state.user_configuration, reserve.id) and not _stays_borrowable(
            state, category, reserve
        ):
            yield "InvalidDebtInEmode", reserve
        if not regime.e_mode_decides_ltv or not bitmap.is_collateral(state.user_configuration, reserve.id):
            continue
        if effective_loan_to_value(regime, category, reserve) == 0:
            yield "InvalidCollateralInEmode", reserve


def _stays_borrowable(state: AaveState, category: EMode | None, reserve: Reserve) -> bool:
    if category is None:
        regime = REGIMES[state.market.regime]
        return not regime.e_mode_decides_ltv or bitmap.borrowing_enabled(reserve.configuration)
    if category.borrowable_bitmap is None:
        return bitmap.e_mode_category(reserve.configuration) == category.id
    return bool(category.borrowable_bitmap >> reserve.id & 1)
