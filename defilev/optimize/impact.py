"""Selling moves the price: sizing a sale with permanent impact, where selling stops helping, waiting, and chunks.

Amounts are in quote units. C collateral, D debt, ℓ liquidation threshold, H the health factor wanted, c proportional
cost, ι relative fall of the oracle's price per unit sold.
"""

from __future__ import annotations

from math import sqrt

from defilev.errors import Infeasible
from defilev.optimize.arguments import above, at_least, finite, open_unit

__all__ = [
    "chunk_cost",
    "chunks",
    "constant_product_slippage",
    "cost_of_waiting",
    "critical_impact",
    "sale_for_health_factor",
]

DAYS_PER_YEAR = 365.0


def sale_for_health_factor(
    collateral: float,
    debt: float,
    liquidation_threshold: float,
    health_factor: float,
    *,
    proportional_cost: float = 0.0,
    impact: float = 0.0,
) -> float:
    """Return what must be sold, and its proceeds repaid, for health to become `health_factor`; 0 when it is there.

    Solves `ℓ(C−x)(1−ιx) = H(D−(1−c)x)`; with ι = 0, `x = (HD−ℓC)/(H(1−c)−ℓ)`.

    Raises:
        InvalidNumber: an argument outside its range.
        Infeasible: no sale of at most the whole collateral gets there.
    """
    threshold = open_unit(liquidation_threshold, what="liquidation threshold")
    kept = 1 - at_least(proportional_cost, 0, what="proportional cost")
    missing = above(health_factor, 0, what="health factor") * at_least(debt, 0, what="debt") - threshold * collateral
    if missing <= 0:
        return 0.0
    square = threshold * at_least(impact, 0, what="impact")
    linear = health_factor * kept - threshold - square * above(collateral, 0, what="collateral")
    discriminant = linear * linear + 4 * square * missing
    sale = 2 * missing / (linear + sqrt(discriminant)) if linear + sqrt(discriminant) > 0 else collateral * 2
    if sale > collateral or kept * sale > debt:
        raise Infeasible(
            "selling cannot reach that health factor: what each sale frees is less than what it costs",
            fix="repay from the wallet, or ask for a lower health factor",
        )
    return sale


def critical_impact(
    collateral: float, liquidation_threshold: float, health_factor: float, *, proportional_cost: float = 0.0
) -> float:
    """Return the impact from which on the first unit sold lowers health, `(H₀(1−c)/ℓ − 1)/C`; H₀ is health now.

    There a deleveraging spirals: repay from the wallet instead. Negative when selling at cost c never helps.
    """
    threshold = open_unit(liquidation_threshold, what="liquidation threshold")
    ratio = above(health_factor, 0, what="health factor") * (1 - finite(proportional_cost, what="proportional cost"))
    return (ratio / threshold - 1) / above(collateral, 0, what="collateral")


def cost_of_waiting(
    days: float,
    *,
    equity: float,
    leverage: float,
    target: float,
    volatility: float,
    risk_aversion: float,
    expected_liquidation_loss: float = 0.0,
) -> float:
    """Return what `days` at the wrong leverage cost: `½γσ²(L−L*)²E·Δ`, plus the expected loss to liquidation."""
    years = at_least(days, 0, what="days") / DAYS_PER_YEAR
    rate = 0.5 * risk_aversion * at_least(volatility, 0, what="volatility") ** 2 * (leverage - target) ** 2
    return rate * finite(equity, what="equity") * years + expected_liquidation_loss


def constant_product_slippage(amount: float, reserve: float, *, count: int = 1) -> float:
    """Return the exact slippage of selling `amount` in `count` equal parts, refilled between, `n·x²/(R+x)`."""
    part = at_least(amount, 0, what="amount") / count
    return count * part * part / (above(reserve, 0, what="reserve") + part)


def chunk_cost(count: int, *, amount: float, reserve: float, gas: float, tracking: float) -> float:
    """Return the cost of selling `amount` in `count` chunks: slippage, gas, and the risk of what is unsold.

    `X²/(nR) + n·g + (γσ²X²Δ/2E)(n/3 − ½ + 1/(6n))`, with `tracking` for `γσ²Δ/E`: Δ the years between chunks that a
    constant-product pool of `reserve` per side is refilled in, E the equity.
    """
    slippage = amount * amount / (above(count, 0, what="count") * above(reserve, 0, what="reserve"))
    waiting = tracking * amount * amount / 2 * (count / 3 - 0.5 + 1 / (6 * count))
    return slippage + count * gas + waiting


def chunks(*, amount: float, reserve: float, gas: float, tracking: float) -> int:
    """Return the number of chunks with the lowest `chunk_cost`, at least 1.

    `n* = √[(X²/R + γσ²X²Δ/(12E)) / (g + γσ²X²Δ/(6E))]`, and the better of its neighbours. Without refill between the
    chunks splitting saves nothing. Raises `InvalidNumber` unless gas or tracking risk is above zero.
    """
    squared = above(amount, 0, what="amount") ** 2
    each = above(at_least(gas, 0, what="gas") + at_least(tracking, 0, what="tracking") * squared / 6, 0, what="gas")
    ideal = sqrt((squared / above(reserve, 0, what="reserve") + tracking * squared / 12) / each)
    below = max(1, int(ideal))
    return min(
        (below, below + 1),
        key=lambda count: chunk_cost(count, amount=amount, reserve=reserve, gas=gas, tracking=tracking),
    )
