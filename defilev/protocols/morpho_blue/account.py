"""A Morpho Blue state as the account that everybody else understands."""

from __future__ import annotations

from dataclasses import replace

from defilev.model.account import Leg, LendingAccount, Notice, SelfCheck
from defilev.protocols.morpho_blue.math import (
    accrued,
    borrow_rate,
    borrowed,
    collateral_value,
    health_factor,
    incentive_factor,
    lent,
    liquidation_price,
    max_borrow,
)
from defilev.protocols.morpho_blue.state import AdaptiveCurve, FixedRate, MorphoState
from defilev.units import BPS, RAY, SECONDS_PER_YEAR, WAD, Bps, Ray, Wad, mul_div_down, to_decimal

__all__ = ["PROTOCOL_NAME", "account_from_state"]

PROTOCOL_NAME = "morpho-blue"

PREDICTED = SelfCheck("unchecked", "a predicted state: no contract has it yet")


def account_from_state(state: MorphoState, *, self_check: SelfCheck = PREDICTED) -> LendingAccount:
    """Return the account that `state` describes, valued in the loan token; the figures are the contract's."""
    value, most, owed = collateral_value(state), max_borrow(state), borrowed(state)
    health = health_factor(state)
    threshold = Bps(mul_div_down(state.market.params.lltv, BPS, WAD)) if value else None
    return LendingAccount(
        chain_id=state.chain_id,
        block=state.block,
        protocol=PROTOCOL_NAME,
        market=state.market.id,
        owner=state.owner,
        quote_decimals=state.market.loan.decimals,
        collateral_value=value,
        debt_value=owed,
        available_borrows=max(most - owed, 0),
        liquidation_threshold=threshold,
        loan_to_value=threshold,
        health_factor=None if health is None else Wad(health),
        contract_health_factor=None,
        self_check=self_check,
        legs=tuple(_legs(state)),
        details=_details(state),
        warnings=(*state.market.notices, *_unpriced(state)),
        state=state,
        quote=state.market.loan.symbol,
        market_label=state.market.label,
        deployment=state.market.deployment,
    )


def _legs(state: MorphoState) -> list[Leg]:
    market, position = state.market, state.position
    rate = borrow_rate(state)
    legs: list[Leg] = []
    if position.collateral and market.collateral and market.price:
        threshold = Bps(mul_div_down(market.params.lltv, BPS, WAD))
        value = collateral_value(state)
        pledged = Leg("supply", market.collateral, position.collateral, market.price, value, Ray(0))
        legs.append(replace(pledged, liquidation_threshold=threshold, loan_to_value=threshold, used_as_collateral=True))
    if amount := lent(state):
        legs.append(Leg("supply", market.loan, amount, market.loan_price, amount, _supply_rate(state, rate)))
    if owed := borrowed(state):
        yearly = Ray(rate * SECONDS_PER_YEAR * RAY // WAD)
        legs.append(Leg("borrow", market.loan, owed, market.loan_price, owed, yearly))
    return legs


def _supply_rate(state: MorphoState, rate: int) -> Ray:
    """Return what lending earns in a year, simple, in ray: the borrow rate on what is borrowed, less the fee."""
    totals = accrued(state).totals
    if not totals.supply_assets:
        return Ray(0)
    earned = mul_div_down(rate * SECONDS_PER_YEAR, totals.borrow_assets, totals.supply_assets)
    return Ray(mul_div_down(earned, RAY * (WAD - totals.fee), WAD * WAD))


def _unpriced(state: MorphoState) -> tuple[Notice, ...]:
    """Return a notice of collateral that has no value, since nobody can tell its price."""
    market, amount = state.market, state.position.collateral
    if market.collateral is None or market.price is not None or not amount:
        return ()
    held = f"{to_decimal(amount, market.collateral.decimals):f} {market.collateral.symbol}"
    oracle = market.params.oracle
    return (Notice("unpriced-collateral", f"{held} supplied here is in no figure: its oracle {oracle} gives no price"),)


def _details(state: MorphoState) -> tuple[tuple[str, str], ...]:
    market, now = state.market, accrued(state)
    position, totals = now.position, now.totals
    price = liquidation_price(state)
    return (
        ("morpho", market.morpho),
        ("loan_token", market.params.loan_token),
        ("collateral_token", market.params.collateral_token),
        ("oracle", market.params.oracle),
        ("rate_model", market.params.irm),
        ("rate_model_kind", _kind(state)),
        ("lltv_wad", str(market.params.lltv)),
        ("liquidation_incentive_wad", str(incentive_factor(market.params.lltv))),
        ("supply_shares", str(position.supply_shares)),
        ("borrow_shares", str(position.borrow_shares)),
        ("collateral", str(position.collateral)),
        ("total_supply_assets", str(totals.supply_assets)),
        ("total_borrow_assets", str(totals.borrow_assets)),
        ("oracle_price", "" if market.price is None else str(market.price.value)),
        ("liquidation_oracle_price", "" if price is None else str(price)),
    )


def _kind(state: MorphoState) -> str:
    match state.rates:
        case AdaptiveCurve():
            return "adaptive-curve"
        case FixedRate():
            return "other"
        case _:
            return "none"
