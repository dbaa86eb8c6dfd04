"""Liquidation prices, per asset and per driver, of longs, shorts and pairs on one driver."""

from __future__ import annotations

import pytest

from defilev.model.exposure import Exposure
from defilev.risk.forms import health_factor
from defilev.risk.liquidation import (
    asset_liquidations,
    driver_liquidations,
    joint_shock,
    ratio_liquidations,
)
from tests.factories import (
    DAI,
    ETH_FEED,
    USDC,
    WBTC,
    WETH,
    WSTETH,
    a_borrow,
    a_supply,
    a_term,
    an_account,
    an_exposure,
    exposure_of,
)


def _long() -> Exposure:
    return an_exposure(a_term(WETH, price=3000, capacity=124_500), a_term(USDC, price=1, requirement=100_000))


def _short() -> Exposure:
    return an_exposure(a_term(USDC, price=1, capacity=156_000), a_term(WETH, price=3000, requirement=90_000))


def _loop() -> Exposure:
    return an_exposure(a_term(WSTETH, price=3660, capacity=347_700), a_term(WETH, price=3000, requirement=331_142.857))


def test_the_fall_that_liquidates_a_long() -> None:
    """A long is liquidated below debt over thresholded units: 100,000 / (50 · 0.83)."""
    weth, usdc = asset_liquidations(_long())

    assert ("WETH", "below") == (weth.term.symbol, weth.crossing.side)
    assert 2409.638554216867 == pytest.approx(weth.price, rel=1e-12)
    assert ("USDC", "above") == (usdc.term.symbol, usdc.crossing.side)
    assert 1.245 == pytest.approx(usdc.price, rel=1e-12)


def test_the_rise_that_liquidates_a_short() -> None:
    """Volatile debt against a stablecoin is liquidated by a rise, and by a fall of the stablecoin."""
    usdc, weth = asset_liquidations(_short())

    assert ("USDC", "below") == (usdc.term.symbol, usdc.crossing.side)
    assert 0.576923076923 == pytest.approx(usdc.price)
    assert ("WETH", "above") == (weth.term.symbol, weth.crossing.side)
    assert 5200 == pytest.approx(weth.price)
    assert 0.733333333333 == pytest.approx(weth.distance)


def test_a_common_driver_moves_every_asset_that_is_priced_from_it() -> None:
    """With WETH and wstETH as collateral, the driver's liquidation price is nearer than either asset's own."""
    mixed = an_exposure(
        a_term(WETH, price=3000, capacity=60_000),
        a_term(WSTETH, price=3660, capacity=60_000),
        a_term(USDC, price=1, requirement=90_000),
    )
    eth = driver_liquidations(mixed)[0]
    weth, wsteth = asset_liquidations(mixed)[:2]

    assert ["WETH", "wstETH"] == [term.symbol for term in eth.terms]
    assert 0.75 == pytest.approx(eth.crossing.factor)
    assert 2250 == pytest.approx(eth.price)
    assert 0.5 == pytest.approx(weth.crossing.factor)
    assert 0.5 == pytest.approx(wsteth.crossing.factor)


def test_no_move_of_the_common_driver_liquidates_a_loop() -> None:
    """wstETH against WETH alone: both sides scale, so no driver price liquidates, and the ratio does."""
    (pair,) = ratio_liquidations(_loop())

    assert () == driver_liquidations(_loop())
    assert ("wstETH", "WETH", True) == (pair.collateral.symbol, pair.debt.symbol, pair.independent)
    assert 1.22 == pytest.approx(pair.ratio_now)
    assert 1.22 / 1.05 == pytest.approx(pair.ratio, rel=1e-8)


def test_a_loop_with_a_third_asset_has_a_ratio_that_depends_on_it() -> None:
    """Beside other collateral or debt the ratio holds at today's other prices only, and says so."""
    loop = _loop()
    mixed = an_exposure(*loop.terms, a_term(DAI, price=1, requirement=5_000))
    (pair,) = ratio_liquidations(mixed)

    assert not pair.independent
    assert 1 == pytest.approx(
        health_factor(
            an_exposure(
                a_term(WSTETH, price=pair.ratio * 3000, capacity=347_700 * pair.ratio / pair.ratio_now),
                *mixed.terms[1:],
            )
        )
    )


def test_the_same_asset_on_both_sides_moves_once() -> None:
    """An asset that is both supplied and owed is one price: capacity and requirement move together."""
    both = an_exposure(
        a_term(WETH, price=3000, capacity=100_000, requirement=40_000), a_term(USDC, price=1, requirement=30_000)
    )

    assert 0.5 == pytest.approx(asset_liquidations(both)[0].crossing.factor)
    assert () == ratio_liquidations(both)


def test_an_asset_that_other_collateral_covers_never_liquidates() -> None:
    """Collateral whose loss the rest covers has no liquidation price."""
    covered = an_exposure(
        a_term(WETH, price=3000, capacity=120_000),
        a_term(WBTC, price=60_000, capacity=1_000),
        a_term(USDC, price=1, requirement=100_000),
    )

    assert ["WETH", "USDC"] == [at.term.symbol for at in asset_liquidations(covered)]


@pytest.mark.parametrize("terms", [(), (a_term(WETH, price=3000, capacity=1000),)])
def test_without_debt_nothing_liquidates(terms: tuple) -> None:
    """An account that owes nothing has no liquidation price, no ratio and no joint shock."""
    exposure = an_exposure(*terms)

    assert ((), (), (), None) == (
        asset_liquidations(exposure),
        driver_liquidations(exposure),
        ratio_liquidations(exposure),
        joint_shock(exposure, {ETH_FEED: -1.0}),
    )


def test_a_liquidatable_account_tells_the_price_that_would_save_it() -> None:
    """Below health one the price of a long lies above today's."""
    under = an_exposure(a_term(WETH, price=2900, capacity=95_000), a_term(USDC, price=1, requirement=100_000))
    (weth, _) = asset_liquidations(under)

    assert ("below", True) == (weth.crossing.side, weth.distance > 0)


def test_a_fall_of_everything_volatile_is_one_number() -> None:
    """The joint shock along −1 is the common fall at which health is one."""
    two = an_exposure(
        a_term(WETH, price=3000, capacity=80_000),
        a_term(WBTC, price=60_000, capacity=40_000),
        a_term(USDC, price=1, requirement=90_000),
    )

    assert 0.25 == pytest.approx(joint_shock(two, {ETH_FEED: -1.0, WBTC.address: -1.0}))
    assert None is joint_shock(two, {ETH_FEED: 1.0, WBTC.address: 1.0})
    assert None is joint_shock(two, {WBTC.address: -1.0, USDC.address: 0.0, ETH_FEED: 1.0})


def test_the_sample_position() -> None:
    """42.5 wstETH at $3,912.40 against 98,400 USDC at $0.9999 is liquidated at $2,858.10."""
    account = an_account(a_supply(WSTETH, "42.5", "3912.40", threshold=8100), a_borrow(USDC, "98400", "0.9999"))
    wsteth = asset_liquidations(exposure_of(account))[0]

    assert 2858.10 == pytest.approx(wsteth.price, abs=0.005)
    assert -0.2695 == pytest.approx(wsteth.distance, abs=5e-5)
