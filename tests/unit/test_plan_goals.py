from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest

from defilev.errors import InvalidNumber
from defilev.model.plan import Goal
from defilev.plan.goals import Aim, assured_health, leverage_of, parse_goal, shown_leverage
from defilev.units import WAD, Wad
from tests.factories import USDC, WETH, a_borrow, a_supply, an_account

ACCOUNT = an_account(a_supply(WETH, "50", "3000"), a_borrow(USDC, "60000", "1"))


@pytest.mark.parametrize(
    ("health_factor", "leverage", "close", "expected"),
    [
        ("1.6", None, False, Goal("health-factor", Decimal("1.6"))),
        (None, "2", False, Goal("leverage", Decimal(2))),
        (None, None, True, Goal("close", None)),
    ],
)
def test_one_goal_is_read(health_factor: str | None, leverage: str | None, *, close: bool, expected: Goal) -> None:
    """Each of the three flags gives its goal."""
    assert expected == parse_goal(to_health_factor=health_factor, to_leverage=leverage, close=close)


@pytest.mark.parametrize(
    ("health_factor", "leverage", "close"),
    [
        (None, None, False),
        ("1.6", None, True),
        ("1", None, False),
        (None, "0.5", False),
        ("nan", None, False),
        ("1e400", None, False),
        (None, "-2", False),
        ("five", None, False),
    ],
)
def test_what_cannot_be_meant_is_refused(health_factor: str | None, leverage: str | None, *, close: bool) -> None:
    """No goal, two goals, and numbers that are none or out of range are errors of usage."""
    with pytest.raises(InvalidNumber):
        parse_goal(to_health_factor=health_factor, to_leverage=leverage, close=close)


def test_leverage_is_collateral_over_equity() -> None:
    """150,000 of collateral against 60,000 of debt is a leverage of five thirds, shown rounded up."""
    assert Fraction(5, 3) == leverage_of(ACCOUNT)
    assert Decimal("1.666667") == shown_leverage(ACCOUNT)


def test_an_account_without_equity_has_no_leverage() -> None:
    """Debt of at least the collateral gives no figure, and reaches no goal."""
    under = an_account(a_supply(WETH, "20", "3000"), a_borrow(USDC, "60000", "1"))

    assert leverage_of(under) is None
    assert not Aim(Goal("leverage", Decimal(5))).met(under)


def test_a_goal_is_sized_with_a_margin_and_met_without() -> None:
    """At the target itself the goal is met and not yet reached; one ten-thousandth above it is reached."""
    aim = Aim(Goal("health-factor", Decimal("1.6")))
    at = replace(ACCOUNT, health_factor=Wad(1_600_000_000_000_000_000))
    above = replace(ACCOUNT, health_factor=Wad(1_600_101_000_000_000_000))

    assert (True, False) == (aim.met(at), aim.reached(at))
    assert aim.reached(above)
    assert not aim.overshot(earliest=above, latest=above)
    assert aim.overshot(earliest=above, latest=replace(ACCOUNT, health_factor=Wad(WAD * 1602 // 1000)))
    assert aim.overshot(earliest=replace(ACCOUNT, health_factor=Wad(WAD * 1611 // 1000)), latest=above)


def test_owing_nothing_reaches_every_goal() -> None:
    """Without debt there is nothing left to do, for `close` too."""
    free = an_account(a_supply(WETH, "50", "3000"))

    assert all(Aim(goal).reached(free) for goal in (Goal("health-factor", Decimal(9)), Goal("close", None)))
    assert not Aim(Goal("close", None)).reached(ACCOUNT)


def test_an_average_threshold_at_the_edge_of_a_basis_point_is_not_relied_on() -> None:
    """Two supplies whose average is just above a basis point assure one of 8,049 less; further above, all of it."""
    legs = (a_supply(WETH, "1", "3000", threshold=8300), a_supply(USDC, "3000", "1", threshold=7800))
    debt = a_borrow(WETH, "0.1", "3000")
    edge, inside = an_account(*legs, debt), an_account(a_supply(WETH, "1.01", "3000", threshold=8300), legs[1], debt)

    for account, kept in ((edge, Fraction(8049, 8050)), (inside, Fraction(1))):
        assured, health = assured_health(account), account.health_factor
        assert assured is not None
        assert health is not None
        assert float(kept) == pytest.approx(assured / health, rel=1e-6)
