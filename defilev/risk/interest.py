"""How long until interest alone liquidates: prices, exchange rates and yearly rates stay as they are."""

from __future__ import annotations

from math import exp, fsum

from defilev.model.exposure import Exposure
from defilev.risk.forms import health_factor, held_terms

__all__ = ["HORIZON_YEARS", "days_to_liquidation_by_interest", "margin_after"]

HORIZON_YEARS = 100.0
DAYS_PER_YEAR = 365.0
_BISECTIONS = 80


def margin_after(exposure: Exposure, years: float) -> float:
    """Return capacity minus requirement in quote units after `years` of interest.

    Supply earns simple interest and debt compounds continuously: the slowest growth of what counts and the fastest of
    what is owed that the yearly rates allow.
    """
    return fsum(
        term.capacity * (1 + term.supply_rate * years) - term.requirement * exp(term.borrow_rate * years)
        for term in held_terms(exposure)
    )


def days_to_liquidation_by_interest(exposure: Exposure) -> float | None:
    """Return the days until interest alone brings health down to one; 0 when it is there already.

    The margin is concave in time, so it crosses zero once.

    Returns:
        `None` when nothing is owed, or when interest does not liquidate within `HORIZON_YEARS`.
    """
    if health_factor(exposure) is None:
        return None
    if margin_after(exposure, 0.0) <= 0:
        return 0.0
    if margin_after(exposure, HORIZON_YEARS) >= 0:
        return None
    safe, liquidated = 0.0, HORIZON_YEARS
    for _ in range(_BISECTIONS):
        middle = (safe + liquidated) / 2
        safe, liquidated = (middle, liquidated) if margin_after(exposure, middle) > 0 else (safe, middle)
    return safe * DAYS_PER_YEAR
