"""A book's delta in terms of one asset: what all of it gains when that one moves, and the others move with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from defilev.errors import UnknownName
from defilev.model.exposure import Driver, plain_symbol
from defilev.model.request import Address
from defilev.pipeline.betas import betas_of
from defilev.report.liquidation import decimal_figure
from defilev.report.total import DriverView

__all__ = ["BetaView", "beta_weighted", "estimated"]


@dataclass(frozen=True, slots=True)
class BetaView:
    """What is gained when `reference` doubles, in dollars at today's slopes, and the betas that counted."""

    reference: str
    delta: Decimal
    betas: tuple[tuple[str, Decimal], ...]


def estimated(
    drivers: tuple[DriverView, ...], *, reference: str, prices: Path | None, at: int, given: Mapping[str, float]
) -> Mapping[str, float]:
    """Return the betas of `drivers` to `reference` by name: `given` ones, and those that `prices` tell.

    Raises:
        UnknownName: the book has no such driver, or a file is missing.
        HistoryUnusable, UsageError: see `betas_of`.
    """
    if prices is None:
        return given
    own = plain_symbol(reference)
    known = {
        driver.name: Driver(Address(driver.name), driver.name, float(driver.price), stable=False)
        for driver in _weighed(drivers)
    }
    if own not in known:
        raise UnknownName(
            f"nothing in the book moves with {own}", fix="name one of its drivers", known=", ".join(known) or "none"
        )
    return betas_of(list(known.values()), reference=known[own], prices=prices, at=at, given=given)


def beta_weighted(drivers: tuple[DriverView, ...], *, reference: str, betas: Mapping[str, float]) -> BetaView:
    """Return the delta of `drivers` in terms of `reference`, whose own beta is one; options count at their deltas.

    Raises:
        UnknownName: a driver with a delta has no beta.
    """
    counted, own = _weighed(drivers), plain_symbol(reference)
    known = {**betas, own: 1.0}
    missing = [driver.name for driver in counted if driver.name not in known]
    if missing:
        raise UnknownName(
            f"no beta of {', '.join(missing)} to {own}",
            fix=f"give --beta {missing[0]}=1.1, or price files with --prices DIR",
        )
    used = tuple((driver.name, decimal_figure(known[driver.name])) for driver in counted)
    total = sum(float(driver.delta) * known[driver.name] for driver in counted)
    return BetaView(own, decimal_figure(total), used)


def _weighed(drivers: tuple[DriverView, ...]) -> tuple[DriverView, ...]:
    """Return the drivers that need a beta: neither stablecoins nor prices of one asset in another."""
    return tuple(driver for driver in drivers if not driver.stable and "/" not in driver.name and driver.delta)
