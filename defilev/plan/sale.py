"""Selling one asset of the market for another to repay it: prices, and the transactions of one round."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from defilev.errors import Infeasible
from defilev.model.account import Leg
from defilev.model.plan import Repay, RepayWithSupply, Swap, Withdraw
from defilev.model.token import Token
from defilev.plan.inputs import PlanInputs
from defilev.plan.path import Path, supply_of
from defilev.units import BPS
from defilev.venues.contract import Quote, Route, Venue

__all__ = [
    "APPROVE_AND_REPAY",
    "PAYOFF_BUFFER",
    "Fill",
    "Sale",
    "allow_market",
    "exchange",
    "pay_with_supply",
    "repay",
    "repay_all",
    "repay_part",
    "require_venue",
    "sale_of",
    "sell",
    "supply_pays",
]

PAYOFF_BUFFER = 100_000
"""One part of the debt in this many is added to what must repay all of it, and comes back when it was not needed."""

APPROVE_AND_REPAY = 3
"""Steps until the repayment is included, when a standing allowance must be cleared first."""


@dataclass(frozen=True, slots=True)
class Sale:
    """Selling `collateral` to repay `debt`.

    `price` is the oracle's, in base units of debt per base unit of collateral; `kept` is the part of it that the worst
    allowed fill brings. `threshold` is the collateral's liquidation threshold as a fraction, 0 when it is idle.
    `unit_value` is the oracle's value of one base unit of collateral, in quote currency.
    """

    collateral: Token
    debt: Token
    price: Fraction
    kept: Fraction
    threshold: Fraction
    unit_value: Fraction

    @property
    def swaps(self) -> bool:
        """Whether collateral and debt are different tokens."""
        return self.collateral.address != self.debt.address

    def minimum_out(self, amount: int) -> int:
        """Return what `amount` base units of collateral must bring at least, rounded down."""
        return floor(amount * self.price * self.kept)

    def amount_for(self, minimum_out: int) -> int:
        """Return the base units of collateral that bring at least `minimum_out`, rounded up."""
        return ceil(minimum_out / (self.price * self.kept))

    def loss(self, amount: int, amount_out: int) -> Fraction:
        """Return the part of the oracle's price that is lost when `amount` brings `amount_out`; negative for a gain."""
        return 1 - amount_out / (amount * self.price)


@dataclass(frozen=True, slots=True)
class Fill:
    """A quoted sale: `amount` along `route` (empty without a swap), `minimum_out` allowed, `quote` offered.

    `beside` is the part of it that goes along another route; amount and minimum are of the whole, the quote is not.
    """

    amount: int
    minimum_out: int
    route: Route = ()
    quote: Quote | None = None
    beside: Fill | None = None

    @property
    def parts(self) -> tuple[Fill, ...]:
        """What goes along each route by itself."""
        if self.beside is None:
            return (self,)
        least = self.minimum_out - self.beside.minimum_out
        return Fill(self.amount - self.beside.amount, least, self.route, self.quote), self.beside


def sale_of(inputs: PlanInputs, collateral: Leg, debt: Leg) -> Sale:
    """Return the sale of a supplied leg for a borrowed one."""
    same = collateral.asset.address == debt.asset.address
    threshold = collateral.liquidation_threshold if collateral.used_as_collateral else None
    return Sale(
        collateral.asset,
        debt.asset,
        Fraction(1) if same else _unit_price(collateral) / _unit_price(debt),
        Fraction(1) if same else 1 - Fraction(inputs.max_slippage),
        Fraction(threshold or 0, BPS),
        _unit_price(collateral),
    )


def _unit_price(leg: Leg) -> Fraction:
    return Fraction(leg.price.value, 10 ** (leg.price.decimals + leg.asset.decimals))


def require_venue(inputs: PlanInputs) -> Venue:
    """Return the venue; raises `Infeasible` where the chain has none that we know."""
    if inputs.venue is None:
        raise Infeasible("no venue to swap on is known on this chain", fix="name one in an --address-book")
    return inputs.venue


def sell(path: Path, inputs: PlanInputs, sale: Sale, fill: Fill) -> Path:
    """Return the path after withdrawing `fill.amount` and swapping it, with nothing repaid yet.

    All of the supply is withdrawn when `fill.amount` is all that there was at the plan's block. Unchanged where the
    supply pays without leaving the market.
    """
    if supply_pays(path, sale):
        return path
    everything = fill.amount == supply_of(path.first, sale.collateral.address)
    part = Withdraw(sale.collateral, fill.amount)
    path = path.then(path.protocol.withdraw_all(path.first, sale.collateral) if everything else part)
    return exchange(path, inputs, sale, fill) if sale.swaps else path


def supply_pays(path: Path, sale: Sale) -> bool:
    """Return whether what is supplied repays the debt by itself: it is the same asset, and the protocol lets it."""
    return not sale.swaps and path.protocol.abilities.repays_with_supply


def pay_with_supply(path: Path, sale: Sale, amount: int | None) -> Path:
    """Return the path after repaying `amount` with supply; all that can be where that is all there is, or `None`."""
    everything = amount is None or amount == supply_of(path.first, sale.collateral.address)
    return path.then(RepayWithSupply(sale.debt, None if everything else amount))


def exchange(path: Path, inputs: PlanInputs, sale: Sale, fill: Fill) -> Path:
    """Return the path after swapping `fill.amount` of what the wallet holds."""
    venue = require_venue(inputs)
    path = path.approve(sale.collateral, venue.spender, venue.spender_name, fill.amount)
    return path.then(*(_swap(part) for part in fill.parts))


def _swap(part: Fill) -> Swap:
    quoted = part.quote.amount_out if part.quote else part.minimum_out
    return Swap(part.route, part.amount, part.minimum_out, quoted)


def repay(path: Path, debt: Token, amount: int) -> Path:
    """Return the path after repaying exactly `amount` from the wallet, which is at most what is owed."""
    return allow_market(path, debt, amount).then(Repay(debt, amount))


def repay_part(path: Path, debt: Token, amount: int) -> Path:
    """Return the path after repaying at most `amount` from the wallet, so that the rest can be closed later on.

    Where the market counts debt in shares a fixed number of them is repaid, and what is left does not depend on when.
    Unchanged when `amount` is less than a share.
    """
    most = amount - amount // PAYOFF_BUFFER - 1
    shares = path.protocol.debt_shares(path.at_latest(steps_ahead=APPROVE_AND_REPAY), max(most, 0))
    if shares is None:
        return repay(path, debt, amount)
    if shares == 0:
        return path
    return allow_market(allow_market(path, debt, amount).then(Repay(debt, amount, shares=shares)), debt, 0)


def repay_all(path: Path, debt: Token, allowance: int) -> Path:
    """Return the path after repaying everything owed, with `allowance` granted for it and taken back."""
    path = allow_market(path, debt, allowance).then(Repay(debt, None))
    return allow_market(path, debt, 0)


def allow_market(path: Path, token: Token, amount: int) -> Path:
    """Return the path after letting the market take exactly `amount` of a token that it lends."""
    name = path.protocol.transaction(path.first, Repay(token, amount)).contract
    return path.approve(token, path.protocol.spender(path.first), name, amount)
