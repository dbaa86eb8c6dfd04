"""What a liquidation of an Aave v3 account takes: the bonus on its collateral, and the share of the debt repaid."""

from __future__ import annotations

from decimal import Decimal

from defilev.model.account import LendingAccount
from defilev.model.target_inputs import Penalty
from defilev.protocols.aave_family import bitmap
from defilev.protocols.aave_family.regimes import REGIMES
from defilev.protocols.aave_family.state import AaveState, EMode, Reserve
from defilev.units import BPS

__all__ = ["penalty_of"]

SMALL = 2_000
"""Quote units of debt or collateral below which all is liquidated at once: `MIN_BASE_MAX_CLOSE_FACTOR_THRESHOLD`."""

HALF = Decimal("0.5")


def penalty_of(account: LendingAccount) -> Penalty | None:
    """Return what a liquidation at a health factor just below 1 takes; `None` without collateral."""
    state: AaveState = account.state
    by_asset = {reserve.asset.address: reserve for reserve in state.reserves}
    held = [leg for leg in account.legs if leg.side == "supply" and leg.used_as_collateral and leg.value]
    total = sum(leg.value for leg in held)
    if not total:
        return None
    weighted = sum(leg.value * (_bonus(state.e_mode, by_asset[leg.asset.address]) - BPS) for leg in held)
    return Penalty(Decimal(weighted) / (total * BPS), _close_factor(account, state))


def _bonus(e_mode: EMode | None, reserve: Reserve) -> int:
    if e_mode is not None and _in_category(e_mode, reserve):
        return e_mode.liquidation_bonus
    return bitmap.liquidation_bonus(reserve.configuration)


def _in_category(category: EMode, reserve: Reserve) -> bool:
    if category.collateral_bitmap is not None:
        return bool(category.collateral_bitmap >> reserve.id & 1)
    return bitmap.e_mode_category(reserve.configuration) == category.id


def _close_factor(account: LendingAccount, state: AaveState) -> Decimal:
    small = SMALL * 10**account.quote_decimals
    whole = list(REGIMES).index(state.market.regime) >= list(REGIMES).index("3.3")
    return Decimal(1) if whole and min(account.debt_value, account.collateral_value) < small else HALF
