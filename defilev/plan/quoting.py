"""Which route takes a round, asked of the venue with everything that earlier rounds sold already counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from defilev.errors import Infeasible
from defilev.model.request import Read
from defilev.plan.sale import Fill, Sale
from defilev.plan.splitting import ROUTES_TO_PAIR, best_split, shares_of
from defilev.plan.words import amount_text, percent_text
from defilev.venues.contract import Order, Quote, Route, Venue

__all__ = ["Sold", "find_fill"]

SHARES = tuple(2**power for power in range(1, 9))
"""A round that no route takes whole is tried in halves, quarters, and so on."""

ROUTES_TO_SPLIT = 6


@dataclass(frozen=True, slots=True)
class Sold:
    """What the rounds so far sold along each route, by its value at the oracle in quote currency."""

    values: tuple[tuple[Route, Fraction], ...] = ()

    def with_fill(self, sale: Sale, fill: Fill) -> Sold:
        """Return the record with one more sale; a fill without a swap changes nothing."""
        if not fill.route:
            return self
        return Sold((*self.values, *((part.route, part.amount * sale.unit_value) for part in fill.parts)))

    def before(self, route: Route, sale: Sale) -> int:
        """Return how much of the sale's collateral is worth what went through pools of `route` before, rounded up.

        As if all of it had gone along the whole route: exact for the same route, cautious for one that shares a pool.
        """
        pools = _directed(route)
        return ceil(sum(value for used, value in self.values if pools & _directed(used)) / sale.unit_value)


def _directed(route: Route) -> set[tuple[str, str]]:
    return {(hop.pool, hop.token_in.address) for hop in route}


def find_fill(
    venue: Venue, sale: Sale, routes: Sequence[Route], sold: Sold, amount: int, *, split_gain: int | None = None
) -> Read[Fill]:
    """Return how to sell `amount`, or the largest tried part of it, for at least the minimum that the oracle allows.

    Args:
        routes: the best first.
        split_gain: how many base units of debt more than one route two of them must bring together, to be preferred;
            `None` to sell along one route only.

    Raises:
        Infeasible: no route gives the minimum, even for a small part.
    """
    whole = [(route, amount) for route in routes]
    shares = () if split_gain is None or len(routes) < 2 else shares_of(amount)
    of_pairs = [(route, share) for route in routes[:ROUTES_TO_PAIR] for share in shares]
    found = yield from _offers(venue, sale, sold, [*whole, *of_pairs])
    offers, parts = found[: len(whole)], found[len(whole) :]
    fills = _acceptable(sale, offers)
    split = best_split(sale, amount, _acceptable(sale, parts))
    if fills and (split is None or _total(split) < _total(_best(fills)) + (split_gain or 0)):
        return _best(fills)
    if split is not None:
        return split
    best_first = sorted(offers, key=lambda offer: -_out(offer.quote))[:ROUTES_TO_SPLIT]
    tries = [(offer.route, amount // share) for share in SHARES for offer in best_first if amount >= share]
    smaller = yield from _offers(venue, sale, sold, tries)
    fills = _acceptable(sale, smaller)
    if not fills:
        raise _shortfall(venue, sale, amount, [*offers, *smaller])
    return _best(fills)


def _offers(venue: Venue, sale: Sale, sold: Sold, tries: Sequence[tuple[Route, int]]) -> Read[list[Fill]]:
    """Return each of `tries` (route, amount) with what it brings after everything that was sold before.

    What cannot be sold by itself, because it is nothing in the token between two pools, brings nothing.
    """
    before = [sold.before(route, sale) for route, _ in tries]
    sizes = [
        (route, {start + amount, start, amount} - {0}) for (route, amount), start in zip(tries, before, strict=True)
    ]
    asked = list(dict.fromkeys(Order(route, size) for route, of_route in sizes for size in sorted(of_route)))
    found = dict(zip(asked, (yield from venue.quotes(asked)), strict=True))
    offers = []
    for (route, amount), start in zip(tries, before, strict=True):
        quote = found[Order(route, start + amount)]
        if start > 0:
            alone = found[Order(route, amount)]
            quote = None if alone is None else _difference(quote, found[Order(route, start)])
        offers.append(Fill(amount, sale.minimum_out(amount), route, quote))
    return offers


def _difference(total: Quote | None, base: Quote | None) -> Quote | None:
    """Return what the second of two sales brings: both quotes are rounded down, so their difference may be one more."""
    if total is None or base is None or total.amount_out - 1 <= base.amount_out:
        return None
    return Quote(total.amount_out - base.amount_out - 1, total.gas)


def _acceptable(sale: Sale, offers: Sequence[Fill]) -> list[Fill]:
    return [fill for fill in offers if _out(fill.quote) >= sale.minimum_out(fill.amount) > 0]


def _best(fills: Sequence[Fill]) -> Fill:
    return max(fills, key=lambda fill: (fill.amount, _out(fill.quote)))


def _total(fill: Fill) -> int:
    return sum(_out(part.quote) for part in fill.parts)


def _out(quote: Quote | None) -> int:
    return quote.amount_out if quote is not None else 0


def _shortfall(venue: Venue, sale: Sale, amount: int, offers: Sequence[Fill]) -> Infeasible:
    offered = [(offer.amount, _out(offer.quote)) for offer in offers if _out(offer.quote) > 0]
    if not offered:
        return Infeasible(
            f"{venue.name} has no pools that take {amount_text(amount, sale.collateral)} for {sale.debt.symbol}",
            fix="choose another with --sell or --repay",
        )
    tried, out = min(offered, key=lambda offer: sale.loss(*offer))
    pair = f"{sale.collateral.symbol} for {sale.debt.symbol}"
    return Infeasible(
        f"{venue.name} gives too little: {pair} costs {percent_text(sale.loss(tried, out))} against the oracle at best",
        fix="raise --max-slippage, or sell another with --sell",
        sold=amount_text(tried, sale.collateral),
        quoted=amount_text(out, sale.debt),
        needed=amount_text(sale.minimum_out(tried), sale.debt),
    )
