"""An Aave v3 state as the account that everybody else understands."""

from __future__ import annotations

from defilev.model.account import Leg, LendingAccount, SelfCheck
from defilev.protocols.aave_family import bitmap
from defilev.protocols.aave_family.math import (
    AccountData,
    account_data,
    counted_price,
    debt_balance,
    effective_loan_to_value,
    effective_threshold,
    supply_balance,
)
from defilev.protocols.aave_family.regimes import REGIMES
from defilev.protocols.aave_family.state import AaveState
from defilev.units import Bps, Ray, Wad, mul_div_down, mul_div_up

__all__ = ["account_from_state"]

PREDICTED = SelfCheck("unchecked", "a predicted state: no contract has it yet")


def account_from_state(
    state: AaveState, *, self_check: SelfCheck = PREDICTED, contract_health_factor: int | None = None
) -> LendingAccount:
    """Return the account that `state` describes; the figures are the contract's to the last digit."""
    data = account_data(state)
    legs = [*_supplies(state), *_borrows(state)]
    return LendingAccount(
        chain_id=state.chain_id,
        block=state.block,
        protocol=state.market.protocol,
        market=state.market.name,
        owner=state.owner,
        quote_decimals=len(str(state.market.base_unit)) - 1,
        collateral_value=data.collateral,
        debt_value=data.debt,
        available_borrows=data.available_borrows,
        liquidation_threshold=Bps(data.liquidation_threshold) if data.collateral else None,
        loan_to_value=Bps(data.loan_to_value) if data.collateral else None,
        health_factor=_wad(data),
        contract_health_factor=None if contract_health_factor is None else Wad(contract_health_factor),
        self_check=self_check,
        legs=tuple(legs),
        details=_details(state),
        warnings=(),
        state=state,
    )


def _wad(data: AccountData) -> Wad | None:
    return None if data.health_factor is None else Wad(data.health_factor)


def _supplies(state: AaveState) -> list[Leg]:
    regime = REGIMES[state.market.regime]
    legs = []
    for index, reserve in enumerate(state.reserves):
        price = counted_price(state, reserve)
        if not state.positions[index].scaled_supply or price is None:
            continue
        amount = supply_balance(state, index)
        leg = Leg(
            side="supply",
            asset=reserve.asset,
            amount=amount,
            price=price,
            value=mul_div_down(amount, price.value, 10**reserve.asset.decimals),
            rate=Ray(reserve.liquidity_rate),
            liquidation_threshold=Bps(effective_threshold(state.e_mode, reserve)),
            loan_to_value=Bps(effective_loan_to_value(regime, state.e_mode, reserve)),
            used_as_collateral=bitmap.is_collateral(state.user_configuration, reserve.id),
        )
        legs.append(leg)
    return legs


def _borrows(state: AaveState) -> list[Leg]:
    divide = mul_div_up if REGIMES[state.market.regime].exact_health else mul_div_down
    legs = []
    for index, reserve in enumerate(state.reserves):
        price = counted_price(state, reserve)
        if not bitmap.is_borrowing(state.user_configuration, reserve.id) or price is None:
            continue
        amount = debt_balance(state, index)
        if not amount:
            continue
        value = divide(amount, price.value, 10**reserve.asset.decimals)
        legs.append(Leg("borrow", reserve.asset, amount, price, value, Ray(reserve.variable_borrow_rate)))
    return legs


def _details(state: AaveState) -> tuple[tuple[str, str], ...]:
    market = state.market
    category = state.e_mode
    return (
        ("pool", market.pool),
        ("oracle", market.oracle),
        ("revision", str(market.revision)),
        ("rules", market.regime),
        ("e_mode", str(category.id if category else 0)),
        ("e_mode_label", category.label if category else ""),
    )
