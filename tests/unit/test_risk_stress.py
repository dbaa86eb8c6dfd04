"""Shocks, status words, interest and price warnings."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from defilev.risk.interest import days_to_liquidation_by_interest, margin_after
from defilev.risk.prices import PriceLimits, price_notices, stale_prices
from defilev.risk.status import status_of
from defilev.risk.stress import all_but_stable, driver_named, stress
from tests.factories import (
    BLOCK,
    ETH_FEED,
    LIMITS,
    PRICE_LIMITS,
    USDC,
    WBTC,
    WETH,
    WSTETH,
    a_borrow,
    a_price,
    a_supply,
    a_term,
    an_account,
    an_exposure,
    exposure_of,
)


@pytest.mark.parametrize(
    ("health_factor", "expected"),
    [
        (None, "OK"),
        (Decimal("1.5"), "OK"),
        (Decimal("1.499999999999999999"), "LOW"),
        (Decimal("1.1"), "LOW"),
        (Decimal("1.099999999999999999"), "DANGER"),
        (Decimal(1), "DANGER"),
        (Decimal("0.999999999999999999"), "LIQUIDATABLE"),
        (0.0, "LIQUIDATABLE"),
    ],
)
def test_each_status_begins_at_its_limit(health_factor: Decimal | float | None, expected: str) -> None:
    """A limit belongs to the safer word, and one wei below it to the other."""
    assert expected == status_of(health_factor, limits=LIMITS)


def test_exactly_one_is_liquidatable_where_the_protocol_says_so() -> None:
    """Health of exactly one is liquidatable only for protocols that liquidate at equality."""
    assert "LIQUIDATABLE" == status_of(Decimal(1), limits=LIMITS, liquidated_at_equality=True)


def test_the_sample_position_under_stress() -> None:
    """wstETH −10, −20 and −30 % bring the sample's health to 1.232, 1.095 and 0.958."""
    account = an_account(a_supply(WSTETH, "42.5", "3912.40", threshold=8100), a_borrow(USDC, "98400", "0.9999"))
    exposure = exposure_of(account)
    after = [stress(exposure, all_but_stable(exposure, change), limits=LIMITS) for change in (-0.1, -0.2, -0.3)]

    assert [1.232, 1.095, 0.958] == [round(state.health_factor or 0, 3) for state in after]
    assert ["LOW", "DANGER", "LIQUIDATABLE"] == [state.status for state in after]


def test_a_name_moves_its_driver() -> None:
    """Naming wstETH or WETH names the ETH feed, in any case of letters; an unknown name names nothing."""
    exposure = an_exposure(a_term(WSTETH, price=3660, capacity=3000), a_term(WETH, price=3000, requirement=1000))
    found = [driver_named(exposure, name) for name in ("wsteth", "WETH", "FOO")]

    assert [ETH_FEED, ETH_FEED, None] == [driver and driver.feed for driver in found]


def test_a_driver_is_known_by_the_first_half_of_its_own_name() -> None:
    """A driver called ETH / USD answers to ETH and to its whole name."""
    plain = an_exposure(a_term(WETH, price=3000, capacity=3000))
    exposure = replace(plain, drivers=(replace(plain.drivers[0], symbol="ETH / USD"),))

    assert exposure.drivers[0] == driver_named(exposure, "eth")
    assert exposure.drivers[0] == driver_named(exposure, "ETH / USD")


def test_stress_without_debt_is_ok() -> None:
    """A debt-free account has no health factor and stays OK whatever falls."""
    exposure = an_exposure(a_term(WETH, price=3000, capacity=3000))

    assert (None, "OK") == (
        (after := stress(exposure, {ETH_FEED: 0.01}, limits=LIMITS)).health_factor,
        after.status,
    )


def test_interest_alone_liquidates_a_loop_in_time() -> None:
    """At health 1.05, 0 % earned and 2.5 % owed, interest liquidates after ln(1.05)/0.025 years."""
    loop = an_exposure(
        a_term(WSTETH, price=3660, capacity=105_000), a_term(WETH, price=3000, requirement=100_000, borrow_rate=0.025)
    )

    assert 0.04879016416943205 / 0.025 * 365 == pytest.approx(days_to_liquidation_by_interest(loop), rel=1e-9)


def test_interest_that_is_outearned_takes_longer_than_the_compounding_says() -> None:
    """Supply interest postpones it, and the margin is zero on the day that is returned."""
    loop = an_exposure(
        a_term(WSTETH, price=3660, capacity=105_000, supply_rate=0.02),
        a_term(WETH, price=3000, requirement=100_000, borrow_rate=0.025),
    )
    days = days_to_liquidation_by_interest(loop)

    assert days is not None
    assert 712.3 < days
    assert 0 == pytest.approx(margin_after(loop, days / 365), abs=1e-6)


@pytest.mark.parametrize(
    ("capacity", "requirement", "rate", "expected"),
    [(1000.0, 0.0, 0.05, None), (1000.0, 500.0, 0.0, None), (1000.0, 1.0, 0.01, None), (900.0, 1000.0, 0.05, 0.0)],
)
def test_interest_never_or_already(capacity: float, requirement: float, rate: float, expected: float | None) -> None:
    """Without debt, without a rate or beyond a century: never; when liquidatable already: 0 days."""
    exposure = an_exposure(
        a_term(WETH, price=3000, capacity=capacity), a_term(USDC, price=1, requirement=requirement, borrow_rate=rate)
    )

    assert expected == days_to_liquidation_by_interest(exposure)


def test_a_price_is_stale_beyond_its_limit_and_not_at_it() -> None:
    """Exactly the allowed age is fresh; one second more is a named warning with both numbers."""
    at_limit = a_price(WETH, "3000", updated_at=BLOCK.timestamp - 10_800)
    beyond = a_price(USDC, "1", updated_at=BLOCK.timestamp - 10_801)
    account = an_account(a_supply(WETH, "10", at_limit), a_borrow(USDC, "1000", beyond))
    (notice,) = stale_prices(account, limits=PRICE_LIMITS)

    assert "stale-price" == notice.name
    assert "the price of USDC was updated 10801 s before the block, more than the 10800 s allowed" == notice.text


def test_an_asset_may_have_its_own_age_limit() -> None:
    """A feed with a long heartbeat is judged by its own limit."""
    account = an_account(a_supply(USDC, "10", a_price(USDC, "1", updated_at=BLOCK.timestamp - 80_000)))

    assert () == stale_prices(account, limits=PriceLimits(3600, {"USDC": 86_400}))


def test_unknown_age_and_a_capped_rate_are_named() -> None:
    """A source that tells no age and one at its cap are warned about once each, also with the asset on both sides."""
    capped = replace(a_price(WSTETH, "3660"), ratio_capped=True)
    silent = a_price(WBTC, "60000", updated_at=None)
    account = an_account(a_supply(WSTETH, "1", capped), a_supply(WBTC, "1", silent), a_borrow(WBTC, "0.1", silent))

    assert ["price-age-unknown", "price-capped"] == [
        notice.name for notice in price_notices(account, limits=PRICE_LIMITS)
    ]


def test_a_price_from_the_future_is_fresh() -> None:
    """A feed updated after the block's own time is not stale."""
    account = an_account(a_supply(WETH, "1", a_price(WETH, "3000", updated_at=BLOCK.timestamp + 50)))

    assert () == price_notices(account, limits=PriceLimits(0))
