"""Positions, markets and preferences for tests of the optimizer; what is not said is that of a worked example."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from defilev.model.multipliers import HorizonMultipliers, MultiplierTable
from defilev.model.target_inputs import Jumps, Position, RiskMarket
from defilev.risk.first_passage import jumps_for_volatility
from tests.factories import BLOCK, OWNER

__all__ = ["TABLE", "a_market", "a_position", "a_still_market"]


def _row(days: float, *multipliers: float) -> HorizonMultipliers:
    return HorizonMultipliers(days, (0.0, *multipliers), (0.0,) * 4, windows=1000, independent_windows=100)


TABLE = MultiplierTable(
    name="example",
    asset_class="major",
    assets=("ETH", "BTC"),
    estimator="half EWMA, half long-run",
    first_day="2019-12-01",
    last_day="2024-01-31",
    derived_on="2024-02-01",
    probabilities=(1.0, 0.05, 0.01, 0.001),
    horizons=(_row(1, 1.95, 3.97, 6.51), _row(7, 2.13, 3.76, 4.93), _row(30, 2.21, 2.82, 3.07)),
)
"""Quantiles of ETH and BTC hourly data, 2019-12 to 2024-01."""


def a_position(**changes: Any) -> Position:
    """40 ETH at $3,000 against 72,000 USDC: 2.5×, threshold 0.83, supply 1.8 %, borrow 5.4 %."""
    usual = Position(
        chain_id=1,
        block=BLOCK,
        protocol="aave-v3",
        market="main",
        owner=OWNER,
        collateral_value=Decimal(120_000),
        debt_value=Decimal(72_000),
        health_factor=120_000 * 0.83 / 72_000,
        liquidation_threshold=0.83,
        loan_to_value=0.805,
        supply_rate=0.018,
        borrow_rate=0.054,
        side="long",
        risky_asset="ETH",
        collateral_asset="WETH",
        debt_asset="USDC",
        liquidation_bonus=0.05,
    )
    changed = replace(usual, **changes)
    if {"collateral_value", "debt_value", "liquidation_threshold"} & set(changes) and "health_factor" not in changes:
        capacity = float(changed.collateral_value) * changed.liquidation_threshold
        health = capacity / float(changed.debt_value) if changed.debt_value else None
        changed = replace(changed, health_factor=health)
    return changed


def a_market(volatility: float = 0.68, **changes: Any) -> RiskMarket:
    """A market with the shipped jumps at `volatility` and the example's multipliers."""
    kou = jumps_for_volatility(volatility)
    usual = RiskMarket(
        volatility=volatility,
        exposure_volatility=volatility,
        drift=-0.5 * volatility**2,
        method="stated",
        jumps=Jumps(kou.intensity, kou.up_share, mean_up=1 / kou.up_rate, mean_down=1 / kou.down_rate),
        table=TABLE,
    )
    return replace(usual, **changes)


def a_still_market() -> RiskMarket:
    """The market of a correlated pair: nothing moves health but rates."""
    return RiskMarket(volatility=0.0, exposure_volatility=0.0, drift=0.0, method="stated")
