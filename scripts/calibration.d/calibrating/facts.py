"""What the histories are like: volatility by estimator, worst moves, jumps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import kurtosis

from calibrating.sample import Asset
from defilev.model.history import PriceHistory
from defilev.risk.series import daily_returns, gaps, log_returns
from defilev.risk.volatility import close_to_close, garman_klass, parkinson, rogers_satchell, yang_zhang

JUMP_SIGMAS = 5.0
JUMP_DECAY = 0.97
HOURS = 8760.0


@dataclass(frozen=True, slots=True)
class Facts:
    """Volatilities per √year over the whole file, extremes as log returns, and five-sigma hours."""

    name: str
    candles: int
    days: float
    missing_hours: int
    close: float
    daily: float
    parkinson: float
    garman_klass: float
    rogers_satchell: float
    yang_zhang: float
    hourly_kurtosis: float
    worst_hour: float
    worst_six_hours: float
    worst_day: float
    jumps_per_year: float
    up_share: float
    mean_up: float
    mean_down: float
    jump_variance_share: float


def facts(asset: Asset) -> Facts:
    history, hourly = asset.history, log_returns(asset.history)
    daily = daily_returns(history).value
    up, down = _jumps(hourly)
    years = len(hourly) / HOURS
    jumps = np.concatenate([up, down])
    return Facts(
        name=asset.name,
        candles=len(history),
        days=history.days,
        missing_hours=sum(gap.seconds for gap in gaps(history)) // 3600,
        close=close_to_close(history),
        daily=float(np.sqrt(365 * (daily**2).mean())),
        parkinson=parkinson(history),
        garman_klass=garman_klass(history),
        rogers_satchell=rogers_satchell(history),
        yang_zhang=yang_zhang(history),
        hourly_kurtosis=float(kurtosis(hourly)),
        worst_hour=float(hourly.min()),
        worst_six_hours=_worst(history, hours=6),
        worst_day=float(daily.min()),
        jumps_per_year=len(jumps) / years,
        up_share=len(up) / len(jumps),
        mean_up=float(up.mean()),
        mean_down=float(down.mean()),
        jump_variance_share=float((jumps**2).sum() / (hourly**2).sum()),
    )


def _worst(history: PriceHistory, *, hours: int) -> float:
    """The deepest log return between two closes so many hours apart; none crosses a gap."""
    whole = history.opens_at[hours:] - history.opens_at[:-hours] == hours * 3600
    return float(np.log(history.close[hours:] / history.close[:-hours])[whole].min())


def _jumps(hourly: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hours beyond five times the EWMA volatility of the hours before them."""
    variance, jumps = float((hourly[:500] ** 2).mean()), []
    for value in hourly:
        if value**2 > JUMP_SIGMAS**2 * variance:
            jumps.append(float(value))
        variance = JUMP_DECAY * variance + (1 - JUMP_DECAY) * float(value) ** 2
    found = np.array(jumps)
    return found[found > 0], found[found < 0]
