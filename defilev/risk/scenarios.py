"""Deterministic stress scenarios: worst hour, worst day, depegs, governance cuts, a spike of the borrow rate."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, fsum

from defilev.model.exposure import Driver, Exposure, Term

__all__ = ["SCENARIOS", "Scenario", "ScenarioOutcome", "run_scenario"]

_DAYS_PER_YEAR = 365.0
_RATE_TOLERANCE = 0.005


@dataclass(frozen=True, slots=True)
class Scenario:
    """What happens at once; a factor of 1 is no change.

    `volatile` multiplies every driver that is not meant to stand still, `stable_debt` stablecoins that are owed,
    `rate_priced` assets priced through an exchange rate (wstETH), `threshold_cut` is taken off every liquidation
    threshold in points (0.05 is five), and debt grows at `borrow_rate` per year for `borrow_days`.
    """

    name: str
    volatile: float = 1.0
    stable_debt: float = 1.0
    rate_priced: float = 1.0
    threshold_cut: float = 0.0
    borrow_rate: float = 0.0
    borrow_days: float = 0.0


@dataclass(frozen=True, slots=True)
class ScenarioOutcome:
    """`health_factor` is `None` when nothing is owed.

    `capacity`, `requirement` and `equity` are in quote units, before a liquidation takes its share.
    """

    scenario: Scenario
    health_factor: float | None
    liquidated: bool
    capacity: float
    requirement: float
    equity: float


SCENARIOS = (
    Scenario("−10 %", volatile=0.90),
    Scenario("−20 %", volatile=0.80),
    Scenario("worst hour, −24 %", volatile=0.76),
    Scenario("−30 %", volatile=0.70),
    Scenario("worst day, −40 %", volatile=0.60),
    Scenario("+20 %", volatile=1.20),
    Scenario("+40 %", volatile=1.40),
    Scenario("debt stablecoin +3 %", stable_debt=1.03),
    Scenario("debt stablecoin −5 %", stable_debt=0.95),
    Scenario("staked token −7 % against its asset", rate_priced=0.93),
    Scenario("liquidation threshold −5 points", threshold_cut=0.05),
    Scenario("borrow rate 80 % for 5 days", borrow_rate=0.80, borrow_days=5.0),
)
"""The scenarios that change an account; dear gas, thin pools and a frozen oracle change what can be done about it."""


def run_scenario(exposure: Exposure, scenario: Scenario) -> ScenarioOutcome:
    """Return the account after `scenario`; a protocol that liquidates at equality does so here."""
    drivers = {driver.feed: driver for driver in exposure.drivers}
    growth = exp(scenario.borrow_rate * scenario.borrow_days / _DAYS_PER_YEAR)
    moves = [(term, _factor(term, drivers[term.driver], scenario)) for term in exposure.terms]
    capacity = fsum(factor * _capacity_after(term, scenario) for term, factor in moves)
    requirement = fsum(factor * term.requirement * growth for term, factor in moves)
    equity = fsum(factor * (term.equity - term.requirement * (growth - 1.0)) for term, factor in moves)
    if requirement <= 0:
        return ScenarioOutcome(scenario, None, False, capacity, requirement, equity)
    health = capacity / requirement
    liquidated = health < 1 or (exposure.liquidated_at_equality and health == 1)
    return ScenarioOutcome(scenario, health, liquidated, capacity, requirement, equity)


def _factor(term: Term, driver: Driver, scenario: Scenario) -> float:
    if driver.stable:
        return scenario.stable_debt if term.requirement else 1.0
    priced_by_rate = abs(term.price / driver.price - 1.0) > _RATE_TOLERANCE if driver.price else False
    return scenario.volatile * (scenario.rate_priced if priced_by_rate and term.capacity else 1.0)


def _capacity_after(term: Term, scenario: Scenario) -> float:
    """The capacity with the threshold cut: the collateral's value is its equity and what is owed of the same asset."""
    return max(0.0, term.capacity - scenario.threshold_cut * (term.equity + term.requirement)) if term.capacity else 0.0
