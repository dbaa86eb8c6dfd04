"""Deterministic stress scenarios: worst hour, worst day, depegs, governance cuts, a spike of the borrow rate."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, fsum

from defilev.model.exposure import Driver, Exposure, Term
from defilev.model.request import Address

__all__ = ["SCENARIOS", "Scenario", "ScenarioOutcome", "run_scenario"]

_DAYS_PER_YEAR = 365.0
_RATE_TOLERANCE = 0.005


@dataclass(frozen=True, slots=True)
class Scenario:
    """What happens at once; a factor of 1 is no change.

    `volatile` multiplies every driver that is not meant to stand still, all by the same: their correlation is one.
    `volatile_debt` multiplies volatile assets that are owed and whose driver no collateral has, `stable_debt`
    stablecoins that are owed, `rate_priced` assets priced through an exchange rate (wstETH), and `market_only` the same
    where they are sold, but not at an oracle that goes by the rate. `threshold_cut` is taken off every liquidation
    threshold in points (0.05 is five), and debt grows at `borrow_rate` per year for `borrow_days`. `gas` multiplies the
    cost of a transaction and `depth` the depth of the pools.
    """

    name: str
    volatile: float = 1.0
    volatile_debt: float = 1.0
    stable_debt: float = 1.0
    rate_priced: float = 1.0
    market_only: float = 1.0
    threshold_cut: float = 0.0
    borrow_rate: float = 0.0
    borrow_days: float = 0.0
    gas: float = 1.0
    depth: float = 1.0


@dataclass(frozen=True, slots=True)
class ScenarioOutcome:
    """`health_factor` is `None` when nothing is owed.

    `capacity`, `requirement` and `collateral` are in quote units at the oracle, `equity` is at what the market pays,
    before a liquidation takes its share.
    """

    scenario: Scenario
    health_factor: float | None
    liquidated: bool
    capacity: float
    requirement: float
    collateral: float
    equity: float


SCENARIOS = (
    Scenario("−10 %", volatile=0.90),
    Scenario("−20 %", volatile=0.80),
    Scenario("−30 %", volatile=0.70),
    Scenario("−40 %", volatile=0.60),
    Scenario("worst hour, −21 %", volatile=0.79),
    Scenario("6 h of frozen oracle, then −32 %", volatile=0.68),
    Scenario("worst day, −45 %", volatile=0.55),
    Scenario("worst day, gas ×20, pools ÷5", volatile=0.55, gas=20.0, depth=0.2),
    Scenario("+20 %", volatile=1.20),
    Scenario("+40 %", volatile=1.40),
    Scenario("volatile debt +20 % by itself", volatile_debt=1.20),
    Scenario("debt stablecoin +3 %", stable_debt=1.03),
    Scenario("debt stablecoin −5 %", stable_debt=0.95),
    Scenario("staked token −7 % at the oracle", rate_priced=0.93),
    Scenario("staked token −7 % in the market", market_only=0.93),
    Scenario("liquidation threshold −5 points", threshold_cut=0.05),
    Scenario("borrow rate 80 % for 5 days", borrow_rate=0.80, borrow_days=5.0),
)
"""The worst hour, six hours and day of ETH or BTC by closes, 2018 to June 2025, to the next whole per cent."""


def run_scenario(exposure: Exposure, scenario: Scenario) -> ScenarioOutcome:
    """Return the account after `scenario`; a protocol that liquidates at equality does so here."""
    drivers = {driver.feed: driver for driver in exposure.drivers}
    growth = exp(scenario.borrow_rate * scenario.borrow_days / _DAYS_PER_YEAR)
    held = frozenset(term.driver for term in exposure.terms if term.capacity)
    moves = [(term, _factor(term, drivers[term.driver], scenario, held)) for term in exposure.terms]
    capacity = fsum(factor * _capacity_after(term, scenario) for term, factor in moves)
    requirement = fsum(factor * term.requirement * growth for term, factor in moves)
    collateral = fsum(factor * (term.equity + term.requirement) for term, factor in moves)
    unsold = fsum(
        factor * (term.equity + term.requirement) * (1.0 - scenario.market_only)
        for term, factor in moves
        if _is_rate_priced(term, drivers[term.driver])
    )
    health = capacity / requirement if requirement > 0 else None
    return ScenarioOutcome(
        scenario,
        health_factor=health,
        liquidated=health is not None and (health < 1 or (exposure.liquidated_at_equality and health == 1)),
        capacity=capacity,
        requirement=requirement,
        collateral=collateral,
        equity=collateral - requirement - unsold,
    )


def _factor(term: Term, driver: Driver, scenario: Scenario, held: frozenset[Address]) -> float:
    if driver.stable:
        return scenario.stable_debt if term.requirement else 1.0
    own = scenario.volatile_debt if term.requirement and driver.feed not in held else 1.0
    return scenario.volatile * own * (scenario.rate_priced if _is_rate_priced(term, driver) else 1.0)


def _is_rate_priced(term: Term, driver: Driver) -> bool:
    """Whether the asset's price is its driver's times an exchange rate, and it is collateral."""
    return bool(term.capacity and driver.price) and abs(term.price / driver.price - 1.0) > _RATE_TOLERANCE


def _capacity_after(term: Term, scenario: Scenario) -> float:
    """The capacity with the threshold cut: the collateral's value is its equity and what is owed of the same asset."""
    return max(0.0, term.capacity - scenario.threshold_cut * (term.equity + term.requirement)) if term.capacity else 0.0
