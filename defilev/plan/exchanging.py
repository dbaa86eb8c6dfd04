"""Which asset of a position is exchanged for which, how much of it, and what one round of that may be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from defilev.errors import Infeasible, InvalidNumber, UnknownName
from defilev.model.account import Leg
from defilev.model.request import Read
from defilev.model.token import Token
from defilev.plan.choose import rank, read_routes
from defilev.plan.divergence import too_far
from defilev.plan.inputs import PlanInputs
from defilev.plan.path import Path
from defilev.plan.purchase import sale_between
from defilev.plan.quoting import Sold, find_fill
from defilev.plan.rounds import FLOOR_MARGIN
from defilev.plan.sale import Fill, Sale, require_venue
from defilev.plan.search import largest
from defilev.plan.words import amount_text, health_text
from defilev.protocols.rearranging import RearrangingProtocol
from defilev.venues.contract import Route

__all__ = ["Exchange", "Rearrangement", "exchange_of", "fill_of", "most_allowed", "routes_of", "why_nothing"]


@dataclass(frozen=True, slots=True)
class Rearrangement:
    """What to plan, by which protocol's rules; `rules` is the protocol of `inputs`."""

    inputs: PlanInputs
    rules: RearrangingProtocol


@dataclass(frozen=True, slots=True)
class Exchange:
    """A leg, the asset that takes its place, and how much of the leg is exchanged: base units, `None` for all.

    `sale` is the swap: of the leg's asset for collateral, and for a debt of what is borrowed in its place.
    """

    leg: Leg
    other: Token
    amount: int | None
    sale: Sale


def exchange_of(asked: Rearrangement) -> Exchange:
    """Return the exchange that a goal asks for; raises as `plan_rearrangement` does."""
    inputs, goal = asked.inputs, asked.inputs.goal
    side = "supply" if goal.kind == "swap-collateral" else "borrow"
    legs = [leg for leg in inputs.account.legs if leg.side == side and leg.amount > 0]
    tokens = {leg.asset: leg for leg in legs}
    what = "supplied" if side == "supply" else "owed"
    leg = tokens[_named(goal.replaced, list(tokens), there=f"in what is {what}")]
    other = _named(goal.replacement, asked.rules.tokens(inputs.account), there="in the market")
    if leg.asset == other:
        raise Infeasible(f"{other.symbol} is exchanged for itself", fix="name two different assets")
    pair = (leg.asset, other) if side == "supply" else (other, leg.asset)
    sale = sale_between(inputs, *pair, asked.rules.prices(inputs.account))
    return Exchange(leg, other, _base_units(leg, goal.value), sale)


def _named(name: str, tokens: list[Token] | tuple[Token, ...], *, there: str) -> Token:
    for token in tokens:
        if name.lower() in (token.symbol.lower(), token.address.lower()):
            return token
    known = ", ".join(token.symbol for token in tokens) or "none"
    raise UnknownName(f"{name!r} is not {there}", fix=f"choose one of: {known}")


def _base_units(leg: Leg, value: Decimal | None) -> int | None:
    if value is None:
        return None
    units = Fraction(value) * 10**leg.asset.decimals
    if units.denominator != 1:
        raise InvalidNumber(
            f"{value} has more places than {leg.asset.symbol}", fix=f"give at most {leg.asset.decimals} places"
        )
    if units > leg.amount:
        there = "supplied" if leg.side == "supply" else "owed"
        raise InvalidNumber(
            f"{value} {leg.asset.symbol} is more than the {amount_text(leg.amount, leg.asset)} {there}",
            fix="give less, or leave the amount out for all of it",
        )
    return int(units)


def routes_of(inputs: PlanInputs, sale: Sale, amount: int) -> Read[tuple[Route, ...]]:
    """Return the best routes for about `amount`.

    Raises:
        Infeasible: there is no venue.
        VenueDiverges: its price lies too far from the oracle's.
    """
    require_venue(inputs)
    found = yield from read_routes(inputs, [sale])
    (ranked,) = yield from rank(inputs, {sale: amount}, found)
    if ranked.apart is not None:
        raise too_far(inputs, sale, ranked.apart)
    return ranked.routes


def fill_of(inputs: PlanInputs, sale: Sale, routes: tuple[Route, ...], sold: Sold, amount: int) -> Read[Fill]:
    """Return how the venue takes `amount` or part of it; raises `Infeasible` when no route gives the minimum."""
    try:
        return (yield from find_fill(require_venue(inputs), sale, routes, sold, amount))
    except Infeasible as refusal:
        raise Infeasible(refusal.fact, fix="raise --max-slippage, or choose another pair", **refusal.facts) from None


def most_allowed(inputs: PlanInputs, after: Callable[[int], Path], high: int) -> int:
    """Return the largest amount up to `high` whose round is legal and stays above the floor; 0 for none."""

    def holds(amount: int) -> bool:
        try:
            path = after(amount)
        except Infeasible:
            return False
        return path.lowest is None or path.lowest >= inputs.floor + FLOOR_MARGIN

    return largest(holds, high)


def why_nothing(path: Path, inputs: PlanInputs, after: Callable[[int], Path], amount: int) -> Infeasible:
    """Return the refusal of a round of even so little: the market's own reason, or the floor."""
    try:
        lowest = after(amount).lowest
    except Infeasible as refusal:
        return refusal
    return Infeasible(
        f"the health factor would fall to {health_text(lowest)}, below the floor of {health_text(inputs.floor)}",
        fix="repay a part or add collateral first, exchange less, or lower --floor",
        health_factor=health_text(path.health_factor()),
    )
