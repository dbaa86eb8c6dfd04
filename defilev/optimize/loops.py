"""Collateral and debt that move together: their risks are rates, a depeg, a cut threshold and the cost of leaving."""

from __future__ import annotations

from math import exp

from defilev.model.target import Exit, LoopRisk
from defilev.optimize.outlook import DAYS_PER_YEAR, Case
from defilev.risk.first_passage import interest_only_years

__all__ = ["SPIKE_DAYS", "SPIKE_RATE", "THRESHOLD_CUT", "loop_risk", "spike_health_factor", "surviving_health_factor"]

SPIKE_RATE = 0.80
"""A yearly borrow rate that has been seen for days when a pool was emptied."""

SPIKE_DAYS = 5.0
THRESHOLD_CUT = 0.05
DISCOUNTS = (0.002, 0.01, 0.05)


def loop_risk(case: Case, leverage: float) -> LoopRisk:
    """Return the risks of holding `leverage` in terms of what can hurt such a position."""
    position = case.position
    health = position.health_factor if leverage == position.leverage else case.health_factor(leverage)
    rate = case.borrow_rate(leverage)
    debt = max(leverage - 1, 0.0)
    loan_to_value = 0.0 if leverage <= 0 else debt / leverage
    return LoopRisk(
        interest_days=_days(health, position.supply_rate, rate),
        capped_days=_days(health, position.supply_rate - position.stated_yield, rate),
        spike_rate=SPIKE_RATE,
        spike_days=SPIKE_DAYS,
        spike_health=None if health is None else health / spike_health_factor(position.supply_rate),
        depeg=None if health is None else 1 / health - 1,
        market_priced=position.market_priced,
        threshold_cut=position.liquidation_threshold - loan_to_value,
        exits=tuple(Exit(discount, discount / (1 - discount) * debt) for discount in DISCOUNTS),
    )


def spike_health_factor(supply_rate: float) -> float:
    """Return the health factor that a spike of the borrow rate brings down to 1: `exp((b−s)T)`."""
    return exp((SPIKE_RATE - supply_rate) * SPIKE_DAYS / DAYS_PER_YEAR)


def surviving_health_factor(liquidation_threshold: float) -> float:
    """Return the health factor that a cut of the threshold by `THRESHOLD_CUT` brings down to 1; `ℓ/(ℓ − cut)`."""
    return liquidation_threshold / max(liquidation_threshold - THRESHOLD_CUT, THRESHOLD_CUT)


def _days(health: float | None, supply_rate: float, borrow_rate: float) -> float | None:
    years = None if health is None else interest_only_years(health, supply_rate, borrow_rate)
    return None if years is None else years * DAYS_PER_YEAR
