"""Where liquidation is: factors and prices at which capacity equals requirement, from an account's linear forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context
from math import fsum
from typing import Literal

from defilev.model.exposure import Driver, Exposure, Term
from defilev.model.request import Address
from defilev.risk.forms import fixed_feeds, held_terms, margin, terms_of

__all__ = [
    "COMPUTED",
    "AssetLiquidation",
    "Crossing",
    "DriverLiquidation",
    "RatioLiquidation",
    "Side",
    "asset_liquidations",
    "crossing",
    "driver_liquidations",
    "joint_shock",
    "ratio_liquidations",
]

Side = Literal["below", "above"]

COMPUTED = Context(prec=12, rounding=ROUND_HALF_EVEN)
"""What a figure computed in floating point is rounded to: far inside its precision."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """The price factor at which health is exactly one, and the side of it on which the account is liquidatable."""

    factor: float
    side: Side


@dataclass(frozen=True, slots=True)
class AssetLiquidation:
    """Liquidation when the price of one asset moves and every other price stays, those with the same driver too.

    `price` is in quote units, `distance` the relative move to it from the price now (negative: a fall).
    """

    term: Term
    crossing: Crossing
    price: float
    distance: float


@dataclass(frozen=True, slots=True)
class DriverLiquidation:
    """Liquidation when a driver moves, and with it the prices of all `terms`; see `AssetLiquidation` for the units."""

    driver: Driver
    terms: tuple[Term, ...]
    crossing: Crossing
    price: float
    distance: float


@dataclass(frozen=True, slots=True)
class RatioLiquidation:
    """Liquidation when the price of `collateral` falls against that of `debt`, an asset with the same driver.

    `ratio` is the price of one whole collateral token in debt tokens at which health is one, `ratio_now` the one now.
    `independent` says that nothing else is held: then health depends on the ratio alone, not on the driver.
    """

    collateral: Term
    debt: Term
    ratio_now: float
    ratio: float
    distance: float
    independent: bool


def crossing(moving: Sequence[Term], fixed: Sequence[Term]) -> Crossing | None:
    """Return where health is one when the prices of `moving` are multiplied by one factor and those of `fixed` stay.

    Solves `factor · capacity(moving) + capacity(fixed) = factor · requirement(moving) + requirement(fixed)`.

    Returns:
        `None` when no factor above zero solves it: then no move of these prices changes the verdict, be it safe or not.
    """
    slope, missing = margin(moving), -margin(fixed)
    if not slope or missing / slope <= 0:
        return None
    return Crossing(factor=missing / slope, side="below" if slope > 0 else "above")


def asset_liquidations(exposure: Exposure) -> tuple[AssetLiquidation, ...]:
    """Return, for each asset whose own price can liquidate the account, the price that does; other prices stay."""
    found = []
    terms, fixed = held_terms(exposure), fixed_feeds(exposure)
    for term in (term for term in terms if term.driver not in fixed):
        at = crossing([term], [other for other in terms if other is not term])
        if at is not None:
            found.append(AssetLiquidation(term, at, price=term.price * at.factor, distance=at.factor - 1))
    return tuple(found)


def driver_liquidations(exposure: Exposure) -> tuple[DriverLiquidation, ...]:
    """Return, for each driver that can liquidate the account, its price that does; all its assets move with it."""
    found = []
    for driver in (driver for driver in exposure.drivers if not driver.fixed):
        moving = terms_of(exposure, driver.feed)
        at = crossing(moving, [term for term in held_terms(exposure) if term.driver != driver.feed])
        if at is not None:
            found.append(DriverLiquidation(driver, moving, at, price=driver.price * at.factor, distance=at.factor - 1))
    return tuple(found)


def joint_shock(exposure: Exposure, direction: Mapping[Address, float]) -> float | None:
    """Return the smallest step above zero along `direction` at which health is one.

    Driver i's price is multiplied by `1 + step · direction[i]`; drivers left out stay. With all components −1 the step
    is the fall that liquidates, as a fraction.

    Returns:
        `None` when health never becomes one before a price reaches zero, or ever.
    """
    terms = held_terms(exposure)
    slope = fsum(margin([term]) * direction.get(term.driver, 0.0) for term in terms)
    steepest = min(direction.values(), default=0.0)
    if not slope or -margin(terms) / slope <= 0:
        return None
    step = -margin(terms) / slope
    return step if 1 + step * steepest > 0 else None


def ratio_liquidations(exposure: Exposure) -> tuple[RatioLiquidation, ...]:
    """Return the liquidation ratio of every collateral against every debt that moves with the same driver.

    The debt's price stays while the collateral's falls; when nothing else is held, any other way to the ratio is the
    same. Pairs whose ratio cannot liquidate are left out.
    """
    terms = held_terms(exposure)
    falling = {at.term.asset: at for at in asset_liquidations(exposure) if at.crossing.side == "below"}
    found = []
    for collateral in terms:
        for debt in terms:
            at = falling.get(collateral.asset)
            if at is not None and _is_pair(collateral, debt):
                found.append(_ratio(collateral, debt, at=at, independent=len(terms) == 2))
    return tuple(found)


def _is_pair(collateral: Term, debt: Term) -> bool:
    same_driver = collateral.driver == debt.driver and collateral.asset != debt.asset
    return same_driver and collateral.capacity > collateral.requirement and debt.requirement > debt.capacity


def _ratio(collateral: Term, debt: Term, *, at: AssetLiquidation, independent: bool) -> RatioLiquidation:
    return RatioLiquidation(
        collateral,
        debt,
        ratio_now=collateral.price / debt.price,
        ratio=at.price / debt.price,
        distance=at.distance,
        independent=independent,
    )
