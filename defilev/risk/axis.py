"""One move that is followed until something stops working: which prices go with it, and the account on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import fsum
from typing import Literal

from defilev.model.exits import ExitAxis
from defilev.model.exposure import Exposure, Term
from defilev.model.request import Address
from defilev.risk.forms import held_terms, margin
from defilev.risk.liquidation import ratio_liquidations

__all__ = ["Holding", "Moved", "axis_of", "last_shock", "moved"]

LARGEST_FALL, LARGEST_RISE = 0.999, 10.0
_HALVINGS = 60


@dataclass(frozen=True, slots=True)
class Holding:
    """One collateral in quote units: what is supplied, and the threshold that it counts with."""

    asset: Address
    symbol: str
    value: float
    threshold: float


@dataclass(frozen=True, slots=True)
class Moved:
    """An account after a move, in quote units; `factors` are what the assets' prices were multiplied by, 1 when absent.

    `largest_debt` is that of the asset owed most.
    """

    capacity: float
    debt: float
    largest_debt: float
    holdings: tuple[Holding, ...]
    factors: dict[Address, float]

    @property
    def health_factor(self) -> float:
        """Capacity over debt."""
        return self.capacity / self.debt

    @property
    def loan_to_value(self) -> float:
        """Debt over collateral."""
        return self.debt / fsum(holding.value for holding in self.holdings)


def axis_of(exposure: Exposure) -> ExitAxis | None:
    """Return the move that liquidates: a ratio where nothing else is held, else all that is volatile together.

    `None` when nothing is owed, and when neither a fall, nor a rise, nor a ratio leads there.
    """
    terms = held_terms(exposure)
    ratios = ratio_liquidations(exposure)
    pair = next((at for at in ratios if at.independent), None)
    stable = {driver.feed for driver in exposure.drivers if driver.stable or driver.fixed}
    volatile = [term for term in terms if term.driver not in stable]
    if not any(term.requirement for term in terms) or not any(term.capacity for term in terms):
        return None
    if pair is None and (slope := margin(volatile)):
        kind: Literal["fall", "rise"] = "fall" if slope > 0 else "rise"
        if margin(terms) - abs(slope) * _largest(kind) < 0:
            name = volatile[0].symbol if len(volatile) == 1 else "all but stablecoins"
            return ExitAxis(kind, name, frozenset(term.asset for term in volatile))
    pair = pair or min(ratios, key=lambda at: abs(at.distance), default=None)
    if pair is None:
        return None
    return ExitAxis("ratio", f"{pair.collateral.symbol}/{pair.debt.symbol}", frozenset({pair.collateral.asset}))


def moved(exposure: Exposure, axis: ExitAxis, shock: float) -> Moved:
    """Return the account after a move of `shock` along `axis`; idle supply is in none of it."""
    factor = 1 + shock if axis.kind == "rise" else 1 - shock
    factors = dict.fromkeys(axis.moved, factor)
    terms = held_terms(exposure)
    debts = [term.requirement * factors.get(term.asset, 1.0) for term in terms]
    return Moved(
        capacity=fsum(term.capacity * factors.get(term.asset, 1.0) for term in terms),
        debt=fsum(debts),
        largest_debt=max(debts),
        holdings=tuple(_holding(term, factors.get(term.asset, 1.0)) for term in terms if term.capacity > 0),
        factors=factors,
    )


def last_shock(works: Callable[[float], bool], axis: ExitAxis) -> tuple[float | None, bool]:
    """Return the largest move at which something works that stops for good once it has, and whether nothing stops it.

    `None` when it does not even work without a move.
    """
    low, high = 0.0, _largest(axis.kind)
    if not works(low):
        return None, False
    if works(high):
        return high, True
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if works(middle) else (low, middle)
    return low, False


def _largest(kind: Literal["fall", "rise", "ratio"]) -> float:
    return LARGEST_RISE if kind == "rise" else LARGEST_FALL


def _holding(term: Term, factor: float) -> Holding:
    value = term.equity + term.requirement
    return Holding(term.asset, term.symbol, value * factor, term.capacity / value)
