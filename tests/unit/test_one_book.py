"""A loan and its hedge as one book: delta, leverage, carry, and the two moves between which both live."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from defilev.errors import UnknownName
from defilev.protocols.gmx_v2 import GMX_V2
from defilev.report import figures
from defilev.report.beta import beta_weighted, estimated
from defilev.report.bounds import bounds_of
from defilev.report.figures import NARROW_SPACE
from defilev.report.health_report import HealthReport
from defilev.report.health_text import health_text
from defilev.report.ink import plain
from defilev.report.perp import perp_view
from defilev.report.total import DriverView, TotalView, total_of
from defilev.risk.forms import health_factor
from defilev.risk.holdings import Holding, holdings_of
from tests.factories import a_report
from tests.support.hedged import HEDGE, HEDGE_FORMS, LOAN, LOAN_FORMS, PLAIN, STABLE

PRICES = Path(__file__).parents[1] / "golden/data/prices"
END_OF_PRICES = 1_751_328_000


def book() -> TotalView:
    holdings: list[Holding] = [*holdings_of(LOAN_FORMS), *holdings_of(HEDGE_FORMS)]
    return total_of([(LOAN, Decimal(1))], (), holdings, [HEDGE])


def test_a_hedge_of_the_same_size_leaves_no_delta() -> None:
    """The book moves with nothing, is leveraged by both sides added up, and is worth what both are."""
    total = book()
    eth = next(driver for driver in total.drivers if driver.name == "ETH")
    notional = HEDGE.balance.notional

    assert Decimal(0) == round(eth.delta, 4) == round(total.net_exposure, 4)
    assert round(2 * notional, 4) == round(total.gross_exposure, 4)
    assert LOAN.balance.equity_value + HEDGE.balance.equity_value == total.equity_value
    assert pytest.approx(float(total.gross_exposure / total.equity_value)) == float(total.gross_leverage or 0)
    assert (HEDGE.balance.margin_value, notional) == (total.margin_value, total.notional)


def test_a_hedged_book_lives_between_two_moves() -> None:
    """The loan dies of a fall and the hedge of a rise, each where its own forms say that health is one."""
    (together, eth) = book().bounds
    exposure = HEDGE_FORMS
    feed = next(driver.feed for driver in exposure.drivers if driver.symbol == "WETH")

    assert (None, "ETH") == (together.driver, eth.driver)
    assert eth.below is not None
    assert eth.above is not None
    assert (LOAN, HEDGE) == (eth.below[0], eth.above[0])
    assert LOAN.common_move == eth.below[1] < 0 < eth.above[1] == HEDGE.common_move
    assert health_factor(exposure, {feed: 1 + float(eth.above[1])}) == pytest.approx(1.0, rel=1e-9)
    assert [(None, None, HEDGE.common_move), ("ETH", None, HEDGE.common_move)] == [
        (each.driver, each.below, each.above) for each in HEDGE.bounds
    ]


def test_what_can_be_liquidated_now_has_no_room() -> None:
    """Both bounds of an account that is liquidatable are zero, and a book with it in it has none further off."""
    exposure = HEDGE_FORMS

    assert {(Decimal(0), Decimal(0))} == {
        (each.below, each.above) for each in bounds_of(exposure, quote="USD", is_liquidatable=True)
    }


def test_carry_is_interest_and_funding_in_dollars() -> None:
    """What the collateral earns, the debt costs and the side of the perpetual receives, a year at today's rates."""
    carry = book().carry

    assert LOAN.balance.collateral_value * Decimal("0.02") == carry.supply
    assert Decimal(-4000) == carry.borrow
    assert HEDGE.balance.funding == carry.funding
    assert HEDGE.balance.borrowing == carry.borrowing == 0
    assert round(carry.supply + carry.borrow + carry.funding, 6) == round(carry.net, 6)


def test_funding_that_nobody_can_tell_is_counted_as_unknown() -> None:
    """A perpetual without a rate of funding has none in the sum, and the carry says so; its own carry is `None`."""
    legs = tuple(replace(leg, funding_rate=None) for leg in HEDGE.account.legs)
    account = replace(HEDGE.account, legs=legs)
    view = perp_view(account, exposure=GMX_V2.exposure(account, stable=STABLE), question=PLAIN)
    carry = total_of([], (), [], [view]).carry

    assert (None, None, None) == (view.balance.funding, view.balance.carry, view.balance.net_carry)
    assert (1, Decimal(0)) == (carry.unknown, carry.funding)


@pytest.mark.parametrize("width", [80, 140])
def test_a_loan_and_its_hedge_are_one_report(width: int) -> None:
    """Both in one table with one total, and below it bounds, leverage, delta and carry; no line is too wide."""
    report = replace(a_report(LOAN), total=book(), perps=(HEDGE,))
    text = health_text(report, width=width, ink=plain).replace(NARROW_SPACE, " ")
    lines = text.splitlines()

    assert any(line.startswith("  leverage        3.09× gross   0.00× net") for line in lines)
    assert "$277 244.83 gross, " in text
    assert "  bounds          ETH   −30.4 % 0x8f3C…A063 aave-v3 main" in text
    assert f"+21.9 % {figures.short_address(HEDGE.account.owner)} gmx-v2" in text
    assert "funding $5 210 357" in text
    assert width >= max(len(line) for line in lines)


def a_driver(name: str, delta: str, price: str, *, stable: bool = False) -> DriverView:
    return DriverView(name, stable, Decimal(price), Decimal(delta), None, None, Decimal(delta))


def test_delta_in_terms_of_one_asset_counts_each_by_its_beta() -> None:
    """Options and all: the reference by one, others by their betas, stablecoins and pairs not at all."""
    drivers = (
        a_driver("ETH", "1000", "2500"),
        a_driver("BTC", "-500", "107000"),
        a_driver("USDC", "70", "1", stable=True),
        a_driver("WSTETH/ETH", "30", "1.2"),
    )
    found = beta_weighted(drivers, reference="weth", betas={"BTC": 0.8})

    assert ("ETH", Decimal(600)) == (found.reference, found.delta)
    assert [("ETH", 1), ("BTC", Decimal("0.8"))] == list(found.betas)
    with pytest.raises(UnknownName, match="no beta of BTC to ETH"):
        beta_weighted(drivers, reference="ETH", betas={})


def test_betas_are_estimated_from_files_unless_given() -> None:
    """The files' daily returns, shrunk to one; a beta that somebody gives is taken as it is."""
    drivers = (a_driver("ETH", "1000", "2500"), a_driver("BTC", "-500", "107000"))
    found = estimated(drivers, reference="ETH", prices=PRICES, at=END_OF_PRICES, given={})

    assert 0.33 < found["BTC"] < 1.0
    assert {"BTC": 2.0} == estimated(drivers, reference="ETH", prices=PRICES, at=END_OF_PRICES, given={"BTC": 2.0})
    with pytest.raises(UnknownName, match="nothing in the book moves with SOL"):
        estimated(drivers, reference="SOL", prices=PRICES, at=END_OF_PRICES, given={})


def test_a_report_without_perpetuals_has_a_total_as_before() -> None:
    """Where there is no perpetual their sums are zero."""
    report: HealthReport = a_report(LOAN)
    assert report.total is not None

    assert {Decimal(0)} == {report.total.margin_value, report.total.notional, report.total.carry.funding}
