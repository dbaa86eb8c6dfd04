"""What the market pays where the oracle's word is old: a health factor at the lower of both prices."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from defilev.errors import CallReverted
from defilev.model.account import Leg, LendingAccount
from defilev.model.request import Address, Read
from defilev.model.token import Token
from defilev.observe.drive import drive
from defilev.pipeline.hubs import read_hubs
from defilev.pipeline.session import Session
from defilev.pipeline.surroundings import INTERMEDIATES
from defilev.protocols import PROTOCOLS
from defilev.risk.prices import PriceLimits, stale_assets
from defilev.units import WAD
from defilev.venues import venue_of
from defilev.venues.contract import Order, Venue

__all__ = ["limits_of", "market_health"]

SAMPLE = 100
"""One part in so many of a collateral is what the market is asked about: little enough not to move it."""


class _Sale(NamedTuple):
    leg: Leg
    bought: Token
    amount: int


def limits_of(session: Session) -> PriceLimits:
    """Return the ages from which on prices are stale, as this machine is told."""
    return PriceLimits(session.settings.prices.stale_after, session.settings.prices.by_asset)


def market_health(session: Session, account: LendingAccount) -> Decimal | None:
    """Return the health factor of `account` with stale prices replaced by the market's where those are lower.

    A collateral counts for what a small sale of it for the largest debt would bring, fees included, if its price or
    that debt's is stale; never for more than the oracle says. `None` when nothing is owed, when every price is fresh,
    and where no pool trades any of it or the venue does not answer.

    Raises:
        DataError: the chain does not answer.
    """
    venue, sales = venue_of(session.book), _sales(account, stale_assets(account, limits=limits_of(session)))
    if venue is None or account.health_factor is None or not sales:
        return None
    tokens = dict.fromkeys((*PROTOCOLS[account.protocol].tokens(account), *read_hubs(session)))
    between = [token for token in tokens if token.symbol in INTERMEDIATES]
    try:
        brought = drive(_read_brought(venue, sales, between), session.fetch)
    except CallReverted:
        return None
    if not any(brought):
        return None
    lost = sum(_weight(sale.leg) * (1 - _kept(account, sale, got)) for sale, got in zip(sales, brought, strict=True))
    whole = sum(_weight(leg) for leg in account.legs if leg.used_as_collateral)
    kept = Fraction(account.health_factor, WAD) * (1 - Fraction(lost) / whole)
    return Decimal(kept.numerator) / Decimal(kept.denominator)


def _sales(account: LendingAccount, stale: frozenset[Address]) -> list[_Sale]:
    debts = [leg for leg in account.legs if leg.side == "borrow" and leg.value > 0]
    if not debts:
        return []
    debt = max(debts, key=lambda leg: leg.value).asset
    held = [leg for leg in account.legs if leg.used_as_collateral and _weight(leg) and leg.asset != debt]
    found = (_Sale(leg, debt, leg.amount // SAMPLE) for leg in held if {leg.asset.address, debt.address} & stale)
    return [sale for sale in found if sale.amount]


def _read_brought(venue: Venue, sales: Sequence[_Sale], between: Sequence[Token]) -> Read[list[int]]:
    """Return what each sale would bring along its best route, 0 where no route takes it."""
    pairs = [(sale.leg.asset, sale.bought) for sale in sales]
    routes = yield from venue.routes(pairs, intermediates=between)
    orders = [
        (place, Order(route, sale.amount))
        for place, (sale, found) in enumerate(zip(sales, routes, strict=True))
        for route in found
    ]
    quotes = yield from venue.quotes([order for _, order in orders])
    brought = [0] * len(sales)
    for (place, _), quote in zip(orders, quotes, strict=True):
        if quote is not None:
            brought[place] = max(brought[place], quote.amount_out)
    return brought


def _kept(account: LendingAccount, sale: _Sale, brought: int) -> Fraction:
    """Return the market's price over the oracle's, at most one; one where no pool tells."""
    if not brought:
        return Fraction(1)
    price = next(leg.price for leg in account.legs if leg.asset == sale.bought)
    worth = Fraction(price.value * brought, 10 ** (price.decimals + sale.bought.decimals))
    asked = Fraction(sale.leg.price.value * sale.amount, 10 ** (sale.leg.price.decimals + sale.leg.asset.decimals))
    return min(worth / asked, Fraction(1))


def _weight(leg: Leg) -> int:
    return leg.value * (leg.liquidation_threshold or 0) if leg.used_as_collateral else 0
