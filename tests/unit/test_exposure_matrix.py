"""Books of accounts as matrices, and the deterministic scenarios."""

from __future__ import annotations

import numpy as np
import pytest

from defilev.errors import InvalidNumber, UnknownName
from defilev.model.exposure import Driver, Exposure, Term
from defilev.model.request import Address
from defilev.risk.exposure import ExposureMatrix, beta_weighted_delta, exposure_matrix, log_health, net_delta
from defilev.risk.first_passage import liquidation_probability
from defilev.risk.forms import health_factor
from defilev.risk.liquidation import driver_liquidations, joint_shock
from defilev.risk.scenarios import SCENARIOS, Scenario, run_scenario

ETH, USD, BTC = (Address(name) for name in ("0xE", "0xD", "0xB"))
DRIVERS = (
    Driver(ETH, "ETH / USD", 3000.0, stable=False),
    Driver(USD, "USDC / USD", 1.0, stable=True),
    Driver(BTC, "BTC / USD", 60_000.0, stable=False),
)


def term(
    symbol: str, driver: Address, price: float, *, supplied: float = 0.0, threshold: float = 0.8, owed: float = 0.0
) -> Term:
    capacity = threshold * supplied
    return Term(Address("0x" + symbol), symbol, driver, price, capacity, owed, supplied - owed, 0.02, 0.05)


def account(*terms: Term) -> Exposure:
    return Exposure("aave-v3", "main", Address("0xO"), DRIVERS, terms)


LOOP = account(
    term("wstETH", ETH, 3600.0, supplied=100_000.0), term("WBTC", BTC, 60_000.0, supplied=20_000.0),
    term("USDC", USD, 1.0, owed=60_000.0), term("WETH", ETH, 3000.0, owed=5_000.0),
)  # fmt: skip
BOOK = [
    LOOP,
    account(term("WETH", ETH, 3000.0, supplied=1000.0)),
    account(term("USDC", USD, 1.0, supplied=500.0, owed=100.0)),
]


def test_matrix_figures_are_those_of_single_accounts() -> None:
    """Health, a shock along a direction and liquidation by one driver are the same as account by account."""
    matrix = exposure_matrix(BOOK)
    shocks = np.array([[1.0, 1.0, 1.0], [0.8, 1.0, 0.7]])
    found = matrix.health_factors(shocks)
    for row, exposure in enumerate(BOOK):
        for scenario, factors in enumerate(shocks):
            expected = health_factor(exposure, dict(zip(matrix.drivers, (float(f) for f in factors), strict=True)))
            assert (np.inf if expected is None else expected) == pytest.approx(found[row, scenario])
    direction = np.array([-1.0, 0.0, -1.0])
    steps = matrix.steps_to_liquidation(direction)
    assert joint_shock(LOOP, {ETH: -1.0, BTC: -1.0}) == pytest.approx(steps[0])
    assert [np.inf, np.inf] == list(steps[1:])
    factors = {at.driver.feed: at.crossing.factor for at in driver_liquidations(LOOP)}
    for place, feed in enumerate(matrix.drivers):
        assert factors.get(feed, np.inf) == pytest.approx(matrix.liquidation_factors()[0, place])


def test_ten_thousand_accounts_at_once() -> None:
    """A book of 10,000 accounts over 20 drivers is one operation, and no figure is NaN."""
    generator = np.random.default_rng(1)
    capacity, requirement = generator.exponential(size=(2, 10_000, 20))
    one = np.zeros(10_000)
    matrix = ExposureMatrix(
        tuple(Address(f"0x{i}") for i in range(20)), capacity * 2, requirement, capacity * 2 - requirement, one, one
    )
    risk = log_health(matrix, np.full(20, 0.7), np.full((20, 20), 0.6) + 0.4 * np.eye(20))
    found = liquidation_probability(matrix.health_factors(), risk.volatility, 7 / 365, risk.drift)
    assert (10_000,) == found.shape
    assert np.isfinite(found).all()
    assert not np.isnan(matrix.steps_to_liquidation(np.full(20, -1.0))).any()


@pytest.mark.parametrize(("days", "expected"), [(30, 0.03264), (90, 0.25089)])
def test_basket_of_the_reference(days: float, expected: float) -> None:
    """Collaterals 50/30/10, debts 40/8: HF 1.4875, σ_B=.6200, ν=−.2450, and the closed probabilities."""
    capacity = np.array([[0.83 * 50, 0.78 * 30, 0.65 * 10, 0]])
    requirement = np.array([[0, 8.0, 0, 40.0]])
    one = np.zeros(1)
    names = tuple(Address(name) for name in "abcd")
    matrix = ExposureMatrix(names, capacity, requirement, capacity - requirement, one, one)
    correlation = np.array([[1, 0.8, 0.7, 0], [0.8, 1, 0.6, 0], [0.7, 0.6, 1, 0], [0, 0, 0, 1]])
    risk = log_health(matrix, np.array([0.8, 0.6, 1.1, 0.01]), correlation)
    health = matrix.health_factors()
    assert (1.4875, 0.6200, -0.2450) == pytest.approx((health[0], risk.volatility[0], risk.drift[0]), abs=5e-5)
    found = liquidation_probability(health, risk.volatility, days / 365, risk.drift)
    assert expected == pytest.approx(float(found[0]), abs=6e-6)


def test_one_asset_against_dollars_is_the_single_pair() -> None:
    """σ is the asset's and ν = s − b − σ²/2."""
    pair = exposure_matrix([account(term("WETH", ETH, 3000.0, supplied=100.0), term("USDC", USD, 1.0, owed=50.0))])
    risk = log_health(pair, np.array([0.7, 0.0, 0.5]), np.eye(3))
    assert (0.7, 0.02 - 0.05 - 0.245) == pytest.approx((risk.volatility[0], risk.drift[0]))


def test_delta_nets_over_accounts_and_wallets() -> None:
    """What is supplied less what is owed, wallets added, weighted by beta; a driver without a beta is named."""
    delta = net_delta(exposure_matrix(BOOK), {ETH: -10_000.0})
    assert {ETH: 100_000 - 5_000 + 1000 - 10_000, BTC: 20_000, USD: -60_000 + 400} == pytest.approx(delta)
    assert 86_000 + 0.8 * 20_000 == pytest.approx(beta_weighted_delta(delta, {ETH: 1.0, BTC: 0.8, USD: 0.0}))
    with pytest.raises(UnknownName, match="0xB"):
        beta_weighted_delta(delta, {ETH: 1.0, USD: 0.0})


def test_vectors_must_match_the_drivers() -> None:
    """One volatility per driver, none negative."""
    matrix = exposure_matrix(BOOK)
    with pytest.raises(InvalidNumber, match="do not match"):
        log_health(matrix, np.array([0.7, 0.0]), np.eye(2))
    with pytest.raises(InvalidNumber, match="volatility"):
        log_health(matrix, np.array([0.7, -0.1, 0.5]), np.eye(3))


def test_scenarios_do_what_they_say() -> None:
    """Each scenario's health from the definition: prices, thresholds in points, and interest on the debt."""
    expected = {
        "−20 %": (0.8 * 96_000) / (60_000 + 0.8 * 5_000),
        "debt stablecoin +3 %": 96_000 / (61_800 + 5_000),
        "volatile debt +20 % by itself": 96_000 / 65_000,
        "staked token −7 % at the oracle": (0.93 * 80_000 + 16_000) / 65_000,
        "staked token −7 % in the market": 96_000 / 65_000,
        "liquidation threshold −5 points": (0.75 * 120_000) / 65_000,
        "borrow rate 80 % for 5 days": 96_000 / (65_000 * np.exp(0.8 * 5 / 365)),
    }
    outcomes = {scenario.name: run_scenario(LOOP, scenario) for scenario in SCENARIOS}
    for name, health in expected.items():
        assert health == pytest.approx(outcomes[name].health_factor)
    assert outcomes["worst day, −45 %"].liquidated
    assert not outcomes["−10 %"].liquidated


def test_no_debt_survives_every_scenario() -> None:
    """Without debt there is no health factor and no liquidation."""
    for scenario in SCENARIOS:
        outcome = run_scenario(BOOK[1], scenario)
        assert (None, False) == (outcome.health_factor, outcome.liquidated)
    assert 600.0 == pytest.approx(run_scenario(BOOK[1], Scenario("fall", volatile=0.6)).equity)
