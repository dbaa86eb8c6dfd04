"""The no-trade band: how far leverage may drift before trading pays, and how far to trade back.

Impulse control with proportional and fixed cost. The deviation Δ from the target leverage L is locally driftless with
variance rate `α² = σ²L²(L−1)²`; being off costs `½γσ²Δ²` a year, trading |x| of leverage costs `c·|x| + k` of equity.
With `B = γ/(3L²(L−1)²)` the trigger h and the trade-to level b solve `B·b·h·(h+b) = c` and `(B/4)(h−b)³(h+b) = k`;
σ cancels. Local theory: constant parameters, small deviations; 13 % off when gas is 0.2 % of equity.

Sources: Janeček and Shreve 2004; Gerhold, Guasoni, Muhle-Karbe and Schachermayer 2014 (cube root, k = 0);
Altarovici, Muhle-Karbe and Soner 2015 (fourth root, c = 0).
"""

from __future__ import annotations

from dataclasses import dataclass

from defilev.optimize.arguments import above, at_least
from defilev.optimize.conversions import health_factor_to_leverage, leverage_to_health_factor

__all__ = [
    "LARGEST_FIXED_COST",
    "Band",
    "HealthBand",
    "band_below",
    "band_cost_rate",
    "no_trade_band",
    "trades_per_year",
    "with_reaction",
]

LARGEST_FIXED_COST = 1e-3
"""Gas as a share of equity above which the theory is off, and the position too small to manage."""

_NEWTON_STEPS = 60
_NEGLIGIBLE = 1e-90
_CEILING_BISECTIONS = 80


@dataclass(frozen=True, slots=True)
class HealthBand:
    """The four levels as health factors, from low (danger) to high; `None` where nothing would be owed."""

    trigger_low: float | None
    trade_to_low: float | None
    trade_to_high: float | None
    trigger_high: float | None


@dataclass(frozen=True, slots=True)
class Band:
    """The four levels in leverage, from low to high: below `trigger_low` trade to `trade_to_low`, and so above."""

    trigger_low: float
    trade_to_low: float
    trade_to_high: float
    trigger_high: float

    def to_health_factors(self, liquidation_threshold: float) -> HealthBand:
        """Return the levels as health factors; health falls with leverage, so the order is turned round.

        A level of leverage at or below 1 becomes `None`: there is no trigger on that side.
        """
        return HealthBand(
            *(
                leverage_to_health_factor(level, liquidation_threshold)
                for level in (self.trigger_high, self.trade_to_high, self.trade_to_low, self.trigger_low)
            )
        )


def no_trade_band(leverage: float, risk_aversion: float, proportional_cost: float, fixed_cost: float) -> Band:
    """Return the optimal band around a target `leverage`.

    Args:
        leverage: the target, above zero; at exactly 1 the band has no width, since nothing drifts.
        risk_aversion: γ; 1 maximises log growth.
        proportional_cost: fee, slippage and premium per unit of value traded, one way.
        fixed_cost: gas of a rebalance as a share of equity.

    Raises:
        InvalidNumber: a leverage or risk aversion of zero or less, a negative cost, or a NaN.
    """
    inner, outer = _half_widths(
        above(leverage, 0, what="leverage"),
        above(risk_aversion, 0, what="risk aversion"),
        at_least(proportional_cost, 0, what="proportional cost"),
        at_least(fixed_cost, 0, what="fixed cost"),
    )
    return Band(leverage - outer, leverage - inner, leverage + inner, leverage + outer)


def band_below(ceiling: float, risk_aversion: float, proportional_cost: float, fixed_cost: float) -> Band:
    """Return the band whose upper trigger is `ceiling`, a leverage above 1; its trade-to level lies inside the ceiling.

    Its centre is found by bisection: trigger and centre rise together. Raises `InvalidNumber` as `no_trade_band`.
    """
    low, high = 1.0, above(ceiling, 1, what="ceiling")
    for _ in range(_CEILING_BISECTIONS):
        middle = (low + high) / 2
        above_it = no_trade_band(middle, risk_aversion, proportional_cost, fixed_cost).trigger_high > ceiling
        low, high = (low, middle) if above_it else (middle, high)
    found = no_trade_band(low, risk_aversion, proportional_cost, fixed_cost)
    return Band(found.trigger_low, found.trade_to_low, min(found.trade_to_high, ceiling), ceiling)


def band_cost_rate(leverage: float, volatility: float, risk_aversion: float, band: Band) -> float:
    """Return what drifting inside `band` and trading at its ends cost in log growth per year: `½α²B(h² + hb + b²)`.

    Zero at a leverage of exactly 1. Raises `InvalidNumber` for a negative volatility.
    """
    inner, outer = band.trade_to_high - leverage, band.trigger_high - leverage
    variance = at_least(volatility, 0, what="volatility") ** 2
    return variance * risk_aversion / 6 * (outer * outer + outer * inner + inner * inner)


def trades_per_year(leverage: float, volatility: float, band: Band) -> float | None:
    """Return about how often the band is left, `α²/(h² − b²)`; half of it on the danger side. ±15 %.

    `None` without a fixed cost: then trades are infinitely small and many.
    """
    inner, outer = band.trade_to_high - leverage, band.trigger_high - leverage
    if leverage == 1:
        return 0.0
    if outer * outer <= inner * inner:
        return None
    return (volatility * leverage * (leverage - 1)) ** 2 / (outer * outer - inner * inner)


def with_reaction(band: HealthBand, reaction: float | None, liquidation_threshold: float) -> HealthBand:
    """Return `band` with a danger side no lower than `reaction`, the health factor that leaves time to react.

    The trade-to level rises by what is needed to stay as far above the trigger, in leverage, as it was.
    `None` for `reaction` leaves the band alone.
    """
    if reaction is None or band.trigger_low is None or reaction <= band.trigger_low:
        return band
    trade_to = band.trade_to_low
    if trade_to is not None:
        distance = health_factor_to_leverage(band.trigger_low, liquidation_threshold) - health_factor_to_leverage(
            trade_to, liquidation_threshold
        )
        moved = health_factor_to_leverage(reaction, liquidation_threshold) - distance
        raised = leverage_to_health_factor(moved, liquidation_threshold)
        trade_to = None if raised is None else max(trade_to, raised)
    high = None if band.trade_to_high is None or trade_to is None else max(band.trade_to_high, trade_to)
    upper = None if band.trigger_high is None or high is None else max(band.trigger_high, high)
    return HealthBand(reaction, trade_to, high, upper)


def _half_widths(leverage: float, risk_aversion: float, proportional: float, fixed: float) -> tuple[float, float]:
    """Return (b, h). With u = h−b and v = h+b: `u³v = 4k/B` and `v(v²−u²) = 4c/B`; u = t·(4k/B)^¼ leaves t alone."""
    inverse = 3 * (leverage * (leverage - 1)) ** 2 / risk_aversion
    if not inverse:
        return 0.0, 0.0
    unit = (4 * fixed * inverse) ** 0.25
    if unit < _NEGLIGIBLE:
        half = (proportional * inverse / 2) ** (1 / 3)
        return half, half
    share = _root(4 * proportional * inverse / unit**3)
    narrow, wide = unit * share, unit / share**3
    return max((wide - narrow) / 2, 0.0), (wide + narrow) / 2


def _root(weight: float) -> float:
    """Return the root in (0, 1] of `1 − t⁸ − weight·t⁹`, decreasing and concave: Newton from the right converges."""
    share = min(1.0, weight ** (-1 / 9)) if weight else 1.0
    for _ in range(_NEWTON_STEPS):
        step = (1 - share**8 - weight * share**9) / (8 * share**7 + 9 * weight * share**8)
        share += step
        if abs(step) <= 1e-16 * share:
            break
    return share
