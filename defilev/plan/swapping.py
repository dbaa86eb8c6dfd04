"""Exchanging a collateral or a debt in rounds, each of which leaves the position above the floor and legal.

Collateral is withdrawn, sold and its replacement supplied; of a debt the replacement is borrowed, sold and the old one
repaid. What a round brings is counted at the worst allowed fill: a better one stays in the wallet.
"""

from __future__ import annotations

from defilev.errors import Infeasible
from defilev.model.plan import Borrow, SetCollateral, Supply
from defilev.model.request import Read
from defilev.model.token import Token
from defilev.plan.exchanging import (
    Exchange,
    Rearrangement,
    exchange_of,
    fill_of,
    most_allowed,
    routes_of,
    why_nothing,
)
from defilev.plan.inputs import MAX_ROUNDS
from defilev.plan.levering import has_room
from defilev.plan.path import Path, borrow_of, start, supply_of
from defilev.plan.quoting import Sold
from defilev.plan.rounds import payoff
from defilev.plan.sale import Fill, allow_market, exchange, repay, repay_all, sell
from defilev.plan.staircase import DUST
from defilev.plan.words import amount_text, health_text

__all__ = ["plan_swapped_collateral", "plan_swapped_debt"]


def plan_swapped_collateral(asked: Rearrangement) -> Read[tuple[Rearrangement, Path, str]]:
    """Return the path after which one supply has taken another's place, and a label where it is not all of it.

    Everything is withdrawn as the protocol's own "all", so that no dust of interest stays behind.
    """
    inputs, wanted = asked.inputs, exchange_of(asked)
    token, sale = wanted.leg.asset, wanted.sale
    path, sold = start(inputs), Sold()
    left = whole = supply_of(path.first, token.address) if wanted.amount is None else wanted.amount
    routes = yield from routes_of(inputs, sale, left)
    for _ in range(MAX_ROUNDS):
        if left * DUST <= whole:
            break
        amount = _collateral_amount(path, asked, wanted, left)
        fill = yield from fill_of(inputs, sale, routes, sold, amount)
        path, sold = _supplied(path, asked, wanted, fill), sold.with_fill(sale, fill)
        left = min(left - fill.amount, supply_of(path.first, token.address))
    return asked, path, _label(path, left if left * DUST > whole else 0, token)


def _collateral_amount(path: Path, asked: Rearrangement, wanted: Exchange, left: int) -> int:
    """Return what the next round withdraws: the most up to `left` that the market and the floor allow."""
    inputs, token = asked.inputs, wanted.leg.asset

    def after(amount: int) -> Path:
        least = wanted.sale.minimum_out(amount)
        if least <= 0:
            raise Infeasible(f"{amount_text(amount, token)} buys no {wanted.other.symbol}", fix="exchange more")
        return _supplied(path.since(), asked, wanted, Fill(amount, least))

    liquid = path.protocol.liquidity(path.first, token.address)
    amount = most_allowed(inputs, after, min(left, liquid))
    if amount == 0 and liquid == 0:
        raise Infeasible(
            f"no {token.symbol} can leave the market: none of it is liquid", fix="wait until the market has liquidity"
        )
    if amount == 0:
        raise _with_zero_ltv_first(why_nothing(path, inputs, after, max(left // DUST, 1)), path, token)
    return amount


def _supplied(path: Path, asked: Rearrangement, wanted: Exchange, fill: Fill) -> Path:
    """Return the path after one round; the replacement counts as collateral where what it replaces did."""
    bought = wanted.other
    path = sell(path, asked.inputs, wanted.sale, fill)
    path = allow_market(path, bought, fill.minimum_out).then(Supply(bought, fill.minimum_out))
    if not wanted.leg.used_as_collateral or _is_collateral(path, bought):
        return path
    return path.then(SetCollateral(bought, enabled=True))


def _is_collateral(path: Path, token: Token) -> bool:
    return any(leg.used_as_collateral for leg in path.first.legs if leg.side == "supply" and leg.asset == token)


def _with_zero_ltv_first(refusal: Infeasible, path: Path, token: Token) -> Infeasible:
    """Return `refusal` with the collateral named that must leave before any other, when there is one."""
    for leg in path.first.legs:
        if leg.used_as_collateral and leg.loan_to_value == 0 and leg.asset != token:
            fix = f"exchange {leg.asset.symbol}, whose loan-to-value is zero, first"
            return Infeasible(refusal.fact, fix=fix, **refusal.facts)
    return refusal


def plan_swapped_debt(asked: Rearrangement) -> Read[tuple[Rearrangement, Path, str]]:
    """Return the path after which one debt has taken another's place, and a label where it is not all of it.

    All of a debt is repaid as the protocol's own "all", with a buffer for the interest until then.
    """
    inputs, wanted = asked.inputs, exchange_of(asked)
    debt, sale = wanted.leg.asset, wanted.sale
    path, sold = start(inputs), Sold()
    left = whole = borrow_of(path.first, debt.address) if wanted.amount is None else wanted.amount
    routes = yield from routes_of(inputs, sale, sale.amount_for(left))
    for _ in range(MAX_ROUNDS):
        if left * DUST <= whole:
            break
        amount = _debt_amount(path, asked, wanted, left)
        fill = yield from fill_of(inputs, sale, routes, sold, amount)
        path, sold = _repaid(path, asked, wanted, fill, left), sold.with_fill(sale, fill)
        owed = borrow_of(path.first, debt.address)
        left = owed if wanted.amount is None else min(left - fill.minimum_out, owed)
    return asked, path, _label(path, left if left * DUST > whole else 0, debt)


def _debt_amount(path: Path, asked: Rearrangement, wanted: Exchange, left: int) -> int:
    """Return what the next round borrows: what repays `left`, or else the most that the market and the floor allow."""
    inputs, sale = asked.inputs, wanted.sale

    def after(amount: int) -> Path:
        least = sale.minimum_out(amount)
        if least <= 0:
            raise Infeasible(f"{amount_text(amount, wanted.other)} buys nothing", fix="exchange more")
        borrowed = path.then(Borrow(wanted.other, amount))
        if not (has_room(borrowed.first) and has_room(borrowed.last)):
            raise Infeasible(
                f"the loan-to-value lets no more {wanted.other.symbol} be borrowed", fix="repay a part first"
            )
        return _repaid(path.since(), asked, wanted, Fill(amount, least), left)

    liquid = path.protocol.liquidity(path.first, wanted.other.address)
    high = _needed(path, asked, wanted, left)
    amount = most_allowed(inputs, after, min(high, liquid))
    if amount == 0 and liquid == 0:
        raise Infeasible(f"the market has no {wanted.other.symbol} to lend", fix="choose another asset")
    if amount == 0:
        raise why_nothing(path, inputs, after, max(high // DUST, 1))
    return amount


def _needed(path: Path, asked: Rearrangement, wanted: Exchange, left: int) -> int:
    """Return how much must be borrowed to repay `left`, or all that is owed when the steps before it are done."""
    sale = wanted.sale
    most = sale.amount_for(left)
    if wanted.amount is not None:
        return most
    owed = payoff(path, wanted.leg.asset)
    buffered = sale.amount_for(owed + owed // BUFFER)
    fill = Fill(buffered, sale.minimum_out(buffered))
    try:
        bought = _bought(path.since(), asked, wanted, fill)
    except Infeasible:
        return most
    return sale.amount_for(payoff(bought, wanted.leg.asset))


BUFFER = 1000
"""One part of a debt in this many covers its interest for the steps of a round, while the round is sized."""


def _bought(path: Path, asked: Rearrangement, wanted: Exchange, fill: Fill) -> Path:
    return exchange(path.then(Borrow(wanted.other, fill.amount)), asked.inputs, wanted.sale, fill)


def _repaid(path: Path, asked: Rearrangement, wanted: Exchange, fill: Fill, left: int) -> Path:
    """Return the path after one round: everything is repaid where that is asked and the sale surely brings so much."""
    debt = wanted.leg.asset
    path = _bought(path, asked, wanted, fill)
    if wanted.amount is None and fill.minimum_out >= (needed := payoff(path, debt)):
        return repay_all(path, debt, needed)
    return repay(path, debt, min(fill.minimum_out, left, borrow_of(path.first, debt.address)))


def _label(path: Path, left: int, token: Token) -> str:
    if left == 0:
        return ""
    return (
        f"PARTIAL: {MAX_ROUNDS} rounds leave {amount_text(left, token)} to exchange, at a health factor of "
        f"{health_text(path.health_factor())}; plan again afterwards"
    )
