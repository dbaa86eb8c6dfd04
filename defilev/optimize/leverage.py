"""Growth and leverage: Kelly and Merton net of two rates, fractions of it, implied return, volatility drag.

Notation of the docstrings: L leverage (exposure divided by equity), μ arithmetic drift of the price without yield,
σ volatility per √year, s what the collateral earns, b what the debt costs, r what idle stablecoins earn; rates are
continuously compounded per year. Wealth at constant leverage: `dE/E = L(dP/P + s dt) − (L−1) b dt`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import expm1

from defilev.errors import InvalidNumber
from defilev.optimize.arguments import above, at_least, finite, open_unit
from defilev.optimize.conversions import health_factor_to_leverage, leverage_to_health_factor
from defilev.optimize.cppi import cppi_leverage, cppi_multiplier_bound

__all__ = [
    "cppi_leverage",
    "cppi_multiplier_bound",
    "drawdown_probability",
    "erosion",
    "expected_return_of_sharpe",
    "fractional_growth",
    "growth_optimal_leverage",
    "growth_optimal_leverages",
    "growth_rate",
    "health_factor_to_leverage",
    "implied_return",
    "leverage_after",
    "leverage_decay",
    "leverage_to_health_factor",
    "leveraged_log_growth",
    "mean_variance_leverage",
    "rebalancing_demand",
    "shrunk_fraction",
    "volatility_target_leverage",
]


def growth_optimal_leverage(
    expected_return: float,
    volatility: float,
    supply_rate: float,
    borrow_rate: float,
    *,
    idle_rate: float | None = None,
) -> float:
    """Return the leverage with the highest growth rate, kinked at 1 where borrowing begins.

    `(μ+s−b)/σ²` when that is above 1, `(μ+s−r)/σ²` when that is below 1, and exactly 1 in the dead zone between them.
    Negative when the asset is expected to lose to idle money: a lending account then holds none.

    Args:
        idle_rate: r, what money that is not in the asset earns; the borrow rate when left out.

    Raises:
        InvalidNumber: a volatility of zero or less, an idle rate above the borrow rate, or a NaN.

    Source: Kelly 1956, Merton 1969, Thorp 2006 (§7.1); with two rates by optimising either side of the kink.
    """
    return mean_variance_leverage(expected_return, volatility, supply_rate, borrow_rate, idle_rate=idle_rate)


def mean_variance_leverage(
    expected_return: float,
    volatility: float,
    supply_rate: float,
    borrow_rate: float,
    *,
    risk_aversion: float = 1.0,
    idle_rate: float | None = None,
) -> float:
    """Return the leverage that maximises `L(μ+s) − (L−1)b − ½γσ²L²`; γ = 1 is Kelly, γ = 1/c the fraction c of it.

    Raises:
        InvalidNumber: see `growth_optimal_leverage`; a risk aversion of zero or less.
    """
    variance = above(volatility, 0, what="volatility") ** 2 * above(risk_aversion, 0, what="risk aversion")
    earned = finite(expected_return, what="expected return") + finite(supply_rate, what="supply rate")
    idle = _idle_rate(idle_rate, borrow_rate)
    borrowing = (earned - borrow_rate) / variance
    lending = (earned - idle) / variance
    if borrowing > 1:
        return borrowing
    return lending if lending < 1 else 1.0


def growth_optimal_leverages(
    expected_returns: Sequence[float],
    covariance: Sequence[Sequence[float]],
    supply_rates: Sequence[float],
    borrow_rate: float,
    *,
    idle_rate: float | None = None,
) -> tuple[float, ...]:
    """Return the growth-optimal weight of each asset per unit of equity, `Σ⁻¹(μ + s − b)`, kinked where they sum to 1.

    In the dead zone the sum is exactly 1, by the rate between the two that makes it so.

    Raises:
        InvalidNumber: shapes that do not match, a NaN, or a covariance that is not symmetric and positive definite.
    """
    import numpy as np

    matrix = np.asarray(covariance, dtype=float)
    earned = np.asarray(expected_returns, dtype=float) + np.asarray(supply_rates, dtype=float)
    if matrix.shape != (earned.size, earned.size) or not (np.isfinite(matrix).all() and np.isfinite(earned).all()):
        raise InvalidNumber("the covariance does not fit the returns", fix="give one finite row and column per asset")
    if not np.allclose(matrix, matrix.T) or np.linalg.eigvalsh(matrix).min() <= 1e-12 * np.abs(matrix).max():
        raise InvalidNumber(
            "the covariance matrix is singular or not symmetric", fix="drop one of two assets that move as one"
        )
    idle = _idle_rate(idle_rate, borrow_rate)
    of_returns, of_one = np.linalg.solve(matrix, earned), np.linalg.solve(matrix, np.ones(earned.size))
    rate = min(max((of_returns.sum() - 1) / of_one.sum(), idle), borrow_rate)
    return tuple(float(weight) for weight in of_returns - rate * of_one)


def growth_rate(
    leverage: float,
    expected_return: float,
    volatility: float,
    supply_rate: float,
    borrow_rate: float,
    *,
    idle_rate: float | None = None,
) -> float:
    """Return `g(L) = L(μ+s) − (L−1)b − ½L²σ²`, the log growth per year at constant leverage; r replaces b below 1.

    Raises:
        InvalidNumber: a negative volatility, an idle rate above the borrow rate, or a NaN.
    """
    at_least(volatility, 0, what="volatility")
    earned = finite(expected_return, what="expected return") + finite(supply_rate, what="supply rate")
    rate = _idle_rate(idle_rate, borrow_rate) if finite(leverage, what="leverage") < 1 else borrow_rate
    return leverage * earned - (leverage - 1) * rate - 0.5 * (leverage * volatility) ** 2


def implied_return(
    leverage: float,
    volatility: float,
    supply_rate: float,
    borrow_rate: float,
    *,
    risk_aversion: float = 1.0,
) -> float:
    """Return `γLσ² + b − s`: the price drift per year at which this leverage would be the best one.

    Needs no forecast of the mean: it is what holding the leverage says about the holder's own.

    Raises:
        InvalidNumber: a negative volatility, a risk aversion of zero or less, or a NaN.
    """
    at_least(volatility, 0, what="volatility")
    carry = finite(borrow_rate, what="borrow rate") - finite(supply_rate, what="supply rate")
    return (
        above(risk_aversion, 0, what="risk aversion") * finite(leverage, what="leverage") * volatility * volatility
        + carry
    )


def leverage_decay(leverage: float, variance: float) -> float:
    """Return `½(L−L²)·V`, what a constant leverage loses of the log growth to variance V over the period.

    `exp` of it minus one is the erosion on a price that ends where it began. Zero at L = 0 and 1, negative beyond.

    Raises:
        InvalidNumber: a negative variance, or a NaN.

    Source: Cheng and Madhavan 2009; Avellaneda and Zhang 2010.
    """
    at_least(variance, 0, what="variance")
    return 0.5 * (finite(leverage, what="leverage") - leverage * leverage) * variance


def erosion(leverage: float, variance: float) -> float:
    """Return the relative loss (negative) of a constant leverage on a flat path with that variance."""
    return expm1(leverage_decay(leverage, variance))


def leveraged_log_growth(
    leverage: float,
    log_return: float,
    variance: float,
    *,
    supply_rate: float = 0.0,
    borrow_rate: float = 0.0,
    horizon: float = 0.0,
) -> float:
    """Return `L·ln(P'/P) + ½(L−L²)V + [Ls − (L−1)b]T`: log growth of equity at constant leverage along a path.

    V is the realised variance of the path. Source: Avellaneda and Zhang 2010.
    """
    carry = (leverage * supply_rate - (leverage - 1) * borrow_rate) * at_least(horizon, 0, what="horizon")
    return leverage * finite(log_return, what="log return") + leverage_decay(leverage, variance) + carry


def rebalancing_demand(leverage: float, move: float) -> float:
    """Return `L(L−1)·r`: what must be bought (negative: sold) per unit of equity to restore L after a price move r."""
    return finite(leverage, what="leverage") * (leverage - 1) * finite(move, what="move")


def leverage_after(leverage: float, log_return: float) -> float:
    """Return the leverage that a fixed debt has drifted to after the log return x: `Leˣ/(Leˣ − (L−1))`.

    Raises:
        InvalidNumber: no equity is left after the move, or a NaN.
    """
    grown = finite(leverage, what="leverage") * (1 + expm1(finite(log_return, what="log return")))
    if grown <= leverage - 1:
        raise InvalidNumber("no equity is left after that move", fix="give a smaller fall or a lower leverage")
    return grown / (grown - (leverage - 1))


def fractional_growth(fraction: float, sharpe: float, *, years: float | None = None) -> float:
    """Return the expected excess growth per year of a fraction c of Kelly, `cS² − ½c²(S² + 1/N)`.

    S is the Sharpe ratio of `μ+s−b`, N the years of information behind it; `None` for a mean known exactly.
    Source: one-asset case of Kan and Zhou 2007.
    """
    noise = 0.0 if years is None else 1 / above(years, 0, what="years of information")
    return fraction * sharpe**2 - 0.5 * fraction**2 * (sharpe**2 + noise)


def shrunk_fraction(sharpe: float, years: float) -> float:
    """Return `S²/(S² + 1/N)`, the fraction of Kelly that grows fastest when the mean is known from N years only.

    Raises:
        InvalidNumber: years of zero or less, or a NaN.

    Source: one-asset case of Kan and Zhou 2007.
    """
    squared = finite(sharpe, what="Sharpe ratio") ** 2
    return squared / (squared + 1 / above(years, 0, what="years of information"))


def drawdown_probability(remaining: float, fraction: float) -> float:
    """Return `x^(2/c−1)`: the chance that wealth at the fraction c of Kelly ever falls to the share x of today's.

    Raises:
        InvalidNumber: a share outside (0, 1), or a fraction outside (0, 2).

    Source: Thorp 2006 (§3); MacLean, Ziemba and Blazenko 1992.
    """
    if not 0 < finite(fraction, what="Kelly fraction") < 2:
        raise InvalidNumber(f"Kelly fraction {fraction:g} is not between 0 and 2", fix="give a fraction such as 0.5")
    return float(open_unit(remaining, what="share of wealth") ** (2 / fraction - 1))


def expected_return_of_sharpe(sharpe: float, volatility: float, *, risk_free_rate: float) -> float:
    """Return the price drift μ that a Sharpe ratio over the risk-free rate means, `S·σ + r`."""
    at_least(volatility, 0, what="volatility")
    return finite(sharpe, what="Sharpe ratio") * volatility + finite(risk_free_rate, what="risk-free rate")


def volatility_target_leverage(target: float, volatility: float) -> float:
    """Return the leverage at which equity has the volatility `target`: `σ_target/σ`; raises `InvalidNumber`."""
    return above(target, 0, what="target volatility") / above(volatility, 0, what="volatility")


def _idle_rate(idle_rate: float | None, borrow_rate: float) -> float:
    finite(borrow_rate, what="borrow rate")
    if idle_rate is None:
        return borrow_rate
    if finite(idle_rate, what="idle rate") > borrow_rate:
        raise InvalidNumber(
            f"idle rate {idle_rate:g} is above the borrow rate {borrow_rate:g}",
            fix="give an idle rate of at most the borrow rate: more would be free money",
        )
    return idle_rate
