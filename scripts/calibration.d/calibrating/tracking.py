"""What it would have meant to borrow, every day anew, all that a budget of 1 % for a week allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from calibrating.predict import table_by_year
from calibrating.sample import STUDY_FIRST, Asset
from defilev.risk.first_passage import (
    LiquidationTerms,
    calibrated_health_factor_for_probability,
    health_factor_for_probability,
)

BUDGET, WEEK = 0.01, 7 / 365
TERMS = LiquidationTerms(0.83, 0.05, 0.5)
"""WETH on Aave v3: threshold, bonus and close factor."""

Policy = Callable[[int], float | None]
"""From a row of the daily variances to the health factor held; `None` for no debt."""


@dataclass(frozen=True, slots=True)
class Tracked:
    """Equity at the end over that at the start, deepest fall from a peak, mean leverage, and liquidations."""

    asset: str
    policy: str
    growth: float
    drawdown: float
    leverage: float
    liquidations: int


def tracked(assets: Sequence[Asset]) -> list[Tracked]:
    """Every asset under every policy from 2019 on; no fees and no interest, which flatters those that borrow."""
    by_year = table_by_year(assets, 7)
    rows = []
    for asset in assets:

        def lognormal(row: int, asset: Asset = asset) -> float:
            sigma = float(asset.blend[row])
            return health_factor_for_probability(BUDGET, sigma, WEEK, -0.5 * sigma**2)

        def calibrated(row: int, asset: Asset = asset) -> float:
            table = by_year(int(asset.daily.day[row]))
            return calibrated_health_factor_for_probability(BUDGET, float(asset.blend[row]), WEEK, table=table)

        rows.append(_walk(asset, "held, no debt", lambda _: None))
        rows.append(_walk(asset, "at the lognormal ceiling", lognormal))
        rows.append(_walk(asset, "at the calibrated ceiling", calibrated))
    return rows


def _walk(asset: Asset, name: str, policy: Policy) -> Tracked:
    windows = asset.windows(1)
    equity, peak, drawdown, liquidations, held = 1.0, 1.0, 0.0, 0, []
    for row, day, fall in zip(windows.row, windows.day, windows.fall, strict=True):
        if day < STUDY_FIRST:
            continue
        health = policy(int(row))
        leverage = 1.0 if health is None else health / (health - TERMS.liquidation_threshold)
        held.append(leverage)
        if health is not None and fall >= np.log(health):
            liquidations += 1
            equity *= max(1 - leverage * (1 - 1 / health) - _penalty(leverage), 0.0)
        else:
            equity *= max(1 + leverage * _next_move(asset, int(day)), 0.0)
        peak = max(peak, equity)
        drawdown = max(drawdown, 1 - equity / peak)
    return Tracked(asset.name, name, equity, drawdown, float(np.mean(held)), liquidations)


def _penalty(leverage: float) -> float:
    return TERMS.liquidation_bonus * TERMS.close_factor * (leverage - 1)


def _next_move(asset: Asset, day: int) -> float:
    """The relative move from the day's last close to the next day's."""
    history = asset.history
    last = int(np.searchsorted(history.opens_at, (day + 1) * 86_400 - history.interval))
    return float(history.close[last + 24] / history.close[last] - 1)
