"""Sums over an exposure's terms: capacity, requirement and health with some prices multiplied by factors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import fsum

from defilev.model.exposure import Exposure, Term
from defilev.model.request import Address

__all__ = ["fixed_feeds", "health_factor", "held_terms", "margin", "terms_of"]


def margin(terms: Iterable[Term]) -> float:
    """Return capacity minus requirement of `terms` in quote units, rounded once: sums that cancel lose nothing."""
    return fsum(part for term in terms for part in (term.capacity, -term.requirement))


def health_factor(exposure: Exposure, factors: Mapping[Address, float] | None = None) -> float | None:
    """Return capacity divided by requirement with each driver's price multiplied by its factor in `factors`.

    Drivers that are left out stay where they are, and so does a fixed one. `None` when nothing is owed; infinite when
    the prices of all that is owed are multiplied by zero.
    """
    fixed = fixed_feeds(exposure)
    moved = {feed: factor for feed, factor in (factors or {}).items() if feed not in fixed}
    owed = fsum(term.requirement * moved.get(term.driver, 1.0) for term in exposure.terms)
    counted = fsum(term.capacity * moved.get(term.driver, 1.0) for term in exposure.terms)
    if not any(term.requirement for term in exposure.terms):
        return None
    return counted / owed if owed else float("inf")


def fixed_feeds(exposure: Exposure) -> frozenset[Address]:
    """Return the feeds of the currency that the account counts in."""
    return frozenset(driver.feed for driver in exposure.drivers if driver.fixed)


def held_terms(exposure: Exposure) -> tuple[Term, ...]:
    """Return the terms on which liquidation depends; idle supply and assets not held are left out."""
    return tuple(term for term in exposure.terms if term.capacity or term.requirement)


def terms_of(exposure: Exposure, driver: Address) -> tuple[Term, ...]:
    """Return the terms that move with `driver` and on which liquidation depends."""
    return tuple(term for term in held_terms(exposure) if term.driver == driver)
