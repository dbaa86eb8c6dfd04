"""What stands around a position: how deep the pools are that it would sell into, its deltas, and its stress cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from defilev.model.account import Leg, LendingAccount
from defilev.model.exposure import Exposure
from defilev.model.request import Address, Read
from defilev.model.target_inputs import Delta, Depth, StressCase
from defilev.model.token import Token
from defilev.observe.drive import drive
from defilev.pipeline.hubs import read_hubs
from defilev.pipeline.session import Session
from defilev.protocols import PROTOCOLS
from defilev.risk.scenarios import SCENARIOS, Scenario, ScenarioOutcome, run_scenario
from defilev.units import to_decimal
from defilev.venues import venue_of
from defilev.venues.contract import Order, Route, Venue

__all__ = ["deltas_of", "depth_of", "stress_cases"]

SHARES = (1, 8, 64)
"""A sale that no route takes whole is tried as an eighth, and a 64th."""

SMALL = 64
"""A sale this many times smaller hardly moves the price: what it brings is what the larger one is compared with."""


INTERMEDIATES = ("WETH", "USDC", "USDT", "DAI", "WBTC")
"""What a route may go through: the tokens that the deep pools have on one side."""

_CENT = Decimal("0.01")


class _Sale(NamedTuple):
    """The most that would be sold, in base units, and what it is worth in quote units."""

    sold: Token
    bought: Token
    amount: int
    value: Decimal


class _Fill(NamedTuple):
    amount: int
    brought: int
    route: Route


def depth_of(session: Session, account: LendingAccount, exposure: Exposure) -> Depth | None:
    """Return what the pools make of selling collateral for all debt; `None` without a debt, a venue or a route.

    The largest volatile collateral is sold for the largest volatile debt, and where there is none the largest of all.

    Raises:
        CallReverted: the venue does not answer.
    """
    venue, sale = venue_of(session.book), _sale(account, exposure)
    if venue is None or sale is None:
        return None
    tokens = dict.fromkeys((*PROTOCOLS[account.protocol].tokens(account), *read_hubs(session)))
    between = [token for token in tokens if token.symbol in INTERMEDIATES]
    fills = drive(_read_fills(venue, sale, between), session.fetch)
    if fills is None:
        return None
    large, small = fills
    unit = sale.value / sale.amount
    kept = Decimal(large.brought * small.amount) / Decimal(small.brought * large.amount)
    impact = 2 * max(1 - kept, Decimal(0)) / (unit * (large.amount - small.amount))
    largest = (unit * large.amount).quantize(_CENT)
    return Depth(venue.name, sale.sold.symbol, sale.bought.symbol, float(impact), largest)


def _sale(account: LendingAccount, exposure: Exposure) -> _Sale | None:
    stable = {driver.feed for driver in exposure.drivers if driver.stable}
    held = [leg for leg in account.legs if leg.side == "supply" and leg.used_as_collateral and leg.value > 0]
    owed = [leg for leg in account.legs if leg.side == "borrow" and leg.value > 0]
    if not held or not owed:
        return None
    sold, bought = (max(legs, key=lambda leg: (leg.price.driver not in stable, leg.value)) for legs in (held, owed))
    amount = min(sold.amount, sold.amount * account.debt_value // sold.value)
    if sold.asset == bought.asset or amount < SHARES[-1] * SMALL:
        return None
    return _Sale(sold.asset, bought.asset, amount, _value(account, sold) * amount / sold.amount)


def _value(account: LendingAccount, leg: Leg) -> Decimal:
    return to_decimal(leg.value, account.quote_decimals)


def _read_fills(venue: Venue, sale: _Sale, between: Sequence[Token]) -> Read[tuple[_Fill, _Fill] | None]:
    """Return the largest part of the sale that a route takes, along the best one, and a small part along the same."""
    (routes,) = yield from venue.routes([(sale.sold, sale.bought)], intermediates=between)
    for share in SHARES:
        large = yield from _best(venue, routes, sale.amount // share)
        if large is not None:
            small = yield from _best(venue, [large.route], max(large.amount // SMALL, 1))
            return None if small is None or small.amount == large.amount else (large, small)
    return None


def _best(venue: Venue, routes: Sequence[Route], amount: int) -> Read[_Fill | None]:
    quotes = yield from venue.quotes([Order(route, amount) for route in routes])
    fills = [_Fill(amount, quote.amount_out, route) for route, quote in zip(routes, quotes, strict=True) if quote]
    return max(fills, key=lambda fill: fill.brought, default=None)


def deltas_of(exposure: Exposure, betas: Mapping[Address, float]) -> tuple[Delta, ...]:
    """Return the account's net delta by driver, the largest first; drivers without a beta have `None`."""
    symbols = {driver.feed: driver.symbol for driver in exposure.drivers}
    totals: dict[Address, float] = {}
    for term in exposure.terms:
        totals[term.driver] = totals.get(term.driver, 0.0) + term.equity
    rows = [Delta(symbols[feed], Decimal(repr(value)), betas.get(feed)) for feed, value in totals.items()]
    return tuple(sorted(rows, key=lambda row: -abs(row.value)))


def stress_cases(exposure: Exposure) -> tuple[StressCase, ...]:
    """Return the account after each deterministic scenario that changes it, of equal ones the first."""
    before = run_scenario(exposure, Scenario("now"))
    ran = [run_scenario(exposure, scenario) for scenario in SCENARIOS]
    outcomes: dict[tuple[float | None, float, float], ScenarioOutcome] = {}
    for outcome in ran:
        outcomes.setdefault((outcome.health_factor, outcome.equity, outcome.scenario.gas), outcome)
    return tuple(
        StressCase(
            name=outcome.scenario.name,
            liquidated=outcome.liquidated,
            capacity=Decimal(repr(outcome.capacity)),
            requirement=Decimal(repr(outcome.requirement)),
            collateral=Decimal(repr(outcome.collateral)),
            equity=Decimal(repr(outcome.equity)),
            gas=outcome.scenario.gas,
            depth=outcome.scenario.depth,
        )
        for outcome in outcomes.values()
        if (outcome.health_factor, outcome.equity) != (before.health_factor, before.equity)
    )
