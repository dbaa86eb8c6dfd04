"""What-if rows: a common change of everything volatile, and named shocks together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite

from defilev.model.exposure import Exposure
from defilev.model.request import Address
from defilev.report.liquidation import decimal_figure
from defilev.risk.forms import fixed_feeds, held_terms
from defilev.risk.status import HealthLimits, Status
from defilev.risk.stress import all_but_stable, stress

__all__ = ["NamedShock", "ShockMove", "ShockView", "StressView", "shocked", "stressed", "volatile_assets"]


@dataclass(frozen=True, slots=True)
class NamedShock:
    """A relative `change` (−0.05: a fall of a twentieth) of the drivers that `name` stands for."""

    name: str
    change: Decimal
    feeds: frozenset[Address]


@dataclass(frozen=True, slots=True)
class StressView:
    """The state after a common change of all drivers but stablecoins; no health factor when nothing is owed."""

    change: Decimal
    health_factor: Decimal | None
    status: Status


@dataclass(frozen=True, slots=True)
class ShockMove:
    """A named shock, and the symbols of the account's assets that it moves."""

    name: str
    change: Decimal
    assets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ShockView:
    """The state after all named shocks at once; no health factor when nothing is owed."""

    moves: tuple[ShockMove, ...]
    health_factor: Decimal | None
    status: Status


def stressed(exposure: Exposure, changes: Iterable[Decimal], *, limits: HealthLimits) -> tuple[StressView, ...]:
    """Return the state after each of `changes`, one at a time."""
    return tuple(_stressed(exposure, change, limits) for change in changes)


def shocked(exposure: Exposure, shocks: Sequence[NamedShock], *, limits: HealthLimits) -> ShockView:
    """Return the state after all of `shocks` together."""
    after = stress(exposure, {feed: 1 + float(at.change) for at in shocks for feed in at.feeds}, limits=limits)
    moves = tuple(ShockMove(at.name, at.change, _moved_by(exposure, at)) for at in shocks)
    return ShockView(moves, _decimal(after.health_factor), after.status)


def volatile_assets(exposure: Exposure) -> tuple[str, ...]:
    """Return the symbols of the assets that a common change moves."""
    feeds = all_but_stable(exposure, 0.0)
    return tuple(term.symbol for term in held_terms(exposure) if term.driver in feeds)


def _stressed(exposure: Exposure, change: Decimal, limits: HealthLimits) -> StressView:
    after = stress(exposure, all_but_stable(exposure, float(change)), limits=limits)
    return StressView(change, _decimal(after.health_factor), after.status)


def _moved_by(exposure: Exposure, shock: NamedShock) -> tuple[str, ...]:
    moved = shock.feeds - fixed_feeds(exposure)
    return tuple(term.symbol for term in held_terms(exposure) if term.driver in moved)


def _decimal(health_factor: float | None) -> Decimal | None:
    if health_factor is None or not isfinite(health_factor):
        return None
    return decimal_figure(health_factor)
