"""Laws of liquidation and stress over random accounts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given, strategies as st

from defilev.model.exposure import Exposure
from defilev.risk.forms import health_factor
from defilev.risk.interest import days_to_liquidation_by_interest, margin_after
from defilev.risk.liquidation import asset_liquidations, driver_liquidations, joint_shock, ratio_liquidations
from tests.factories import DAI, USDC, WBTC, WETH, WSTETH, a_term, an_exposure

TOKENS = (WETH, WSTETH, WBTC, USDC, DAI)
money = st.one_of(st.just(0.0), st.floats(1e-2, 1e9))
prices = st.floats(1e-4, 1e6)
rates = st.floats(0.0, 1.5)
factors = st.floats(0.01, 100.0)


@st.composite
def exposures(draw: st.DrawFn) -> Exposure:
    """Accounts over up to five assets, two of which share a driver; any side, any size, healthy or not."""
    tokens = draw(st.lists(st.sampled_from(TOKENS), min_size=1, max_size=5, unique=True))
    return an_exposure(
        *(
            a_term(
                token,
                price=draw(prices),
                capacity=draw(money),
                requirement=draw(money),
                supply_rate=draw(rates),
                borrow_rate=draw(rates),
            )
            for token in tokens
        )
    )


def _with_asset_moved(exposure: Exposure, asset: str, factor: float) -> Exposure:
    terms = (
        replace(term, capacity=term.capacity * factor, requirement=term.requirement * factor)
        if term.asset == asset
        else term
        for term in exposure.terms
    )
    return replace(exposure, terms=tuple(terms))


def _well_conditioned(exposure: Exposure, driver_terms: float) -> bool:
    total = sum(term.capacity + term.requirement for term in exposure.terms)
    return driver_terms > 1e-5 * total


@given(exposures())
def test_health_is_one_at_every_driver_liquidation(exposure: Exposure) -> None:
    """At a driver's liquidation factor the health factor is one to 1e-9."""
    for at in driver_liquidations(exposure):
        assume(_well_conditioned(exposure, at.crossing.factor * sum(t.requirement + t.capacity for t in at.terms)))

        assert 1 == pytest.approx(health_factor(exposure, {at.driver.feed: at.crossing.factor}), rel=1e-9)
        assert at.price == pytest.approx(at.driver.price * (1 + at.distance), rel=1e-9, abs=1e-12)


@given(exposures())
def test_health_is_one_at_every_asset_liquidation(exposure: Exposure) -> None:
    """At an asset's own liquidation price, all others as they are, the health factor is one to 1e-9."""
    for at in asset_liquidations(exposure):
        moved = _with_asset_moved(exposure, at.term.asset, at.crossing.factor)

        assert 1 == pytest.approx(health_factor(moved), rel=1e-9)


@given(exposures(), st.floats(1.001, 3.0))
def test_the_side_says_where_it_is_liquidatable(exposure: Exposure, beyond: float) -> None:
    """Past the liquidation factor health is below one on the named side and above one on the other, shorts too."""
    for at in driver_liquidations(exposure):
        slope = abs(sum(t.capacity - t.requirement for t in at.terms)) * at.crossing.factor
        assume(_well_conditioned(exposure, slope))
        below = health_factor(exposure, {at.driver.feed: at.crossing.factor / beyond})
        above = health_factor(exposure, {at.driver.feed: at.crossing.factor * beyond})

        assert below is not None
        assert above is not None
        assert (below < 1 < above) if at.crossing.side == "below" else (above < 1 < below)


@given(exposures(), factors, factors)
def test_between_two_shocks_the_verdict_changes_only_at_the_liquidation_price(
    exposure: Exposure, one: float, other: float
) -> None:
    """The verdict differs between two shocks of a driver exactly when its liquidation price lies between them."""
    crossings = {at.driver.feed: at.crossing.factor for at in driver_liquidations(exposure)}
    low, high = sorted((one, other))
    for driver in exposure.drivers:
        before, after = (health_factor(exposure, {driver.feed: factor}) for factor in (low, high))
        at = crossings.get(driver.feed)
        if before is None or after is None or min(abs(before - 1), abs(after - 1)) < 1e-9:
            continue

        assert ((before < 1) != (after < 1)) == (at is not None and low < at < high)


@given(exposures(), st.floats(1e-6, 1e6))
def test_scaling_an_account_changes_no_ratio(exposure: Exposure, scale: float) -> None:
    """A position a thousand times as large has the same health, liquidation prices and days."""
    larger = replace(
        exposure,
        terms=tuple(
            replace(term, capacity=term.capacity * scale, requirement=term.requirement * scale)
            for term in exposure.terms
        ),
    )
    before, after = health_factor(exposure), health_factor(larger)

    assert (before is None) == (after is None)
    assert before is None or before == pytest.approx(after, rel=1e-12)


@given(exposures(), st.floats(1e-3, 1e3))
def test_multiplying_every_price_leaves_health_alone(exposure: Exposure, factor: float) -> None:
    """Health depends on relative prices: all drivers times one factor change nothing."""
    before = health_factor(exposure)
    after = health_factor(exposure, {driver.feed: factor for driver in exposure.drivers})

    assert before == after or after == pytest.approx(before, rel=1e-9)


@given(exposures(), st.floats(0.1, 1.0))
def test_health_never_rises_when_collateral_falls(exposure: Exposure, factor: float) -> None:
    """When what is only collateral falls, health does not rise; when what is only owed rises, neither."""
    for driver in exposure.drivers:
        terms = [term for term in exposure.terms if term.driver == driver.feed]
        before = health_factor(exposure)
        assume(before is not None)
        if not any(term.requirement for term in terms):
            after = health_factor(exposure, {driver.feed: factor})
            assert after is not None
            assert before is not None
            assert after <= before * (1 + 1e-12)


@given(exposures())
def test_a_joint_shock_along_one_driver_is_that_driver_s_liquidation(exposure: Exposure) -> None:
    """Along a single driver, the joint shock is the distance to its liquidation price."""
    for at in driver_liquidations(exposure):
        assume(abs(at.distance) > 1e-9)
        direction = {at.driver.feed: 1.0 if at.distance > 0 else -1.0}

        assert abs(at.distance) == pytest.approx(joint_shock(exposure, direction), rel=1e-6, abs=1e-9)


@given(exposures())
def test_the_ratio_agrees_with_the_asset_s_own_price(exposure: Exposure) -> None:
    """At the liquidation ratio the collateral's price over the debt's puts health at one."""
    for at in ratio_liquidations(exposure):
        moved = _with_asset_moved(exposure, at.collateral.asset, at.ratio / at.ratio_now)

        assert 1 == pytest.approx(health_factor(moved), rel=1e-8)


@given(exposures())
def test_interest_liquidates_on_the_day_it_says(exposure: Exposure) -> None:
    """The margin is positive before the day and not after; never means a positive margin after a century too."""
    days = days_to_liquidation_by_interest(exposure)
    owed = health_factor(exposure) is not None
    if days is None:
        assert not owed or margin_after(exposure, 100) >= 0
    elif days > 1e-6:
        assert margin_after(exposure, days / 365 * (1 - 1e-6)) >= 0
        assert margin_after(exposure, days / 365 * (1 + 1e-6)) <= 0
