"""A loan and its hedge on two venues that do not pay for each other: when either is lost, and how to split the margin.

One price moves both: a fall liquidates the loan, a rise the hedge. Money between the venues moves the two barriers
against each other. What is left of the interval is as in Borodin–Salminen 2002, 3.0.2; the best carry is a linear
programme over collateral, debt, margin and hedge.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log

from defilev.errors import Infeasible, InvalidNumber
from defilev.optimize.arguments import above, at_least, finite, open_unit
from defilev.risk.first_passage import double_barrier_exit_probability, health_factor_for_probability

__all__ = ["CarryBook", "CarryTerms", "Leg", "Odds", "best_carry", "best_split", "missing_equity", "odds", "safe_terms"]

_SECTIONS = 45
_BISECTIONS = 40
_GOLDEN = 0.6180339887498949
_ALMOST = 1 - 1e-9
_NEARLY_NOTHING = 1e-12


@dataclass(frozen=True, slots=True)
class Leg:
    """One account's margin over liquidation, `slope·f + fixed` in quote units when the price is multiplied by f."""

    slope: float
    fixed: float

    @property
    def margin(self) -> float:
        """What is left above liquidation now."""
        return self.slope + self.fixed

    def barrier(self, added: float = 0.0) -> float:
        """Return the factor at which the leg is liquidated with `added` more in it; 0 or infinity where none is."""
        missing = -(self.fixed + added)
        if not self.slope or missing / self.slope <= 0:
            return 0.0 if self.slope >= 0 else inf
        return missing / self.slope


@dataclass(frozen=True, slots=True)
class Odds:
    """The chances within a horizon: that either is liquidated, the loan alone, and the hedge alone.

    `below` and `above` are the factors of the price at which; 0 and infinity where none is.
    """

    either: float
    loan: float
    hedge: float
    below: float
    above: float


@dataclass(frozen=True, slots=True)
class CarryTerms:
    """What a hedged book may be made of, rates per year; `hedge_rate` is what the hedge receives, of its notional.

    `health_factor` is the least of the loan, `margin_part` the least margin of the hedge as a part of its notional, and
    `band` what may be left of the delta, as parts of the equity.
    """

    liquidation_threshold: float
    loan_to_value: float
    supply_rate: float
    borrow_rate: float
    hedge_rate: float
    health_factor: float
    margin_part: float
    band: tuple[float, float]


@dataclass(frozen=True, slots=True)
class CarryBook:
    """Collateral, debt, margin and notional of the hedge in quote units, and what all of it earns in a year."""

    collateral: float
    debt: float
    margin: float
    notional: float
    carry: float


def odds(loan: Leg, hedge: Leg, *, volatility: float, horizon: float, moved: float = 0.0) -> Odds:
    """Return the chances when `moved` goes from the loan to the margin of the hedge; negative: the other way.

    Args:
        loan: gains by a rise of the price.
        hedge: gains by a fall.
        volatility: per √year; the price has no drift but the lognormal's own.
        horizon: in years.
        moved: in quote units.

    Raises:
        InvalidNumber: legs that do not hedge each other, or what the double barrier raises.
    """
    if loan.slope <= 0 or hedge.slope >= 0:
        raise InvalidNumber("a rise must help the loan and hurt the hedge", fix="give a loan and a hedge of it")
    down, up = _distances(loan, hedge, moved)
    either = _leaving(down, up, volatility, horizon)
    alone = _leaving(down, inf, volatility, horizon), _leaving(inf, up, volatility, horizon)
    return Odds(either, *alone, loan.barrier(-moved), hedge.barrier(moved))


def best_split(
    loan: Leg, hedge: Leg, *, volatility: float, horizon: float, least: float = -inf, most: float = inf
) -> float:
    """Return what to move from the loan to the hedge, so that either is liquidated with the smallest chance.

    Args:
        loan, hedge, volatility, horizon: see `odds`.
        least, most: what the venues allow; beyond what liquidates an account nothing is moved anyway.

    Raises:
        Infeasible: an account is liquidatable now, and moving money does not mend it.
    """
    low = max(least, -hedge.margin * _ALMOST)
    high = min(most, loan.margin * _ALMOST)
    if low > high:
        raise Infeasible(
            "both venues need more than there is: no split of the margin keeps both accounts", fix="add margin to one"
        )
    for _ in range(_SECTIONS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        first, second = (_leaving(*_distances(loan, hedge, moved), volatility, horizon) for moved in (left, right))
        low, high = (low, right) if first <= second else (left, high)
    return (low + high) / 2


def missing_equity(loan: Leg, hedge: Leg, *, volatility: float, horizon: float, budget: float) -> float:
    """Return what must be added, and split as `best_split` does, until the chance is `budget`; 0 when it is already."""
    open_unit(budget, what="budget for liquidation")

    def chance(extra: float) -> float:
        richer = Leg(hedge.slope, hedge.fixed + extra)
        moved = best_split(loan, richer, volatility=volatility, horizon=horizon)
        return _leaving(*_distances(loan, richer, moved), volatility, horizon)

    low, high = 0.0, max(loan.slope, -hedge.slope)
    if loan.margin + hedge.margin > 0 and chance(0.0) <= budget:
        return 0.0
    low = max(0.0, -(loan.margin + hedge.margin)) / _ALMOST
    while chance(low + high) > budget:
        high *= 2
    high += low
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if chance(middle) <= budget else (middle, high)
    return high


def best_carry(equity: float, terms: CarryTerms) -> CarryBook:
    """Return the book with the highest carry of that equity: `C − D + M = E` in which nothing breaks `terms`.

    With a delta of zero it is `C = N = E/(1+k−min(ℓ/H, v))`, `D = min(ℓ/H, v)·C`, `M = k·C` while borrowing pays.

    Raises:
        Infeasible: no book keeps the band.
        InvalidNumber: an argument out of range.
    """
    from scipy.optimize import linprog

    above(equity, 0, what="equity")
    borrowed = min(
        open_unit(terms.liquidation_threshold, what="liquidation threshold")
        / above(terms.health_factor, 1, what="health factor"),
        at_least(terms.loan_to_value, 0, what="loan-to-value"),
    )
    part = at_least(terms.margin_part, 0, what="margin")
    low, high = (finite(each, what="delta band") for each in terms.band)
    gains = [terms.supply_rate, -terms.borrow_rate, 0.0, terms.hedge_rate]
    limits = [[-borrowed, 1.0, 0.0, 0.0], [0.0, 0.0, -1.0, part], [1.0, 0.0, 0.0, -1.0], [-1.0, 0.0, 0.0, 1.0]]
    whole = [[1.0, -1.0, 1.0, 0.0]]
    solved = linprog([-gain for gain in gains], limits, [0.0, 0.0, high, -low], whole, [1.0], bounds=(0, None))
    if solved.x is None or not solved.success:
        raise Infeasible("no book of this equity keeps the delta in its band", fix="widen --delta-band")
    collateral, debt, margin, notional = (float(value) * equity for value in solved.x)
    carry = terms.supply_rate * collateral - terms.borrow_rate * debt + terms.hedge_rate * notional
    return CarryBook(collateral, debt, margin, notional, carry)


def safe_terms(*, budget: float, volatility: float, horizon: float, maintenance: float) -> tuple[float, float]:
    """Return the least health factor of the loan and the least margin of the hedge, each with half of the budget.

    The hedge bears a rise by u with half the budget's chance: its margin is `(1+u)(1+m) − 1` of the notional.
    """
    half = open_unit(budget, what="budget for liquidation") / 2
    drift = volatility * volatility / 2
    health = health_factor_for_probability(half, volatility, horizon, -drift)
    rise = health_factor_for_probability(half, volatility, horizon, drift)
    return max(health, 1 + 1e-9), rise * (1 + at_least(maintenance, 0, what="maintenance")) - 1


def _distances(loan: Leg, hedge: Leg, moved: float) -> tuple[float, float]:
    """Return the log distances down to where the loan is liquidated and up to where the hedge is."""
    low, high = loan.barrier(-moved), hedge.barrier(moved)
    return inf if low <= 0 else -log(low), inf if high == inf else log(max(high, _NEARLY_NOTHING))


def _leaving(lower: float, upper: float, volatility: float, horizon: float) -> float:
    drift = -volatility * volatility / 2
    return double_barrier_exit_probability(lower, upper, volatility, horizon, drift)
