"""How much may be moved and paid: for one transaction, and within a day; pure but for what `Spent` remembers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Protocol, get_args

from defilev.execute.checks import Bounds, Check, DecodedCall, MarketMove, MoveKind
from defilev.execute.rules import swap_call
from defilev.model.account import LendingAccount
from defilev.model.request import Address
from defilev.units import mul_div_up

__all__ = ["Limits", "NothingSpent", "Spending", "Spent", "limit_checks", "spending_of"]

GWEI = 10**9
_LOOSEST = {
    "slippage": Decimal("0.10"),
    "price_drift": Decimal("0.01"),
    "fee_per_gas": 2000 * GWEI,
    "gas": 10_000_000,
    "transaction_cost": 10**18 // 2,
    "transactions_per_day": 500,
}
"""What no setting, file or caller goes beyond."""


_SIDES = {"withdraw": ("supply",), "repay": ("borrow",), "repay-with-supply": ("borrow",)}
"""Of what a call moves everything."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that no plan loosens; the defaults are the loosest that there are.

    `slippage` is the most a plan may allow, `price_drift` what the oracle may have moved since the plan: fractions.
    `fee_per_gas` and `transaction_cost` in wei, the second for the whole gas limit at the highest fee.
    `value_per_transaction` and `value_per_day` in the market's quote currency, `None` without such a limit.
    """

    slippage: Decimal = Decimal("0.10")
    price_drift: Decimal = Decimal("0.01")
    fee_per_gas: int = 2000 * GWEI
    gas: int = 10_000_000
    transaction_cost: int = 10**18 // 2
    transactions_per_day: int = 500
    value_per_transaction: Decimal | None = None
    value_per_day: Decimal | None = None

    def __post_init__(self) -> None:
        for name, most in _LOOSEST.items():
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(f"the limit {name} lies between 0 and {most}, not at {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class Spending:
    """What was done: transactions signed, and the value moved in the market's quote currency."""

    transactions: int = 0
    value: Fraction = Fraction(0)


class Spent(Protocol):
    """Remembers what was signed; a journal is one."""

    def last_day(self, *, chain_id: int, owner: Address, quote: str) -> Spending:
        """Return what was signed for `owner` within the last 24 hours; the value of markets that count in `quote`."""
        ...


@dataclass(frozen=True, slots=True)
class NothingSpent:
    """Remembers nothing: every plan is the first of its day."""

    def last_day(self, *, chain_id: int, owner: Address, quote: str) -> Spending:
        del chain_id, owner, quote
        return Spending()


def spending_of(calls: Sequence[DecodedCall], account: LendingAccount, bounds: Bounds) -> Spending:
    """Return what a plan of `calls` adds to the day: the largest of what it withdraws, repays, supplies and reduces."""
    sums = dict.fromkeys(get_args(MoveKind), Fraction(0))
    for call in calls:
        if call.move is not None:
            sums[call.move.kind] += _value(call, account, bounds) or 0
    return Spending(len(calls), max(sums.values()))


def limit_checks(
    calls: Sequence[DecodedCall], account: LendingAccount, *, limits: Limits, before: Spending, bounds: Bounds
) -> Iterator[tuple[int | None, Check]]:
    """Yield the limits of each call with its position, and those of the day with `None`.

    Args:
        before: what the last 24 hours saw.
    """
    for position, call in enumerate(calls):
        if limits.value_per_transaction is not None and call.function != "approve":
            value = _value(call, account, bounds)
            yield position, _within("value of a transaction", value, limits.value_per_transaction)
    added = spending_of(calls, account, bounds)
    count, most = before.transactions + added.transactions, limits.transactions_per_day
    yield None, Check("transactions within 24 hours", count <= most, count, f"up to {most}")
    if limits.value_per_day is not None:
        yield None, _within("value within 24 hours", before.value + added.value, limits.value_per_day)


def _within(rule: str, value: Fraction | None, limit: Decimal) -> Check:
    if value is None:
        return Check(rule, False, "a token without a price", f"up to {limit}")
    return Check(
        rule, value <= Fraction(limit), f"{Decimal(value.numerator) / value.denominator:.2f}", f"up to {limit}"
    )


def _value(call: DecodedCall, account: LendingAccount, bounds: Bounds) -> Fraction | None:
    """Return what a call moves at the oracle's prices, `None` without a price; everything is what the account has."""
    if call.role == "router":
        swap = swap_call(call)
        return _worth(swap.hops[0][0], swap.amount_in, bounds)
    if call.move is None:
        return Fraction(0)
    return _worth(call.move.asset, _moved(call.move, account, bounds), bounds)


def _moved(move: MarketMove, account: LendingAccount, bounds: Bounds) -> int:
    """Return the base units that a market's call moves: of shares, their part of what the account has."""
    if move.amount is not None:
        return move.amount
    sides = {"withdraw": ("supply",), "repay": ("borrow",), "repay-with-supply": ("borrow",)}.get(
        move.kind, ("supply", "borrow")
    )
    whole = sum(leg.amount for leg in account.legs if leg.side in sides and leg.asset.address == move.asset)
    if move.shares is None or bounds.holdings is None:
        return whole
    own = bounds.holdings.debt_shares if move.kind == "repay" else bounds.holdings.supply_shares
    return mul_div_up(whole, move.shares, own) if own else whole


def _worth(token: Address, amount: int, bounds: Bounds) -> Fraction | None:
    price = bounds.prices.get(token)
    if price is None or token not in bounds.tokens:
        return None
    return Fraction(amount * price.value, 10 ** (price.decimals + bounds.tokens[token].decimals))
