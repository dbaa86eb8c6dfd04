"""Borrowing one asset to buy another and supply it: which two, how much of it, and the transactions of one round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from defilev.errors import Infeasible, PriceMissing, UnknownName
from defilev.model.account import LendingAccount, Price
from defilev.model.plan import Borrow, Goal, Supply
from defilev.model.request import Address
from defilev.model.token import Token
from defilev.plan.inputs import PlanInputs
from defilev.plan.lever_inputs import LeverInputs
from defilev.plan.path import Path
from defilev.plan.sale import Fill, Sale, allow_market, exchange
from defilev.units import BPS, WAD

__all__ = ["Purchase", "buying", "debt_for", "purchase_of", "sale_between", "spending"]


@dataclass(frozen=True, slots=True)
class Purchase:
    """Borrowing `borrowed` to buy `bought` and supply it; `sale` is the swap of the one for the other."""

    borrowed: Token
    bought: Token
    sale: Sale


def purchase_of(inputs: LeverInputs) -> Purchase:
    """Return the purchase that the user chose: of the largest collateral, with the largest debt, where nothing is said.

    Raises:
        UnknownName: the market does not list what was named.
        Infeasible: nothing is owed yet or nothing supplied, and nothing was named; or the two are the same.
        PriceMissing: the oracle has no price for one of them.
    """
    base = inputs.base
    borrowed = _named(inputs, base.constraints.borrow, what="--borrow") or _largest(base.account, "borrow")
    bought = _named(inputs, base.constraints.buy, what="--buy") or _largest(base.account, "supply")
    account = base.account
    if borrowed is None:
        raise Infeasible(
            f"{account.owner} owes nothing on {account.protocol} {account.market_name}: say what to borrow",
            fix="name an asset of the market with --borrow, or use --close to withdraw everything",
        )
    if bought is None:
        raise Infeasible("nothing is used as collateral", fix="supply something first")
    if borrowed == bought:
        raise Infeasible(
            f"borrowing {borrowed.symbol} to supply {bought.symbol} changes nothing but the interest",
            fix="choose another --buy or --borrow",
        )
    return Purchase(borrowed, bought, sale_between(base, borrowed, bought, inputs.protocol.prices(base.account)))


def _named(inputs: LeverInputs, name: str | None, *, what: str) -> Token | None:
    if name is None:
        return None
    tokens = inputs.protocol.tokens(inputs.base.account)
    for token in tokens:
        if name.lower() in (token.symbol.lower(), token.address.lower()):
            return token
    there = ", ".join(token.symbol for token in tokens)
    raise UnknownName(f"{what} {name!r} is not in the market", fix=f"choose one of: {there}")


def _largest(account: LendingAccount, side: str) -> Token | None:
    legs = [leg for leg in account.legs if leg.side == side and (side == "borrow" or leg.used_as_collateral)]
    return max(legs, key=lambda leg: leg.value).asset if legs else None


def sale_between(inputs: PlanInputs, borrowed: Token, bought: Token, prices: Mapping[Address, Price]) -> Sale:
    """Return the sale of one asset of the market for any other; raises `PriceMissing` without the price of one."""
    for token in (borrowed, bought):
        if token.address not in prices or prices[token.address].value <= 0:
            raise PriceMissing(f"the oracle has no price for {token.symbol}", fix="choose another asset")
    paid, got = (_unit_price(prices[token.address], token) for token in (borrowed, bought))
    return Sale(borrowed, bought, paid / got, 1 - Fraction(inputs.max_slippage), Fraction(0), paid)


def _unit_price(price: Price, token: Token) -> Fraction:
    return Fraction(price.value, 10 ** (price.decimals + token.decimals))


def buying(path: Path, inputs: PlanInputs, purchase: Purchase, fill: Fill) -> Path:
    """Return the path after one round: borrow, sell that for the other, and supply the least that it brings."""
    return spending(path.then(Borrow(purchase.borrowed, fill.amount)), inputs, purchase, fill)


def spending(path: Path, inputs: PlanInputs, purchase: Purchase, fill: Fill) -> Path:
    """Return the path after selling what was borrowed, and supplying the least that it brings."""
    path = exchange(path, inputs, purchase.sale, fill)
    return allow_market(path, purchase.bought, fill.minimum_out).then(Supply(purchase.bought, fill.minimum_out))


def debt_for(account: LendingAccount, goal: Goal, purchase: Purchase, *, threshold: Fraction) -> int:
    """Return about how many base units to borrow for `goal` when each purchase brings its least; at least 1.

    With collateral `C` of capacity `A`, debt `D`, `k` kept of what is swapped, and the bought asset's `threshold` `l`:
    a health factor `h` takes `(A - h·D) / (h - k·l)`, a leverage `L` takes `(L·(C - D) - C) / (k + L·(1 - k))`.
    """
    target, kept = Fraction(goal.value or 0), purchase.sale.kept
    if goal.kind == "health-factor":
        owed = account.debt_value
        capacity = Fraction((account.health_factor or 0) * owed, WAD) if owed else _capacity(account)
        value = (capacity - target * owed) / (target - kept * threshold)
    else:
        value = (target * account.equity_value - account.collateral_value) / (kept + target * (1 - kept))
    units: Fraction = value / 10**account.quote_decimals / purchase.sale.unit_value
    return max(ceil(units), 1)


def _capacity(account: LendingAccount) -> Fraction:
    return Fraction(account.collateral_value * (account.liquidation_threshold or 0), BPS)
