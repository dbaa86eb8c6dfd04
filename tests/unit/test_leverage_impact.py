"""Selling with an impact of one's own: the size, where it stops helping, what waiting costs, how many chunks."""

from __future__ import annotations

import pytest

from defilev.errors import Infeasible, InvalidNumber
from defilev.optimize.impact import (
    chunk_cost,
    chunks,
    constant_product_slippage,
    cost_of_waiting,
    critical_impact,
    sale_for_health_factor,
)

BOOK = {"collateral": 1_000_000.0, "debt": 600_000.0, "liquidation_threshold": 0.8, "health_factor": 1.6}
HOUR = 1 / 8760
MINUTE = HOUR / 60


def health_after(sale: float, *, impact: float, cost: float) -> float:
    """Recompute health after a sale."""
    return 0.8 * (1e6 - sale) * (1 - impact * sale) / (6e5 - (1 - cost) * sale)


def test_sale_without_impact() -> None:
    """$200,803 must be sold at 20 bp to bring health from 1.333 to 1.6, and health is 1.6 then."""
    sale = sale_for_health_factor(**BOOK, proportional_cost=0.002)
    assert sale == pytest.approx(200_803, abs=0.5)
    assert health_after(sale, impact=0.0, cost=0.002) == pytest.approx(1.6, abs=1e-12)


@pytest.mark.parametrize("impact", [1e-9, 1e-8, 1e-7, 3e-7])
def test_sale_with_impact_reaches_the_health_factor(impact: float) -> None:
    """With permanent impact the sale is larger, and reaches the health factor exactly."""
    sale = sale_for_health_factor(**BOOK, proportional_cost=0.002, impact=impact)
    assert sale > sale_for_health_factor(**BOOK, proportional_cost=0.002)
    assert health_after(sale, impact=impact, cost=0.002) == pytest.approx(1.6, abs=1e-9)


def test_critical_impact_is_where_the_first_sale_hurts() -> None:
    """At ι = 6.63e-7 the first unit sold leaves health where it is, beyond it lowers it."""
    critical = critical_impact(1e6, 0.8, 0.8e6 / 6e5, proportional_cost=0.002)
    assert critical == pytest.approx(6.63e-7, abs=1e-9)
    now = 0.8e6 / 6e5
    assert (
        health_after(1.0, impact=critical * 1.01, cost=0.002)
        < now
        < health_after(1.0, impact=0.99 * critical, cost=0.002)
    )


def test_closed_form_greedy_sale() -> None:
    """C=200, D=120, ℓ=.8, 20 bp, HF*=1.6: 40.16064."""
    assert 40.16064 == pytest.approx(sale_for_health_factor(200, 120, 0.8, 1.6, proportional_cost=0.002), abs=5e-6)


def test_safe_accounts_sell_nothing_and_lost_ones_are_told() -> None:
    """Health that is there already needs no sale; where selling cannot help, that is said."""
    assert sale_for_health_factor(200, 50, 0.8, 1.6) == 0
    with pytest.raises(Infeasible, match="cannot reach"):
        sale_for_health_factor(100, 99, 0.8, 1.6, proportional_cost=0.05)
    with pytest.raises(InvalidNumber, match="threshold"):
        sale_for_health_factor(100, 50, 1.2, 1.6)


@pytest.mark.parametrize(
    ("amount", "gas", "equity", "spacing", "count", "cost"),
    [
        (50_000, 5, 100_000, MINUTE, 5, 50),
        (500_000, 15, 1_000_000, MINUTE, 29, 869),
        (500_000, 15, 1_000_000, HOUR, 24, None),
    ],
)
def test_number_of_chunks(
    amount: float, gas: float, equity: float, spacing: float, count: int, cost: float | None
) -> None:
    """With refill the best number of chunks is 5, 29 and 24, as a search over integers finds (γ=2, σ=.8, R=$20M)."""
    market = {"amount": amount, "reserve": 20e6, "gas": gas, "tracking": 2 * 0.64 * spacing / equity}
    assert count == chunks(**market)
    assert count == min(range(1, 200), key=lambda n: chunk_cost(n, **market))
    if cost is not None:
        assert cost == pytest.approx(chunk_cost(count, **market), abs=1)


def test_exact_slippage_of_a_constant_product_pool() -> None:
    """Selling $500,000 into $20M a side slips $12,195 at once, $1,246.9 in ten refilled parts."""
    assert 12_195 == pytest.approx(constant_product_slippage(5e5, 20e6), abs=0.5)
    assert 1_246.9 == pytest.approx(constant_product_slippage(5e5, 20e6, count=10), abs=0.05)


def test_cost_of_a_day_off_target() -> None:
    """L=2.5 against 2, equity $48,000, σ=.68, γ=2: $15.2 a day of tracking."""
    found = cost_of_waiting(1, equity=48_000, leverage=2.5, target=2.0, volatility=0.68, risk_aversion=2)
    assert 15.2 == pytest.approx(found, abs=0.05)
