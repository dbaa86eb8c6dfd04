"""One call of the executor in place of a staircase: sized for the worst allowed fill, from the cheapest lender."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil

from defilev.errors import Infeasible
from defilev.model.account import Leg
from defilev.model.action import Enforced, Unwind
from defilev.model.request import Read
from defilev.plan.atomic_inputs import DEADLINE_ROOM, AtomicInputs
from defilev.plan.choose import Ranked, debts_of, estimate, payable_debts, rank, read_routes, sales_of
from defilev.plan.conditions import RATE_ROOM, ROUNDING
from defilev.plan.goals import MARGIN, Aim
from defilev.plan.inputs import PlanInputs
from defilev.plan.path import Path, borrow_of, start, supply_of
from defilev.plan.refusals import out_of_reach, past_no_return
from defilev.plan.rounds import closest, overshot, payoff, reached
from defilev.plan.sale import Sale, require_venue
from defilev.plan.search import largest
from defilev.plan.words import amount_text, goal_text, percent_text
from defilev.units import UINT256_MAX, WAD, mul_div_up
from defilev.venues.contract import Order, Quote, Route
from defilev.venues.leverage_executor import Lender, Market, read_lenders

__all__ = ["plan_unwinding"]

UNBOUND = Enforced(0, UINT256_MAX, 0, 0, 0)
"""What a call of which only the effect is asked enforces."""


@dataclass(frozen=True, slots=True)
class _Deal:
    """A sale with the lender that would make it possible, and the sale's price with the lender's fee in it."""

    inputs: PlanInputs
    atomic: AtomicInputs
    sale: Sale
    lender: Lender

    @property
    def costly(self) -> Sale:
        """The sale as it repays: what it keeps is less the fee."""
        return replace(self.sale, kept=self.sale.kept / (1 + Fraction(self.lender.millionths, 1_000_000)))

    def limit(self, amount: int) -> int:
        """Return the most collateral that may be sold when `amount` is borrowed."""
        return self.sale.amount_for(amount + self.lender.fee(amount))

    def unwind(self, amount: int, *, route: Route = (), quoted: int = 0, enforced: Enforced = UNBOUND) -> Unwind:
        """Return the call that borrows and repays `amount`."""
        limit, collateral = self.limit(amount), self.sale.collateral
        return Unwind(
            asset=self.sale.debt,
            amount=amount,
            collateral=collateral,
            receipt=self.atomic.receipts[collateral.address],
            taken=limit + ROUNDING,
            limit=limit,
            quoted=quoted,
            route=route,
            lender=self.lender.address,
            lender_name=self.lender.name,
            fee=self.lender.fee(amount),
            enforced=enforced,
            executor=self.atomic.reach.address,
        )

    def after(self, path: Path, unwind: Unwind) -> Path:
        """Return the path after the approval and the call; raises `Infeasible` as the market would refuse."""
        return path.approve(unwind.receipt, unwind.executor, "executor", unwind.taken).then(unwind)


def plan_unwinding(inputs: PlanInputs) -> Read[Path]:
    """Return the path that reaches the goal through the executor: an approval and a call for each debt repaid.

    Raises:
        Infeasible: nobody lends enough, no route takes the sale, or no sale reaches the goal; the first reason is told.
    """
    path = start(inputs)
    if inputs.goal.kind != "close":
        return (yield from _first_of(path, inputs, payable_debts(inputs)))
    for debt in debts_of(inputs, inputs.account):
        path = yield from _first_of(path, inputs, [debt])
    for leg in path.last.legs:
        if leg.side == "supply" and leg.amount > 0:
            path = path.then(path.protocol.withdraw_all(path.first, leg.asset))
    return path


def _first_of(path: Path, inputs: PlanInputs, debts: Sequence[Leg]) -> Read[Path]:
    """Return the path by the cheapest sale that goes all the way."""
    atomic = _required(inputs)
    found = [sale for debt in debts for sale in sales_of(inputs, path.first, debt)]
    sales = [sale for sale in found if sale.swaps and sale.collateral.address in atomic.receipts]
    refusals: list[Infeasible] = []
    if not sales:
        refusals.append(Infeasible("there is no collateral of another token than the debt", fix="leave out --via"))
    require_venue(inputs)
    routes = yield from read_routes(inputs, sales)
    ranked = yield from rank(inputs, {sale: estimate(path, inputs, sale) for sale in sales}, routes)
    for source in ranked:
        try:
            return (yield from _through(path, inputs, source))
        except Infeasible as refusal:
            refusals.append(refusal)
    raise refusals[0]


def _required(inputs: PlanInputs) -> AtomicInputs:
    if inputs.atomic is None or not inputs.atomic.is_pool_listed:
        raise Infeasible(
            f"the executor does not act on {inputs.protocol.name} {inputs.account.market_name}",
            fix="leave out --via atomic: the staircase needs no contract",
        )
    return inputs.atomic


def _through(path: Path, inputs: PlanInputs, source: Ranked) -> Read[Path]:
    """Return the path by one sale, through the first lender that has enough and is not on the sale's own way."""
    atomic, sale = _required(inputs), source.sale
    pool, name = inputs.protocol.spender(inputs.account), f"{inputs.protocol.name} pool"
    market = Market(pool, name, inputs.protocol.flash_depth(inputs.account, sale.debt.address))
    lenders = yield from read_lenders(atomic.reach, sale.debt, market, source.routes)
    refusals: list[Infeasible] = []
    for lender in lenders:
        deal = _Deal(inputs, atomic, sale, lender)
        try:
            amount = _amount(path, deal)
            _require_depth(lender, amount, sale)
            route, quote = yield from _route(deal, source.routes, amount)
        except Infeasible as refusal:
            refusals.append(refusal)
            continue
        return _enforced(path, deal, amount, route, quote)
    raise refusals[0]


def _amount(path: Path, deal: _Deal) -> int:
    """Return what is borrowed: what reaches the goal, or what surely repays everything."""
    aim = Aim(deal.inputs.goal)
    refusal = past_no_return(path, deal.costly, aim)
    if refusal is not None:
        raise refusal
    debt, collateral = deal.sale.debt, deal.sale.collateral
    available = supply_of(path.first, collateral.address)
    if aim.goal.kind == "close":
        amount = payoff(path, debt)
        if deal.limit(amount) + ROUNDING > available:
            raise out_of_reach(path, deal.sale, goal_text(aim.goal))
        return amount

    def enough(amount: int) -> bool:
        try:
            return reached(deal.after(path, deal.unwind(amount)), aim)
        except Infeasible:
            return False

    owed = borrow_of(path.first, debt.address)
    most = largest(lambda amount: deal.limit(amount) + ROUNDING <= available, owed)
    if not enough(most):
        raise out_of_reach(deal.after(path, deal.unwind(most)), deal.sale, goal_text(aim.goal))
    return closest(enough, lambda amount: overshot(deal.after(path, deal.unwind(amount)), aim), most)


def _require_depth(lender: Lender, amount: int, sale: Sale) -> None:
    if lender.depth < amount:
        raise Infeasible(
            f"nobody lends {amount_text(amount, sale.debt)} for one transaction: "
            f"the {lender.name} has {amount_text(lender.depth, sale.debt)}",
            fix="leave out --via atomic: the staircase needs no loan",
            needed=amount,
            depth=lender.depth,
        )


def _route(deal: _Deal, routes: Sequence[Route], amount: int) -> Read[tuple[Route, int]]:
    """Return the route that sells least, and what it sells at most at the quoted prices; the lender is not on it."""
    venue, sale, limit = require_venue(deal.inputs), deal.sale, deal.limit(amount)
    owed = amount + deal.lender.fee(amount)
    free = [route for route in routes if deal.lender.address not in {hop.pool for hop in route}]
    quotes = yield from venue.quotes([Order(route, limit) for route in free])
    brought = [(_out(quote), route) for route, quote in zip(free, quotes, strict=True)]
    out, route = max(brought, key=lambda each: each[0], default=(0, ()))
    if out < owed:
        loss = percent_text(sale.loss(limit, out))
        raise Infeasible(
            f"{venue.name} gives too little for all of it at once: {sale.collateral.symbol} for {sale.debt.symbol} "
            f"costs {loss} against the oracle at best",
            fix="raise --max-slippage, or leave out --via atomic and sell in rounds",
            sold=amount_text(limit, sale.collateral),
            quoted=amount_text(out, sale.debt),
            needed=amount_text(owed, sale.debt),
        )
    return route, mul_div_up(limit, owed, out)


def _out(quote: Quote | None) -> int:
    return 0 if quote is None else quote.amount_out


def _enforced(path: Path, deal: _Deal, amount: int, route: Route, quoted: int) -> Path:
    """Return the path with the call that asserts on the chain what the plan promises."""
    inputs, bare = deal.inputs, deal.unwind(amount, route=route, quoted=quoted)
    after = deal.after(path, bare)
    health, owed = after.health_factor(), borrow_of(after.last, bare.asset.address)
    seconds = inputs.window + DEADLINE_ROOM
    enforced = Enforced(
        health_factor=UINT256_MAX if health is None else _least_health(inputs, health),
        debt=owed + mul_div_up(owed, 1, RATE_ROOM) + ROUNDING if owed else 0,
        collateral=max(supply_of(after.first, bare.collateral.address) - ROUNDING, 0),
        deadline=inputs.account.block.timestamp + seconds,
        last_block=inputs.account.block.number + ceil(seconds / inputs.block_seconds),
    )
    return deal.after(path, replace(bare, enforced=enforced))


def _least_health(inputs: PlanInputs, health: int) -> int:
    """Return what was asked for, in wad, or what is predicted less the margin for interest rates."""
    if inputs.goal.kind == "health-factor" and inputs.goal.value is not None:
        return min(ceil(Fraction(inputs.goal.value) * WAD), health)
    return max(health - MARGIN, 0)
