"""What a book gains by each price, summed over accounts, tokens and options."""

from __future__ import annotations

import pytest

from defilev.model.exposure import Driver, Exposure
from defilev.risk.exposure import exposure_matrix, net_delta
from defilev.risk.holdings import holdings_of, net_by_driver, option_holding, token_holding
from tests.factories import (
    DAI,
    ETH_FEED,
    OWNER,
    USDC,
    WBTC,
    WETH,
    WSTETH,
    a_borrow,
    a_driver,
    a_supply,
    a_term,
    an_account,
    exposure_of,
)

MIXED = exposure_of(
    an_account(
        a_supply(WETH, "20", "3000"),
        a_supply(WSTETH, "10", "3660", threshold=8100),
        a_supply(WBTC, "1", "90000", threshold=7800),
        a_borrow(USDC, "60000", "1"),
        a_borrow(DAI, "30000", "1"),
    )
)
SHORT = exposure_of(an_account(a_supply(USDC, "200000", "1", threshold=7800), a_borrow(WETH, "30", "3000")))
ETH = a_driver(WETH, 3000.0)


def test_the_delta_of_accounts_is_that_of_their_matrix() -> None:
    """One account after another gives what all of them give at once, by name instead of by feed."""
    matrix = net_delta(exposure_matrix([MIXED, SHORT]))
    totals = {total.driver: total.delta for total in net_by_driver([*holdings_of(MIXED), *holdings_of(SHORT)])}

    assert totals["ETH"] == pytest.approx(matrix[ETH_FEED], rel=1e-12)
    assert totals["BTC"] == pytest.approx(matrix[WBTC.address], rel=1e-12)
    assert totals["USDC"] == pytest.approx(matrix[USDC.address], rel=1e-12)
    assert matrix.keys() == {ETH_FEED, WBTC.address, USDC.address, DAI.address}


def test_all_that_is_priced_from_ether_is_one_line() -> None:
    """WETH, wstETH and a short position on an exchange add up under ETH; stablecoins come last."""
    short = token_holding(ETH, price=3000.0, tokens=-5.0)
    totals = net_by_driver([*holdings_of(MIXED), short])

    assert ["BTC", "ETH", "USDC", "DAI"] == [total.driver for total in totals]
    (ether,) = (total for total in totals if total.driver == "ETH")
    held = sum(term.equity for term in MIXED.terms if term.symbol in {"WETH", "wstETH"})
    assert ether.delta == pytest.approx(held - 5 * 3000, rel=1e-12)
    assert (None, None) == (ether.gamma, ether.vega)


@pytest.mark.parametrize("move", [-0.01, 0.0, 0.02])
def test_an_option_gains_what_its_greeks_say(move: float) -> None:
    """delta·dS + ½·gamma·dS² in the asset's price is delta·r + ½·gamma·r² of the holding, in quote units."""
    units, delta, gamma, price = -10.0, -0.31, 0.0004, 3000.0
    held = option_holding(ETH, price=price, units=units, delta=delta, gamma=gamma, vega=3.2)

    change = price * move
    expected = units * (delta * change + 0.5 * gamma * change**2)
    assert held.gamma is not None
    assert expected == pytest.approx(held.delta * move + 0.5 * held.gamma * move**2, rel=1e-12, abs=1e-9)
    assert -32.0 == held.vega


def test_options_leave_what_has_none_without_a_gamma() -> None:
    """Gamma and vega belong to the driver of the option; nothing else gets a zero."""
    option = option_holding(ETH, price=3000.0, units=1.0, delta=0.5, gamma=0.0, vega=0.0)
    totals = {total.driver: total for total in net_by_driver([option, *holdings_of(MIXED)])}

    assert (0.0, 0.0) == (totals["ETH"].gamma, totals["ETH"].vega)
    assert (None, None) == (totals["BTC"].gamma, totals["BTC"].vega)


def test_nothing_held_has_no_total() -> None:
    """Without holdings there is no driver at all."""
    assert () == net_by_driver([])


def test_an_account_in_ether_moves_with_ether_and_with_the_ratio() -> None:
    """Its value in dollars is equity in ether times the price of ether: moves of either change it as deltas say."""
    held = a_term(WSTETH, price=1.22, capacity=110.0)
    owed = a_term(WETH, price=1.0, requirement=100.0, driver=WETH.address)
    drivers = (
        Driver(ETH_FEED, "wstETH", 1.22, stable=False),
        Driver(WETH.address, "WETH", 1.0, stable=True, fixed=True),
    )
    exposure = Exposure("compound-v3", "weth", OWNER, drivers, (held, owed), relative=True)
    totals = {total.driver: total for total in net_by_driver(holdings_of(exposure, dollars=3000.0, quote="WETH"))}

    assert {"ETH", "WSTETH/ETH"} == totals.keys()
    worth = 3000.0 * (110.0 - 100.0)
    assert (worth, 3000.0) == (totals["ETH"].delta, totals["ETH"].price)
    moved = 3000.0 * 1.01 * (110.0 * 0.99 - 100.0)
    first_order = 0.01 * totals["ETH"].delta - 0.01 * totals["WSTETH/ETH"].delta
    assert moved - worth == pytest.approx(first_order, abs=0.0001 * 110 * 3000 * 1.1)
