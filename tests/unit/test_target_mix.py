"""What health moves with: volatility and drift of ln(health factor) of one pair, a basket, a loop and a short."""

from __future__ import annotations

from math import nan, sqrt

import numpy as np
import pytest

from defilev.errors import Infeasible, InvalidNumber
from defilev.model.exposure import Driver, Exposure, Term
from defilev.model.request import Address
from defilev.optimize.mix import assumed_correlation, mix_of
from defilev.risk.first_passage import liquidation_probability
from tests.factories import OWNER, USDC, WBTC, WETH, WSTETH, a_term, an_exposure

ETH = an_exposure(a_term(WETH, price=3000, capacity=1)).drivers[0].feed


def pair(**volatilities: float) -> Exposure:
    """WETH against USDC at a health factor of 1.3."""
    return an_exposure(a_term(WETH, price=3000, capacity=130), a_term(USDC, price=1, requirement=100))


def test_one_pair_has_the_assets_volatility() -> None:
    """Against a stable debt, health has the collateral's volatility and drift −½σ²."""
    found = mix_of(pair(), {ETH: 0.68, USDC.address: 0.0})
    assert (0.68, -0.5 * 0.68**2) == pytest.approx((found.volatility, found.drift))
    assert (found.side, found.moving_share, found.assumed) == ("long", 1.0, False)


def test_two_assets_are_a_ratio() -> None:
    """σ .8/.6, ρ .8 → σ_R .48166; 1.3 over 30 days with s .02, b .05 → .06935 (MC .06893 ± .00039)."""
    exposure = an_exposure(a_term(WETH, price=3000, capacity=130), a_term(WBTC, price=90_000, requirement=100))
    found = mix_of(exposure, {ETH: 0.8, WBTC.address: 0.6}, lambda *_: 0.8)
    assert found.side == "ratio"
    assert found.volatility == pytest.approx(0.48166, abs=5e-6)
    assert found.drift == pytest.approx(-0.5 * 0.64 + 0.5 * 0.36)
    chance = liquidation_probability(1.3, found.volatility, 30 / 365, found.drift + 0.02 - 0.05)
    assert chance == pytest.approx(0.06935, abs=5e-6)


def basket() -> tuple[Exposure, dict[Address, float], np.ndarray]:
    """Three collaterals against a stable debt and one that is the second collateral's own asset."""
    feeds = [Address(f"0x{place:040x}") for place in range(1, 5)]
    drivers = tuple(Driver(feed, f"A{place}", 1.0, stable=False) for place, feed in enumerate(feeds))

    def term(place: int, capacity: float, owed: float) -> Term:
        feed = feeds[place]
        return Term(feed, f"A{place}", feed, 1.0, capacity, owed, capacity - owed, 0.0, 0.0)

    terms = (
        term(0, 50 * 0.83, 0),
        term(1, 30 * 0.78, 8),
        term(2, 10 * 0.65, 0),
        term(3, 0, 40),
    )
    matrix = np.eye(4)
    for i, j, rho in ((0, 1, 0.8), (0, 2, 0.7), (1, 2, 0.6)):
        matrix[i, j] = matrix[j, i] = rho
    return (
        Exposure("aave-v3", "main", OWNER, drivers, terms),
        dict(zip(feeds, (0.8, 0.6, 1.1, 0.01), strict=True)),
        matrix,
    )


def test_basket_statistics_and_chance() -> None:
    """HF 1.4875, σ_B .6200, ν −.2450; 30 days .03264 and 90 days .25089, within .002 of the simulation."""
    exposure, volatilities, matrix = basket()
    places = {driver.feed: place for place, driver in enumerate(exposure.drivers)}
    found = mix_of(exposure, volatilities, lambda a, b, _: float(matrix[places[a.feed], places[b.feed]]))
    health = sum(term.capacity for term in exposure.terms) / 48
    assert (1.4875, 0.62, -0.245) == pytest.approx((health, found.volatility, found.drift), abs=5e-5)
    for days, closed, simulated in ((30, 0.03264, 0.03382), (90, 0.25089, 0.25077)):
        chance = liquidation_probability(health, found.volatility, days / 365, found.drift)
        assert closed == pytest.approx(chance, abs=5e-6)
        assert simulated == pytest.approx(chance, abs=0.002)


def test_loop_and_short_are_told_apart() -> None:
    """Two assets on one driver cancel; stable collateral against a volatile debt is a short."""
    loop = an_exposure(a_term(WSTETH, price=3660, capacity=105), a_term(WETH, price=3000, requirement=100))
    found = mix_of(loop, {ETH: 0.68})
    assert (found.side, found.volatility) == ("correlated", 0.0)
    short = an_exposure(a_term(USDC, price=1, capacity=150), a_term(WETH, price=3000, requirement=100))
    found = mix_of(short, {ETH: 0.68, USDC.address: 0.0})
    assert (found.side, found.moving_share) == ("short", 1.0)
    assert found.drift == pytest.approx(0.5 * 0.68**2)


def test_scale_and_order_change_nothing() -> None:
    """A thousand times the dollars, and terms in another order, have the same statistics."""
    exposure, volatilities, _ = basket()
    scaled = Exposure(
        exposure.protocol,
        exposure.market,
        exposure.owner,
        tuple(reversed(exposure.drivers)),
        tuple(
            Term(t.asset, t.symbol, t.driver, t.price, t.capacity * 1e3, t.requirement * 1e3, t.equity * 1e3, 0.0, 0.0)
            for t in reversed(exposure.terms)
        ),
    )
    first, second = mix_of(exposure, volatilities), mix_of(scaled, volatilities)
    assert (first.volatility, first.drift) == pytest.approx((second.volatility, second.drift))
    assert first.side == second.side


def test_bad_volatilities_are_named() -> None:
    """A missing, negative or NaN volatility is refused by the asset's name, and so are impossible correlations."""
    with pytest.raises(InvalidNumber, match="no volatility of WETH"):
        mix_of(pair(), {USDC.address: 0.0})
    for bad in (-0.1, nan):
        with pytest.raises(InvalidNumber, match="volatility of WETH"):
            mix_of(pair(), {ETH: bad, USDC.address: 0.0})
    exposure, volatilities, _ = basket()
    with pytest.raises(InvalidNumber, match="cannot all hold"):
        mix_of(exposure, volatilities, lambda *_: -0.99)
    with pytest.raises(Infeasible, match="no collateral"):
        mix_of(an_exposure(a_term(USDC, price=1, requirement=1)), {USDC.address: 0.0})


def test_assumed_correlations_are_cautious() -> None:
    """Without history: 0.9 between collaterals, 0.5 across the account, none with a stablecoin."""
    eth, btc, usd = (Driver(Address(f"0x{n:040x}"), "X", 1.0, stable=n == 3) for n in (1, 2, 3))
    assert (0.9, 0.5, 0.0) == (
        assumed_correlation(eth, btc, True),
        assumed_correlation(eth, btc, False),
        assumed_correlation(eth, usd, True),
    )
    two = an_exposure(
        a_term(WETH, price=3000, capacity=50),
        a_term(WBTC, price=90_000, capacity=50),
        a_term(USDC, price=1, requirement=50),
    )
    found = mix_of(two, {ETH: 0.6, WBTC.address: 0.6, USDC.address: 0.0})
    assert found.volatility == pytest.approx(0.6 * sqrt(0.5 + 0.5 * 0.9))
    assert found.assumed
