"""What if: health and status after shocks. A shock moves a driver, and with it every asset priced from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from defilev.model.exposure import Driver, Exposure
from defilev.model.request import Address
from defilev.risk.forms import health_factor
from defilev.risk.status import HealthLimits, Status, status_of

__all__ = ["Stressed", "all_but_stable", "driver_named", "stress"]


@dataclass(frozen=True, slots=True)
class Stressed:
    """The state after a shock; `health_factor` is `None` when nothing is owed."""

    health_factor: float | None
    status: Status


def stress(exposure: Exposure, factors: Mapping[Address, float], *, limits: HealthLimits) -> Stressed:
    """Return the state with each driver's price multiplied by its factor in `factors`; the others stay."""
    after = health_factor(exposure, factors)
    status = status_of(after, limits=limits, liquidated_at_equality=exposure.liquidated_at_equality)
    return Stressed(after, status)


def all_but_stable(exposure: Exposure, change: float) -> dict[Address, float]:
    """Return the factors of a common relative `change` (−0.1: a fall of a tenth) of all drivers but stablecoins."""
    return {driver.feed: 1 + change for driver in exposure.drivers if not driver.stable}


def driver_named(exposure: Exposure, name: str) -> Driver | None:
    """Return the driver that `name` moves: an asset's symbol, a driver's name, or its first half (ETH of ETH / USD).

    Upper and lower case are the same. `None` when nothing in the exposure has that name.
    """
    wanted = name.casefold()
    for term in exposure.terms:
        if term.symbol.casefold() == wanted:
            return next(driver for driver in exposure.drivers if driver.feed == term.driver)
    for driver in exposure.drivers:
        if wanted in {driver.symbol.casefold(), driver.symbol.split("/")[0].strip().casefold()}:
            return driver
    return None
