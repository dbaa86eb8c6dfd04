"""A loan and its hedge on two venues: chances of both exits, the split of the margin, and the best carry."""

from __future__ import annotations

from math import inf, log

import pytest

from defilev.errors import Infeasible, InvalidNumber
from defilev.optimize.hedged import CarryTerms, Leg, best_carry, best_split, missing_equity, odds, safe_terms

LOAN = Leg(slope=83_000.0, fixed=-60_000.0)
HEDGE = Leg(slope=-100_000.0, fixed=120_000.0)
MONTH = 30 / 365


def chance(moved: float) -> float:
    return odds(LOAN, HEDGE, volatility=0.8, horizon=MONTH, moved=moved).either


def test_the_chances_are_those_of_the_interval() -> None:
    """Barriers at 1/1.4 and 1.35 are left within a month with the reference's chance, 0.33113 at σ = 0.8."""
    found = odds(Leg(1.4, -1.0), Leg(-1.0, 1.35), volatility=0.8, horizon=MONTH)

    assert (found.below, found.above) == pytest.approx((1 / 1.4, 1.35))
    assert found.either == pytest.approx(0.33113, abs=5e-6)
    assert max(found.loan, found.hedge) < found.either <= found.loan + found.hedge


def test_a_leg_without_a_barrier_is_left_by_the_other_alone() -> None:
    """A loan that no price liquidates leaves the chance of the hedge."""
    found = odds(Leg(1.0, 0.5), HEDGE, volatility=0.8, horizon=MONTH)

    assert (0.0, 0.0) == (found.below, found.loan)
    assert found.hedge == pytest.approx(found.either)


def test_the_split_is_where_the_chance_is_smallest() -> None:
    """Any other split, to either side, is worse; limits of the venues are kept."""
    best = best_split(LOAN, HEDGE, volatility=0.8, horizon=MONTH)

    assert all(chance(best) <= chance(best + step) for step in (-5_000, -500, -50, 50, 500, 5_000))
    assert chance(best) < chance(0.0)
    assert best_split(LOAN, HEDGE, volatility=0.8, horizon=MONTH, least=best / 2) == pytest.approx(best / 2, rel=1e-6)


def test_at_the_best_split_both_sides_are_about_as_far() -> None:
    """With as much to lose on both sides, the two log distances differ by little."""
    best = best_split(LOAN, HEDGE, volatility=0.3, horizon=7 / 365)
    found = odds(LOAN, HEDGE, volatility=0.3, horizon=7 / 365, moved=best)

    assert -log(found.below) == pytest.approx(log(found.above), rel=0.05)


def test_equity_is_missing_until_the_budget_is_kept() -> None:
    """Adding it and splitting it well gives the budget's chance; nothing is missing where the budget is kept."""
    extra = missing_equity(LOAN, HEDGE, volatility=0.8, horizon=MONTH, budget=0.01)
    richer = Leg(HEDGE.slope, HEDGE.fixed + extra)
    moved = best_split(LOAN, richer, volatility=0.8, horizon=MONTH)

    assert 0.01 == pytest.approx(odds(LOAN, richer, volatility=0.8, horizon=MONTH, moved=moved).either, rel=1e-6)
    assert 0.0 == missing_equity(LOAN, richer, volatility=0.8, horizon=MONTH, budget=0.02)


def test_what_cannot_be_split_is_said() -> None:
    """Two accounts that are both liquidatable, and two that move alike, are named."""
    with pytest.raises(Infeasible, match="no split of the margin keeps both"):
        best_split(Leg(83.0, -90.0), Leg(-100.0, 90.0), volatility=0.8, horizon=MONTH)
    with pytest.raises(InvalidNumber, match="must help the loan and hurt the hedge"):
        odds(LOAN, LOAN, volatility=0.8, horizon=MONTH)
    assert (inf, 0.0) == (Leg(-1.0, -1.0).barrier(), Leg(0.0, 1.0).barrier())


@pytest.mark.parametrize("borrow_rate", [0.02, 0.2])
def test_the_best_carry_without_delta_is_the_closed_form(borrow_rate: float) -> None:
    """C = N = E/(1+k−min(ℓ/H, v)) while borrowing pays, b < (s+f)/(1+k); else nothing is borrowed."""
    terms = CarryTerms(0.83, 0.8, 0.03, borrow_rate, 0.1, 1.6, 0.25, (0.0, 0.0))
    found = best_carry(50_000, terms)
    part = min(0.83 / 1.6, 0.8) if borrow_rate < (0.03 + 0.1) / 1.25 else 0.0
    collateral = 50_000 / (1.25 - part)

    assert (found.collateral, found.notional) == pytest.approx((collateral, collateral))
    assert found.debt == pytest.approx(part * collateral, abs=1e-6)
    assert found.margin == pytest.approx(0.25 * collateral)
    assert found.collateral - found.debt + found.margin == pytest.approx(50_000)
    assert found.carry == pytest.approx(0.13 * collateral - borrow_rate * found.debt)


def test_a_band_leaves_room_for_more() -> None:
    """A wider band never earns less, and its delta stays inside; a band that cannot be kept is said."""
    narrow = best_carry(1.0, CarryTerms(0.83, 0.8, 0.03, 0.02, 0.1, 1.6, 0.25, (0.0, 0.0)))
    wide = best_carry(1.0, CarryTerms(0.83, 0.8, 0.03, 0.02, 0.1, 1.6, 0.25, (-0.2, 0.2)))

    assert narrow.carry < wide.carry
    assert -0.2 - 1e-9 <= wide.collateral - wide.notional <= 0.2 + 1e-9
    with pytest.raises(Infeasible, match="keeps the delta"):
        best_carry(1.0, CarryTerms(0.83, 0.8, 0.03, 0.02, 0.1, 1.6, 0.25, (50.0, 60.0)))


def test_the_budget_is_split_between_the_venues() -> None:
    """The least health and the least margin are those at which each side takes half of the budget."""
    health, margin = safe_terms(budget=0.02, volatility=0.6, horizon=7 / 365, maintenance=0.01)
    found = odds(Leg(health, -1.0), Leg(-1.0, (1 + margin) / 1.01), volatility=0.6, horizon=7 / 365)

    assert (found.loan, found.hedge) == pytest.approx((0.01, 0.01), rel=1e-6)
    assert found.either <= 0.02
