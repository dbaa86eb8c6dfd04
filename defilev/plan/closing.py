"""Closing: repay everything, debt after debt, and withdraw everything that is left."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from defilev.errors import Infeasible
from defilev.model.account import Leg
from defilev.model.plan import Goal, Withdraw
from defilev.model.request import Read
from defilev.model.token import Token
from defilev.plan.choose import Ranked, debts_of, estimate, rank, read_routes
from defilev.plan.divergence import too_far
from defilev.plan.goals import Aim
from defilev.plan.in_hand import sell_in_hand
from defilev.plan.inputs import PlanInputs
from defilev.plan.path import Path, borrow_of, start, supply_of
from defilev.plan.quoting import Sold
from defilev.plan.refusals import require_progress, require_worthwhile, with_outside_help
from defilev.plan.rounds import clearing, clearing_amount, easing, payoff, round_amount
from defilev.plan.sale import Fill, Sale, repay_all, repay_part, sale_of, sell, supply_pays
from defilev.plan.staircase import fill_round, worth_its_gas
from defilev.plan.words import amount_text, health_text

__all__ = ["plan_closing"]

LEFT_TO_SELL_FOR = 1000
"""One part in this many of a debt is left for a sale to clear when the wallet holds the debt and not its interest."""

CLOSED = Aim(Goal("close", None))


def plan_closing(inputs: PlanInputs) -> Read[tuple[Path, str]]:
    """Return the path that repays all debts and withdraws all supplies, and a label unless it does so to the end.

    Raises:
        Infeasible: the supplies cannot pay the debts, or cannot leave the market.
    """
    path = start(inputs)
    rounds = 0
    sold = Sold()
    for debt in debts_of(inputs, inputs.account):
        path = _repay_from_wallet(path, inputs, debt.asset)
        path, sold = yield from sell_in_hand(path, inputs, debt, CLOSED, sold)
        if borrow_of(path.last, debt.asset.address) == 0:
            continue
        sources = yield from _sources(path, inputs, debt)
        while borrow_of(path.last, debt.asset.address) > 0:
            if rounds == inputs.rounds:
                require_worthwhile(start(inputs), path, inputs.rounds, inputs.floor)
                return path, _partial_label(path, inputs.rounds)
            path, sold = yield from _round(path, inputs, debt.asset, sources, sold)
            rounds += 1
    return _withdraw_everything(path, inputs)


def _repay_from_wallet(path: Path, inputs: PlanInputs, debt: Token) -> Path:
    """Return the path after repaying everything from the wallet, or a part that leaves something to clear by a sale."""
    held = inputs.spendable(debt)
    needed = payoff(path, debt)
    if held >= needed:
        return repay_all(path, debt, needed)
    owed = borrow_of(path.first, debt.address)
    amount = min(held, owed - owed // LEFT_TO_SELL_FOR - 1)
    return repay_part(path, debt, amount) if amount > 0 and worth_its_gas(inputs, debt, amount) else path


def _sources(path: Path, inputs: PlanInputs, debt: Leg) -> Read[list[Ranked]]:
    """Return what may be sold as a source: zero-LTV collateral first (no other may leave before it), then the cheapest.

    Supplies that are not worth the gas of a round come last.
    """
    may_sell = inputs.constraints.may_sell
    supplies = [leg for leg in path.last.legs if leg.side == "supply" and leg.value > 0 and may_sell(leg.asset)]
    sales = {sale_of(inputs, leg, debt): leg for leg in supplies}
    routes = yield from read_routes(inputs, list(sales))
    needed = payoff(path, debt.asset)
    amounts = {sale: min(sale.amount_for(needed), estimate(path, inputs, sale)) for sale in sales}
    ranked = yield from rank(inputs, amounts, routes)

    def order(source: Ranked) -> tuple[bool, bool, Fraction]:
        leg = sales[source.sale]
        return (
            not (leg.used_as_collateral and leg.loan_to_value == 0),
            not worth_its_gas(
                inputs, leg.asset, min(leg.amount, path.protocol.liquidity(path.first, leg.asset.address))
            ),
            source.loss + Fraction(inputs.constraints.penalty(leg.asset)),
        )

    return sorted(ranked, key=order)


def _round(
    path: Path, inputs: PlanInputs, debt: Token, sources: Sequence[Ranked], sold: Sold
) -> Read[tuple[Path, Sold]]:
    """Return the path after one more round, from the first source that gives one; else raise the first refusal."""
    refusals: list[Infeasible] = []
    for source in sources:
        if supply_of(path.first, source.sale.collateral.address) == 0:
            continue
        try:
            return (yield from _round_of(path, inputs, source, sold))
        except Infeasible as refusal:
            refusals.append(refusal)
    if refusals:
        raise with_outside_help(refusals[0], path, debt, CLOSED)
    owed = amount_text(borrow_of(path.last, debt.address), debt)
    short = Infeasible(
        f"everything supplied, sold at the worst allowed price, leaves {owed} owed", fix="lower --max-slippage"
    )
    raise with_outside_help(short, path, debt, CLOSED)


def _round_of(path: Path, inputs: PlanInputs, source: Ranked, sold: Sold) -> Read[tuple[Path, Sold]]:
    sale = source.sale
    if source.apart is not None:
        raise too_far(inputs, sale, source.apart)
    whole = _idle_amount(path, sale) or clearing_amount(path, inputs, sale)
    amount = round_amount(path, inputs, sale, CLOSED) if whole is None else whole
    fill = yield from fill_round(inputs, sale, source.routes, sold, amount)
    after = _after_fill(path, inputs, sale, fill)
    require_progress(path, after, sale)
    return after, sold.with_fill(sale, fill)


def _idle_amount(path: Path, sale: Sale) -> int | None:
    """Return all that is lent of the debt's own token, when all of it can leave; `None` for every other sale.

    Where a market counts in shares, how many a part of it takes depends on when, and what is left could not be named.
    """
    legs = [leg for leg in path.first.legs if leg.side == "supply" and leg.asset == sale.collateral]
    if sale.swaps or not legs or legs[0].used_as_collateral:
        return None
    whole = supply_of(path.first, sale.collateral.address)
    can_pay = supply_pays(path, sale) or whole <= path.protocol.liquidity(path.first, sale.collateral.address)
    return whole if can_pay else None


def _after_fill(path: Path, inputs: PlanInputs, sale: Sale, fill: Fill) -> Path:
    """Return the path after the round: everything is repaid if the sale surely brings that much."""
    if fill.minimum_out >= payoff(sell(path, inputs, sale, fill), sale.debt):
        return clearing(path, inputs, sale, fill)
    return easing(path, inputs, sale, fill)


def _withdraw_everything(path: Path, inputs: PlanInputs) -> tuple[Path, str]:
    """Return the path after withdrawing what can leave the market, and a label that names what cannot.

    Raises:
        Infeasible: there would be nothing in the plan.
    """
    stuck: list[str] = []
    for leg in path.last.legs:
        if leg.side != "supply" or leg.amount == 0:
            continue
        liquid = path.protocol.liquidity(path.first, leg.asset.address)
        if supply_of(path.last, leg.asset.address) <= liquid:
            path = path.then(path.protocol.withdraw_all(path.first, leg.asset))
            continue
        if liquid and worth_its_gas(inputs, leg.asset, liquid):
            path = path.then(Withdraw(leg.asset, liquid))
        stuck.append(amount_text(supply_of(path.first, leg.asset.address), leg.asset))
    if not stuck:
        return path, ""
    fact = f"the market cannot pay out all of {', '.join(stuck)} now: it is lent out or paused"
    if not path.actions:
        raise Infeasible(fact, fix="wait until the market pays out again")
    return path, f"PARTIAL: {fact}; close again afterwards"


def _partial_label(path: Path, rounds: int) -> str:
    return (
        f"PARTIAL: {rounds} rounds do not repay everything; they reach a health factor of "
        f"{health_text(path.health_factor())}; plan again afterwards"
    )
