"""Laws of the optimizer: monotone, scale-invariant, inverse of inverse, bands that vanish with their costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from math import isfinite

import pytest
from hypothesis import given, settings, strategies as st

from defilev.model.target_inputs import Preferences
from defilev.model.token import Token
from defilev.optimize.band import band_below, no_trade_band
from defilev.optimize.conversions import health_factor_to_leverage, leverage_to_health_factor
from defilev.optimize.leverage import growth_optimal_leverage, growth_rate, implied_return
from defilev.optimize.mix import Mix, mix_of
from defilev.optimize.target import choose_target
from tests.factories import (
    DAI,
    ETH_FEED,
    USDC,
    WBTC,
    WETH,
    WSTETH,
    a_borrow,
    a_supply,
    an_account,
    exposure_of,
)
from tests.support.targets import a_market, a_position

thresholds = st.floats(0.3, 0.97)
leverages = st.floats(1.01, 15)
volatilities = st.floats(0.2, 1.5)
costs = st.floats(0, 5e-3)
shares = st.floats(0.05, 0.75)
fewer = settings(max_examples=max(20, settings.default.max_examples // 5) if settings.default else 20)
"""Each of these examples computes whole targets."""
OBJECTIVES = st.sampled_from(
    [
        Preferences(),
        Preferences(objective="ceiling"),
        Preferences(objective="fixed", leverage=1.8),
        Preferences(objective="kelly", sharpe=1.2),
        Preferences(objective="cppi", floor=0.5),
        Preferences(objective="carry"),
    ]
)


@given(leverages, thresholds)
def test_conversions_are_inverse(leverage: float, threshold: float) -> None:
    """Leverage to health factor and back is the identity."""
    health = leverage_to_health_factor(leverage, threshold)
    assert health is not None
    assert leverage == pytest.approx(health_factor_to_leverage(health, threshold), rel=1e-9)


@given(leverages, leverages, thresholds)
def test_health_falls_with_leverage(first: float, second: float, threshold: float) -> None:
    """More leverage is less health."""
    low, high = sorted((first, second))
    less, more = leverage_to_health_factor(high, threshold), leverage_to_health_factor(low, threshold)
    assert less is not None
    assert more is not None
    assert less <= more


@given(st.floats(-0.5, 3), volatilities, st.floats(0, 0.1), st.floats(0.03, 0.2), st.floats(-5, 5))
def test_no_leverage_grows_faster_than_the_optimum(
    expected_return: float, volatility: float, supply: float, borrow: float, other: float
) -> None:
    """The growth-optimal leverage is at least as good as any other, on either side of the kink."""
    market = (expected_return, volatility, supply, borrow)
    best = growth_optimal_leverage(*market, idle_rate=0.03)
    assert growth_rate(best, *market, idle_rate=0.03) >= growth_rate(other, *market, idle_rate=0.03) - 1e-9


@given(st.floats(1.05, 10), volatilities, st.floats(0, 0.1), st.floats(0, 0.2))
def test_implied_return_is_the_inverse_of_kelly(
    leverage: float, volatility: float, supply: float, borrow: float
) -> None:
    """The leverage that is optimal under the implied return of a leverage is that leverage."""
    implied = implied_return(leverage, volatility, supply, borrow)
    assert leverage == pytest.approx(growth_optimal_leverage(implied, volatility, supply, borrow), rel=1e-6)


@given(leverages, st.floats(0.5, 10), costs, costs)
def test_band_levels_are_in_order(leverage: float, aversion: float, proportional: float, fixed: float) -> None:
    """The four levels enclose the target in order, and health factors are ordered the other way round."""
    band = no_trade_band(leverage, aversion, proportional, fixed)
    assert band.trigger_low <= band.trade_to_low <= leverage <= band.trade_to_high <= band.trigger_high
    health = band.to_health_factors(0.83)
    levels = [health.trigger_low, health.trade_to_low, health.trade_to_high, health.trigger_high]
    known = [float("inf") if level is None else level for level in levels]
    assert known == sorted(known)


@given(leverages, st.floats(0.5, 10), costs, costs)
def test_band_shrinks_with_its_costs(leverage: float, aversion: float, proportional: float, fixed: float) -> None:
    """Lower costs never widen the band, and without costs it vanishes."""
    wide = no_trade_band(leverage, aversion, proportional, fixed)
    narrow = no_trade_band(leverage, aversion, proportional / 2, fixed / 2)
    assert narrow.trigger_high <= wide.trigger_high + 1e-12
    tiny = no_trade_band(leverage, aversion, proportional * 1e-15, fixed * 1e-20)
    assert tiny.trigger_high == pytest.approx(leverage, abs=1e-2)


@given(st.floats(1.05, 10), st.floats(0.5, 10), costs, costs)
def test_band_below_a_ceiling_stays_below_it(
    ceiling: float, aversion: float, proportional: float, fixed: float
) -> None:
    """What is traded to, once a ceiling is exceeded, lies between no debt and the ceiling."""
    band = band_below(ceiling, aversion, proportional, fixed)
    assert band.trigger_high == ceiling
    assert 1 <= band.trade_to_high <= ceiling


@fewer
@given(shares, volatilities, OBJECTIVES)
def test_every_answer_is_finite_and_inside_the_ceilings(share: float, volatility: float, wants: Preferences) -> None:
    """No NaN and no infinity in any figure; the target is within every hard ceiling (`keep` only lowers)."""
    position = a_position(debt_value=Decimal(repr(round(120_000 * share, 2))))
    target = choose_target(position, a_market(volatility), wants)
    document = target.to_document()
    assert all(isfinite(figure) for figure in _floats(document))
    for ceiling in target.ceilings:
        if ceiling.kind == "hard" and ceiling.leverage is not None and ceiling.name != "no-new-debt":
            assert target.target.leverage <= max(ceiling.leverage, 1.0) + 1e-9


@fewer
@given(shares, volatilities, OBJECTIVES, st.sampled_from([Decimal("0.001"), Decimal(1000)]))
def test_the_size_of_an_account_changes_no_ratio(
    share: float, volatility: float, wants: Preferences, factor: Decimal
) -> None:
    """A thousand times the dollars (gas aside) have the same leverage, health factors and chances."""
    debt = Decimal(repr(round(120_000 * share, 2)))
    small = a_position(debt_value=debt)
    large = a_position(
        debt_value=debt * factor, collateral_value=small.collateral_value * factor, health_factor=small.health_factor
    )
    first, second = (choose_target(position, a_market(volatility), wants) for position in (small, large))
    assert first.target.leverage == pytest.approx(second.target.leverage, rel=1e-9)
    assert first.now.risks == second.now.risks
    assert (first.band.trigger_low or 0) == pytest.approx(second.band.trigger_low or 0, rel=1e-9)


@fewer
@given(volatilities, volatilities, st.sampled_from([0.05, 0.01]), st.sampled_from([1.0, 7.0, 30.0]))
def test_more_volatility_never_allows_more_leverage(
    first: float, second: float, probability: float, days: float
) -> None:
    """The highest leverage falls as volatility rises."""
    low, high = sorted((first, second))
    wants = Preferences(objective="ceiling", maximum_probability=probability, horizon_days=days)
    calm, wild = (choose_target(a_position(), a_market(level), wants).target.leverage for level in (low, high))
    assert wild <= calm + 1e-9


@fewer
@given(st.floats(0.0011, 0.5), st.floats(0.0011, 0.5), volatilities)
def test_a_larger_budget_never_allows_less(first: float, second: float, volatility: float) -> None:
    """The highest leverage rises with the chance that is allowed."""
    small, large = sorted((first, second))
    strict, loose = (
        choose_target(a_position(), a_market(volatility), Preferences(objective="ceiling", maximum_probability=budget))
        for budget in (small, large)
    )
    assert strict.target.leverage <= loose.target.leverage + 1e-9


@fewer
@given(shares, OBJECTIVES)
def test_hard_ceilings_of_the_user_only_tighten(share: float, wants: Preferences) -> None:
    """A minimum health factor or maximum leverage never raises the target."""
    position = a_position(debt_value=Decimal(repr(round(120_000 * share, 2))))
    free = choose_target(position, a_market(), wants)
    bound = choose_target(position, a_market(), replace(wants, minimum_health_factor=1.7, maximum_leverage=1.9))
    assert bound.target.leverage <= free.target.leverage + 1e-9 or wants.objective == "keep"
    assert bound.target.leverage <= max(1.9, 1.0) + 1e-9


@given(
    st.lists(st.tuples(st.integers(6, 18), st.integers(1, 10**7), st.integers(0, 10**6)), min_size=5, max_size=5),
    st.permutations(range(5)),
    st.tuples(*[st.floats(0.1, 1.2)] * 3),
)
def test_decimals_and_order_of_assets_change_nothing(
    legs: list[tuple[int, int, int]], order: list[int], sigmas: tuple[float, float, float]
) -> None:
    """Tokens of other decimals, supplied and owed in another order, are the same account: volatility, drift, side."""
    prices = ("3000", "3660", "90000", "1", "1")
    feeds = {ETH_FEED: sigmas[0], WBTC.address: sigmas[1], USDC.address: 0.0, DAI.address: 0.0}

    def mix(tokens: list[Token], places: Sequence[int]) -> Mix:
        account = an_account(
            *(a_supply(tokens[p], f"{legs[p][1]}e-4", prices[p]) for p in places),
            *(a_borrow(tokens[p], f"{legs[p][2]}e-4", prices[p]) for p in reversed(places) if legs[p][2]),
        )
        return mix_of(exposure_of(account), feeds)

    usual = [WETH, WSTETH, WBTC, USDC, DAI]
    plain = mix(usual, range(5))
    other = mix([replace(token, decimals=legs[p][0]) for p, token in enumerate(usual)], order)
    assert (plain.side, plain.assumed) == (other.side, other.assumed)
    for figure in ("volatility", "drift", "exposure_volatility", "moving_share"):
        assert getattr(plain, figure) == pytest.approx(getattr(other, figure), rel=1e-6, abs=1e-6)


def _floats(document: object) -> list[float]:
    if isinstance(document, float):
        return [document]
    if isinstance(document, dict):
        return [figure for value in document.values() for figure in _floats(value)]
    if isinstance(document, list):
        return [figure for value in document for figure in _floats(value)]
    return []
