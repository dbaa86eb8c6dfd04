"""Which debt is repaid and what is sold for it, when the user did not say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from defilev.errors import Infeasible, UnknownName
from defilev.model.account import Leg, LendingAccount
from defilev.model.plan import Repay
from defilev.model.request import Read
from defilev.plan.constraints import is_named
from defilev.plan.divergence import Gap, gap_of, is_near, small_order
from defilev.plan.inputs import PlanInputs
from defilev.plan.path import Path
from defilev.plan.sale import Sale, sale_of
from defilev.units import BPS
from defilev.venues.contract import Order, Route

__all__ = ["Ranked", "debts_of", "estimate", "payable_debts", "rank", "read_routes", "sales_of"]

ROUTES_KEPT = 8
"""Rounds are quoted along the best routes for the whole amount only: there may be a hundred."""


def debts_of(inputs: PlanInputs, account: LendingAccount) -> list[Leg]:
    """Return what is owed, the chosen debts first, then by value; raises `UnknownName` for one not owed."""
    debts = sorted((leg for leg in account.legs if leg.side == "borrow"), key=lambda leg: -leg.value)
    chosen = _named(inputs.constraints.repay, debts, what="--repay")
    return [*chosen, *(leg for leg in debts if leg not in chosen)]


def payable_debts(inputs: PlanInputs) -> list[Leg]:
    """Return the debts that the plan may repay: those that the user chose, or all, the largest by value first.

    Those that the market takes no repayment of now, because it is paused, come only when there is no other.
    """
    debts, chosen = debts_of(inputs, inputs.account), inputs.constraints.repay
    if chosen:
        return [leg for leg in debts if is_named(chosen, leg.asset)]
    return [leg for leg in debts if _is_open(inputs, leg)] or debts


def _is_open(inputs: PlanInputs, debt: Leg) -> bool:
    account = inputs.account
    try:
        inputs.protocol.apply(account, Repay(debt.asset, max(debt.amount // 2, 1)), at=account.block.timestamp)
    except Infeasible:
        return False
    return True


def sales_of(inputs: PlanInputs, account: LendingAccount, debt: Leg) -> list[Sale]:
    """Return the sales that may repay `debt`: of the user's choice, or of each enabled collateral.

    Raises:
        UnknownName: the user chose an asset that is not supplied.
        Infeasible: there is no collateral, or all of it is kept.
    """
    supplies = [leg for leg in account.legs if leg.side == "supply" and leg.amount > 0]
    chosen = _named(inputs.constraints.sell, supplies, what="--sell")
    enabled = chosen or [leg for leg in supplies if leg.used_as_collateral and leg.value > 0]
    if not enabled:
        raise Infeasible("there is no collateral to sell", fix=f"repay {debt.asset.symbol} from the wallet")
    sold = [leg for leg in enabled if not inputs.constraints.keeps(leg.asset)]
    if not sold:
        raise Infeasible("--keep leaves nothing to sell", fix=f"keep less, or bring {debt.asset.symbol} to the wallet")
    return [sale_of(inputs, leg, debt) for leg in sold]


def _named(names: Sequence[str], legs: Sequence[Leg], *, what: str) -> list[Leg]:
    """Return the legs that are named, in the order of their names, each once."""
    chosen: list[Leg] = []
    for name in names:
        found = [leg for leg in legs if is_named([name], leg.asset)]
        if not found:
            there = ", ".join(leg.asset.symbol for leg in legs) or "none"
            raise UnknownName(f"{what} {name!r} is not in the position", fix=f"choose one of: {there}")
        chosen += [leg for leg in found if leg not in chosen]
    return chosen


def estimate(path: Path, inputs: PlanInputs, sale: Sale) -> int:
    """Return about how much of the sale's collateral must be sold for the goal, at most what is supplied; at least 1.

    Continuous formulas for a first ranking; the plan itself is sized in exact integers.
    """
    account = path.last
    supplied = next(leg for leg in account.legs if leg.side == "supply" and leg.asset == sale.collateral)
    if inputs.goal.value is None or not supplied.value:
        return max(supplied.amount, 1)
    target = Fraction(inputs.goal.value)
    debt = Fraction(account.debt_value)
    if inputs.goal.kind == "health-factor":
        excess, worth = target * debt - _capacity(account), target * sale.kept - sale.threshold
    else:
        excess, worth = account.collateral_value - target * account.equity_value, 1 - target * (1 - sale.kept)
    value = excess / worth if worth > 0 else Fraction(supplied.value)
    amount = int(value / supplied.value * supplied.amount)
    return min(max(amount, 1), supplied.amount)


def _capacity(account: LendingAccount) -> Fraction:
    counted = (leg for leg in account.legs if leg.used_as_collateral)
    return sum((Fraction(leg.value * (leg.liquidation_threshold or 0), BPS) for leg in counted), Fraction(0))


def read_routes(inputs: PlanInputs, sales: Sequence[Sale]) -> Read[dict[Sale, tuple[Route, ...]]]:
    """Return the venue's routes for each sale that needs a swap; none without a venue."""
    swapped = [sale for sale in sales if sale.swaps]
    if inputs.venue is None or not swapped:
        return dict.fromkeys(sales, ())
    tokens = list(dict.fromkeys((*inputs.protocol.tokens(inputs.account), *inputs.intermediates)))
    found = yield from inputs.venue.routes([(sale.collateral, sale.debt) for sale in swapped], intermediates=tokens)
    return dict.fromkeys(sales, ()) | dict(zip(swapped, found, strict=True))


@dataclass(frozen=True, slots=True)
class Ranked:
    """A sale with its best routes, and what selling `amount` costs against the oracle, in quote currency.

    A venue that gives nothing for it costs all of it; a venue that gives more than the oracle, less than nothing.
    `apart` is how far the nearest route's price lies from the oracle's when none is near enough to sell along, and
    `None` otherwise.
    """

    sale: Sale
    amount: int
    routes: tuple[Route, ...]
    cost: Fraction
    apart: Gap | None = None

    @property
    def loss(self) -> Fraction:
        """The cost as a part of what is sold."""
        return self.cost / (self.amount * self.sale.unit_value)


def rank(inputs: PlanInputs, amounts: Mapping[Sale, int], routes: Mapping[Sale, Sequence[Route]]) -> Read[list[Ranked]]:
    """Return each sale with what its amount costs, cheapest first; routes far from the oracle's price are left out.

    One batch: along each route the whole amount, and a small one that tells the price.
    """
    pairs = [(sale, route) for sale in amounts for route in routes[sale]]
    orders = [Order(route, amounts[sale]) for sale, route in pairs]
    small = [small_order(sale, route, amounts[sale]) for sale, route in pairs]
    quotes = (yield from inputs.venue.quotes([*orders, *small])) if inputs.venue is not None and pairs else ()
    brought: dict[Sale, dict[Route, int]] = {sale: {} for sale in amounts}
    gaps: dict[Sale, list[Gap]] = {sale: [] for sale in amounts}
    for (sale, route), order, whole, part in zip(pairs, small, quotes, quotes[len(pairs) :], strict=False):
        gap = gap_of(inputs, sale, order, part)
        if gap is None or is_near(inputs, sale, gap):
            brought[sale][route] = 0 if whole is None else whole.amount_out
        else:
            gaps[sale].append(gap)
    ranked = [_ranked(sale, amount, brought[sale], gaps[sale]) for sale, amount in amounts.items()]
    return sorted(ranked, key=lambda each: each.cost)


def _ranked(sale: Sale, amount: int, brought: Mapping[Route, int], gaps: Sequence[Gap]) -> Ranked:
    best = max(brought.values(), default=0) if sale.swaps else amount
    routes = sorted(brought, key=lambda route: -brought[route])[:ROUTES_KEPT]
    cost = (amount * sale.price - best) * sale.unit_value / sale.price
    apart = None if best else min(gaps, key=lambda gap: abs(gap.part), default=None)
    return Ranked(sale, amount, tuple(routes), cost, apart)
