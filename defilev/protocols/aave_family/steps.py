"""What all actions on an Aave v3 pool share: the reserve that they need, checks, and states with a part replaced."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

from defilev.errors import Infeasible
from defilev.model.plan import Action, Borrow, Repay, RepayWithSupply, SetCollateral, Supply, Withdraw
from defilev.protocols.aave_family import bitmap
from defilev.protocols.aave_family.math import (
    account_data,
    effective_loan_to_value,
    has_zero_ltv_collateral,
    normalized_debt,
    normalized_income,
)
from defilev.protocols.aave_family.regimes import REGIMES
from defilev.protocols.aave_family.state import AaveState, Position, Reserve
from defilev.units import WAD

__all__ = [
    "require",
    "require_healthy",
    "require_no_stranded_zero_ltv",
    "reserve_of",
    "with_collateral_flag",
    "with_liquidity",
    "with_position",
]

OneAsset: TypeAlias = Withdraw | Repay | Supply | Borrow | RepayWithSupply | SetCollateral

_WORDS = {
    "repay-with-supply": "repay with what is supplied",
    "set-collateral": "change what counts as collateral",
    "set-e-mode": "change the e-mode",
}


def reserve_of(state: AaveState, action: OneAsset) -> tuple[int, Reserve]:
    """Return the place of an action's reserve, and the reserve as the pool brings it up to date.

    Raises:
        Infeasible: the market does not list it, or it is inactive or paused.
    """
    try:
        index = state.index_of(action.asset.address)
    except KeyError:
        raise Infeasible(
            f"{action.asset.symbol} is not listed in {state.market.name}", fix="choose an asset of the market"
        ) from None
    reserve = state.reserves[index]
    require(bitmap.is_active(reserve.configuration), action, "ReserveInactive")
    require(not bitmap.is_paused(reserve.configuration), action, "ReservePaused")
    return index, accrued(state, reserve)


def accrued(state: AaveState, reserve: Reserve) -> Reserve:
    """Return the reserve with its indices stored at the state's time, as the pool does before it acts on it."""
    regime = REGIMES[state.market.regime]
    return replace(
        reserve,
        liquidity_index=normalized_income(reserve, at=state.at),
        variable_borrow_index=normalized_debt(regime, reserve, at=state.at),
        last_update=max(state.at, reserve.last_update),
    )


def with_position(state: AaveState, index: int, position: Position) -> AaveState:
    """Return the state with another position in the reserve at `index`."""
    positions = (*state.positions[:index], position, *state.positions[index + 1 :])
    return replace(state, positions=positions)


def with_liquidity(state: AaveState, index: int, change: int) -> AaveState:
    """Return the state with so much more to lend in the reserve at `index`, brought up to date."""
    reserve = accrued(state, state.reserves[index])
    reserve = replace(reserve, available_liquidity=reserve.available_liquidity + change)
    return replace(state, reserves=(*state.reserves[:index], reserve, *state.reserves[index + 1 :]))


def with_collateral_flag(state: AaveState, reserve: Reserve, *, value: bool) -> AaveState:
    """Return the state in which what is supplied to a reserve is collateral, or is not."""
    flags = bitmap.with_collateral(state.user_configuration, reserve.id, value=value)
    return replace(state, user_configuration=flags)


def require_healthy(state: AaveState, action: Action) -> None:
    """Raise `Infeasible` where the health factor lies below 1."""
    health_factor = account_data(state).health_factor
    healthy = health_factor is None or health_factor >= WAD
    require(healthy, action, "HealthFactorLowerThanLiquidationThreshold", health_factor=health_factor)


def require_no_stranded_zero_ltv(state: AaveState, reserve: Reserve, action: Action) -> None:
    """Raise `Infeasible` where collateral of zero LTV stays behind while other collateral leaves."""
    regime = REGIMES[state.market.regime]
    category = state.e_mode if regime.e_mode_decides_ltv else None
    own = effective_loan_to_value(regime, category, reserve)
    require(own == 0 or not has_zero_ltv_collateral(state), action, "LtvValidationFailed")


def require(holds: bool, action: Action, reason: str, **facts: object) -> None:  # noqa: FBT001 - reads as a sentence
    """Raise `Infeasible` with the contract's own name for its reason, unless `holds`."""
    if not holds:
        named = f" {action.asset.symbol}" if isinstance(action, Supply | Withdraw | Borrow | Repay) else ""
        raise Infeasible(
            f"the market would refuse to {_WORDS.get(action.kind, action.kind)}{named}: {reason}",
            fix="choose another amount or asset",
            reason=reason,
            **facts,
        )
