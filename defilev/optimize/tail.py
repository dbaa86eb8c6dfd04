"""Conditional value at risk of a fixed-debt position that is not liquidated on the way."""

from __future__ import annotations

from math import exp, sqrt
from statistics import NormalDist

from defilev.optimize.arguments import above, at_least, finite, open_unit

__all__ = ["conditional_value_at_risk", "leverage_for_loss"]

_BISECTIONS = 60
_HIGHEST_LEVERAGE = 1000.0


def conditional_value_at_risk(
    leverage: float,
    volatility: float,
    horizon: float,
    *,
    level: float = 0.95,
    expected_return: float = 0.0,
    supply_rate: float = 0.0,
    borrow_rate: float = 0.0,
) -> float:
    """Return the mean loss, as a share of equity, in the worst 1 − `level` of outcomes after `horizon` years.

    `1 + (L−1)e^{bT} − Le^{(μ+s)T}·Φ(z_{1−α} − σ√T)/(1−α)`: lognormal prices, debt fixed, no liquidation on the way,
    losses beyond equity counted in full.

    Raises:
        InvalidNumber: a level outside (0, 1), a horizon of zero or less, a negative volatility, or a NaN.
    """
    spread = at_least(volatility, 0, what="volatility") * sqrt(above(horizon, 0, what="horizon"))
    tail = 1 - open_unit(level, what="level")
    growth = exp((finite(expected_return, what="expected return") + supply_rate) * horizon)
    normal = NormalDist()
    owed = (finite(leverage, what="leverage") - 1) * exp(finite(borrow_rate, what="borrow rate") * horizon)
    return 1 + owed - leverage * growth * normal.cdf(normal.inv_cdf(tail) - spread) / tail


def leverage_for_loss(budget: float, volatility: float, horizon: float, *, level: float = 0.95) -> float:
    """Return the highest leverage, at most 1000, whose conditional value at risk (rates zero) is within `budget`."""
    low, high = 0.0, _HIGHEST_LEVERAGE
    open_unit(budget, what="loss budget")
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        within = conditional_value_at_risk(middle, volatility, horizon, level=level) <= budget
        low, high = (middle, high) if within else (low, middle)
    return low
