"""The executor's one call that is ever signed, taken apart from its bytes, and the rules for it; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from defilev.abi.address import ZERO_ADDRESS
from defilev.execute.checks import Bounds, Check, DecodedCall, MarketMove, is_above_zero, is_of_market
from defilev.execute.paths import hops_of, unit_rate
from defilev.model.action import Enforced, Unwind
from defilev.model.request import Address
from defilev.units import WAD, mul_div_up

__all__ = [
    "EXECUTOR",
    "UnwindCall",
    "allowed_to_executor",
    "same_unwind",
    "taken_by",
    "unwind_call",
    "unwind_move",
    "unwound_checks",
]

MOST_FEE = Fraction(1, 100)
"""The dearest pool takes one per cent of what it lends."""

MOST_SECONDS = 7_200
"""How long after the account's block a call may be included at most."""

_ROUNDING = 2
_INTEREST = (1001, 1000)
_NO_SIGNATURE = (0, 0, bytes(32), bytes(32))


@dataclass(frozen=True, slots=True)
class UnwindCall:
    """A deleverage as its bytes say it; `hops` go from the debt token to the collateral, as the router buys exactly."""

    protocol: Address
    debt: Address
    collateral: Address
    rest_of_market: tuple[Any, ...]
    lender: Address
    borrowed: int
    taken: int
    limit: int
    hops: tuple[tuple[Address, Address, int], ...]
    minimum_returned: int
    enforced: Enforced
    signatures: tuple[Any, ...]


def unwind_call(arguments: Mapping[str, Any]) -> UnwindCall:
    """Return a call of `deleverage` in named parts; raises `ValueError` for a path that is not one."""
    protocol, market, lender, borrowed, taken, limit, path, promised, *signatures = arguments["order"]
    debt, collateral, *rest = market
    health, most_debt, least_collateral, returned, deadline, last_block = promised
    enforced = Enforced(health, most_debt, least_collateral, deadline, last_block)
    parts = (protocol, debt, collateral, tuple(rest), lender, borrowed, taken, limit, hops_of(path), returned)
    return UnwindCall(*parts, enforced, tuple(signatures))


def unwind_move(arguments: Mapping[str, Any]) -> MarketMove:
    """Return what is repaid at most."""
    call = unwind_call(arguments)
    return MarketMove("repay", call.debt, call.borrowed)


def taken_by(arguments: Mapping[str, Any], bounds: Bounds) -> tuple[Address, int]:
    """Return the receipt that the call takes, and how much of it; raises `ValueError` for a collateral without one."""
    call = unwind_call(arguments)
    for receipt, (_, underlying) in bounds.receipts.items():
        if underlying == call.collateral:
            return receipt, call.taken
    raise ValueError(f"{call.collateral} is nothing that the account has supplied")


def allowed_to_executor(call: DecodedCall, bounds: Bounds) -> Iterator[Check]:
    """Yield the rules for an approval of a receipt: to the executor alone, and never more than there is."""
    spender, amount = call.arguments["spender"], call.arguments["amount"]
    yield Check("spender", spender == bounds.executor, spender, bounds.executor)
    held = bounds.supplies.get(bounds.receipts[call.to][1], 0)
    yield Check("approved amount", amount <= held, amount, f"up to {held}, what is supplied")


def _deleverage(call: DecodedCall, bounds: Bounds) -> Iterator[Check]:
    order = unwind_call(call.arguments)
    yield Check("protocol", order.protocol == bounds.pool, order.protocol, bounds.pool)
    yield is_of_market("loanToken", order.debt, bounds)
    yield is_of_market("collateralToken", order.collateral, bounds)
    nothing = (ZERO_ADDRESS, ZERO_ADDRESS, 0)
    yield Check("oracle, irm and lltv", order.rest_of_market == nothing, order.rest_of_market, nothing)
    yield is_above_zero("borrowed", order.borrowed)
    signed = all(signature == _NO_SIGNATURE for signature in order.signatures)
    yield Check("grant and revoke", signed, "a signature", "none: the right is an approval")
    yield from _route_checks(order, bounds)
    yield Check("minHealthFactor", order.enforced.health_factor >= WAD, order.enforced.health_factor, "at least 1")
    soon = bounds.at < order.enforced.deadline <= bounds.at + MOST_SECONDS
    yield Check("deadline", soon, order.enforced.deadline, f"after {bounds.at}, within {MOST_SECONDS} s")


def unwound_checks(calls: Sequence[DecodedCall], bounds: Bounds) -> Iterator[tuple[int, Check]]:
    """Yield, with its position, whether each call of the executor keeps to what the ones before it leave."""
    debts, supplies = dict(bounds.debts), dict(bounds.supplies)
    for position, call in enumerate(calls):
        if call.role != "executor":
            continue
        order = unwind_call(call.arguments)
        owed, supplied = debts.get(order.debt, 0), supplies.get(order.collateral, 0)
        for check in (*_amount_checks(order, owed, supplied, bounds), *_left_checks(order, owed, supplied)):
            yield position, check
        debts[order.debt] = max(owed - order.borrowed, 0)
        supplies[order.collateral] = max(supplied - order.taken, 0)


def _route_checks(order: UnwindCall, bounds: Bounds) -> Iterator[Check]:
    ends = (order.hops[0][0], order.hops[-1][1])
    wanted = (order.debt, order.collateral)
    yield Check("path", ends == wanted and order.debt != order.collateral, ends, f"{wanted[0]} to {wanted[1]}")
    for bought, sold, _ in order.hops:
        yield is_of_market("path", bought, bounds)
        yield is_of_market("path", sold, bounds)


def _amount_checks(order: UnwindCall, owed: int, supplied: int, bounds: Bounds) -> Iterator[Check]:
    """Yield whether no more is sold than the oracle's price allows, and no more taken than may be sold."""
    most_borrowed = mul_div_up(owed, *_INTEREST) + _ROUNDING
    yield Check("borrowed", order.borrowed <= most_borrowed, order.borrowed, f"up to {most_borrowed}, what is owed")
    most_taken = min(order.limit + _ROUNDING, supplied)
    is_taken = 0 < order.limit <= order.taken <= most_taken
    yield Check("taken", is_taken, order.taken, f"between limit and {most_taken}")
    rate = unit_rate(order.collateral, order.debt, bounds)
    if rate is None:
        yield Check("limit against the oracle", False, order.limit, "tokens that have a price")
        return
    most_sold = order.borrowed * (1 + MOST_FEE) / (rate * Fraction(bounds.minimum_fill))
    yield Check("limit against the oracle", order.limit - 1 < most_sold, order.limit, f"up to {int(most_sold)}")


def _left_checks(order: UnwindCall, owed: int, supplied: int) -> Iterator[Check]:
    """Yield whether the contract is told to hold the position to what the amounts come to."""
    end, left = order.enforced, max(owed - order.borrowed, 0)
    most_debt = left + mul_div_up(owed, *_INTEREST) - owed + _ROUNDING if left else 0
    yield Check("maxDebt", end.debt <= most_debt, end.debt, f"up to {most_debt}")
    kept = max(supplied - order.taken, 0)
    least = kept - (mul_div_up(kept, *_INTEREST) - kept) - _ROUNDING
    yield Check("minCollateral", end.collateral >= least, end.collateral, f"at least {least}")


def same_unwind(call: DecodedCall, action: Unwind, bounds: Bounds) -> bool:
    """Tell whether the action says what the bytes do; the quote and names that are only shown are not compared."""
    order, tokens = unwind_call(call.arguments), bounds.tokens
    receipt = bounds.receipts.get(action.receipt.address)
    pairs = [
        (call.to, action.executor),
        (receipt and receipt[1], action.collateral.address),
        (tokens.get(order.debt), action.asset),
        (tokens.get(order.collateral), action.collateral),
        (order.lender, action.lender),
        ((order.borrowed, order.taken, order.limit), (action.amount, action.taken, action.limit)),
        (order.minimum_returned, 0),
        (order.enforced, action.enforced),
        ([(tokens.get(sold), tokens.get(bought), fee) for bought, sold, fee in reversed(order.hops)],
         [(hop.token_in, hop.token_out, hop.fee) for hop in action.route]),
    ]  # fmt: skip
    return all(found == said for found, said in pairs)


EXECUTOR: Mapping[str, Callable[[DecodedCall, Bounds], Iterator[Check]]] = {"deleverage": _deleverage}
"""What may be called of the executor."""
