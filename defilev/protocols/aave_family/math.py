"""The arithmetic of Aave v3, wei-exact in every release from 3.0 to 3.7; pure integers.

Sources: `MathUtils`, `ReserveLogic`, `GenericLogic.calculateUserAccountData`, `TokenMath` of the release that each
`Regime` names.
"""

from __future__ import annotations

from dataclasses import dataclass

from defilev.model.account import Price
from defilev.protocols.aave_family import bitmap
from defilev.protocols.aave_family.regimes import REGIMES, Regime, ray_mul_half_up
from defilev.protocols.aave_family.state import AaveState, EMode, Reserve
from defilev.units import BPS, RAY, SECONDS_PER_YEAR, WAD, mul_div_down, mul_div_half_up, mul_div_up

__all__ = [
    "AccountData",
    "account_data",
    "counted_price",
    "debt_balance",
    "effective_loan_to_value",
    "effective_threshold",
    "has_zero_ltv_collateral",
    "is_member",
    "normalized_debt",
    "normalized_income",
    "price_of",
    "supply_balance",
]


@dataclass(frozen=True, slots=True)
class AccountData:
    """What `Pool.getUserAccountData` returns, in its order; values in base currency units, ratios in bps.

    `health_factor` is wad, and `None` where the contract returns the largest integer: nothing is owed.
    """

    collateral: int
    debt: int
    available_borrows: int
    liquidation_threshold: int
    loan_to_value: int
    health_factor: int | None


def normalized_income(reserve: Reserve, *, at: int) -> int:
    """Return the liquidity index (ray) accrued linearly to the Unix time `at`: `getReserveNormalizedIncome`."""
    elapsed = at - reserve.last_update
    if elapsed <= 0:
        return reserve.liquidity_index
    growth = RAY + reserve.liquidity_rate * elapsed // SECONDS_PER_YEAR
    return ray_mul_half_up(growth, reserve.liquidity_index)


def normalized_debt(regime: Regime, reserve: Reserve, *, at: int) -> int:
    """Return the borrow index (ray) compounded to the Unix time `at`: `getReserveNormalizedVariableDebt`."""
    elapsed = at - reserve.last_update
    if elapsed <= 0:
        return reserve.variable_borrow_index
    return ray_mul_half_up(regime.compound(reserve.variable_borrow_rate, elapsed), reserve.variable_borrow_index)


def supply_balance(state: AaveState, index: int) -> int:
    """Return the aToken balance in base units of the reserve at `index`, rounded as its release does."""
    regime = REGIMES[state.market.regime]
    scaled = state.positions[index].scaled_supply
    return regime.supply_balance(scaled, normalized_income(state.reserves[index], at=state.at), RAY)


def debt_balance(state: AaveState, index: int) -> int:
    """Return the variable and stable debt in base units of the reserve at `index`, rounded as its release does."""
    regime = REGIMES[state.market.regime]
    position = state.positions[index]
    borrow_index = normalized_debt(regime, state.reserves[index], at=state.at)
    variable = regime.debt_balance(position.scaled_debt, borrow_index, RAY)
    return variable + position.stable_debt


def counted_price(state: AaveState, reserve: Reserve) -> Price | None:
    """Return the price that counts for this account: the reserve's, or that of its old e-mode category."""
    category = state.e_mode
    if category is not None and category.price is not None and _in_category(category, reserve):
        return category.price
    return reserve.price


def price_of(state: AaveState, reserve: Reserve) -> int:
    """Return the value of the price that counts for this account; 0 for none."""
    price = counted_price(state, reserve)
    return price.value if price is not None else 0


def effective_threshold(e_mode: EMode | None, reserve: Reserve) -> int:
    """Return the liquidation threshold in bps that counts for an account in `e_mode`."""
    if e_mode is not None and _in_category(e_mode, reserve):
        return e_mode.liquidation_threshold
    return bitmap.liquidation_threshold(reserve.configuration)


def effective_loan_to_value(regime: Regime, e_mode: EMode | None, reserve: Reserve) -> int:
    """Return the LTV in bps that counts for an account in `e_mode`; zero forbids borrowing against it."""
    own = bitmap.loan_to_value(reserve.configuration)
    if e_mode is None:
        return own
    inside = _in_category(e_mode, reserve)
    if not regime.e_mode_decides_ltv:
        return e_mode.loan_to_value if inside and own != 0 else own
    if inside:
        return 0 if e_mode.ltv_zero_bitmap >> reserve.id & 1 else e_mode.loan_to_value
    return 0 if e_mode.isolated else own


def has_zero_ltv_collateral(state: AaveState) -> bool:
    """Return whether an enabled collateral has LTV zero: then no other may leave while debt exists."""
    return any(ltv == 0 for _, _, ltv in _collateral(state))


def account_data(state: AaveState) -> AccountData:
    """Return the account's figures at `state.at`, to the last digit of `Pool.getUserAccountData`."""
    if state.user_configuration == 0:
        return AccountData(0, 0, 0, 0, 0, None)
    regime = REGIMES[state.market.regime]
    collateral = list(_collateral(state))
    total = sum(value for value, _, _ in collateral)
    weighted_threshold = sum(value * threshold for value, threshold, _ in collateral)
    weighted_ltv = sum(value * ltv for value, _, ltv in collateral)
    threshold = weighted_threshold // total if total else 0
    ltv = weighted_ltv // total if total else 0
    debt = sum(_debt_values(state))
    capacity = mul_div_down if regime.exact_health else mul_div_half_up
    return AccountData(
        collateral=total,
        debt=debt,
        available_borrows=max(capacity(total, ltv, BPS) - debt, 0),
        liquidation_threshold=threshold,
        loan_to_value=ltv,
        health_factor=_health_factor(regime, total, threshold, weighted_threshold, debt),
    )


def _health_factor(regime: Regime, collateral: int, threshold: int, weighted_threshold: int, debt: int) -> int | None:
    if debt == 0:
        return None
    if regime.exact_health:
        return mul_div_half_up(weighted_threshold, WAD, debt) // BPS
    return mul_div_half_up(mul_div_half_up(collateral, threshold, BPS), WAD, debt)


def _collateral(state: AaveState) -> list[tuple[int, int, int]]:
    """Return (value, threshold, LTV) of each enabled collateral that the contract counts."""
    regime = REGIMES[state.market.regime]
    counted = []
    for index, reserve in enumerate(state.reserves):
        if not bitmap.is_collateral(state.user_configuration, reserve.id):
            continue
        if bitmap.liquidation_threshold(reserve.configuration) == 0 and not regime.counts_zero_threshold:
            continue
        amount = supply_balance(state, index)
        value = mul_div_down(amount, price_of(state, reserve), 10**reserve.asset.decimals)
        threshold = effective_threshold(state.e_mode, reserve)
        counted.append((value, threshold, effective_loan_to_value(regime, state.e_mode, reserve)))
    return counted


def _debt_values(state: AaveState) -> list[int]:
    divide = mul_div_up if REGIMES[state.market.regime].exact_health else mul_div_down
    return [
        divide(debt_balance(state, index), price_of(state, reserve), 10**reserve.asset.decimals)
        for index, reserve in enumerate(state.reserves)
        if bitmap.is_borrowing(state.user_configuration, reserve.id)
    ]


def _in_category(category: EMode, reserve: Reserve) -> bool:
    if category.collateral_bitmap is not None:
        return bool(category.collateral_bitmap >> reserve.id & 1)
    return bitmap.e_mode_category(reserve.configuration) == category.id


def is_member(category: EMode, reserve: Reserve) -> bool:
    """Return whether a reserve belongs to a category, as collateral or as debt."""
    can_be_owed = bool((category.borrowable_bitmap or 0) >> reserve.id & 1)
    return can_be_owed or _in_category(category, reserve)
