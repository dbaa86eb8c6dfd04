"""The calls of Perp v2 that are ever signed, and the rules for each; pure.

A trade only brings a position nearer to nothing: its direction is against the one that the account has, its size at
most that of the position, and its limit is tied to the price that the account was read at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from defilev.execute.checks import (
    Bounds,
    Check,
    DecodedCall,
    MarketMove,
    MarketRules,
    is_above_zero,
    is_of_market,
    is_owner,
)
from defilev.model.plan import Reduce
from defilev.model.request import Address

__all__ = ["PERP_CURIE", "same_trade"]

LONGEST_DEADLINE = 2 * 86_400
"""Seconds after the account's block that a trade's deadline may lie at most."""


def _deposit(call: DecodedCall, bounds: Bounds) -> Iterator[Check]:
    yield is_owner("to", call.arguments["to"], bounds)
    yield is_of_market("token", call.arguments["token"], bounds)
    yield is_above_zero("amount", call.arguments["amount"])


def _withdraw_all(call: DecodedCall, bounds: Bounds) -> Iterator[Check]:
    yield is_of_market("token", call.arguments["token"], bounds)


def _open(call: DecodedCall, bounds: Bounds) -> Iterator[Check]:
    base, is_sale, is_exact_input, amount, limit, deadline, price_limit, referral = call.arguments["params"]
    held, is_short = _position(base, bounds)
    yield Check("position", held > 0, base, "a market that the account has a position in")
    yield Check("direction", is_sale != is_short, f"isBaseToQuote {is_sale}", "against the position")
    yield Check("isExactInput", is_exact_input == is_sale, is_exact_input, is_sale)
    yield is_above_zero("amount", amount)
    yield Check("amount", amount <= held, amount, f"at most the position, {held}")
    yield _fair_limit(base, amount, limit, is_short=is_short, bounds=bounds)
    yield from _common(deadline, price_limit, referral, bounds)


def _close(call: DecodedCall, bounds: Bounds) -> Iterator[Check]:
    base, price_limit, limit, deadline, referral = call.arguments["params"]
    held, is_short = _position(base, bounds)
    yield Check("position", held > 0, base, "a market that the account has a position in")
    yield _fair_limit(base, held, limit, is_short=is_short, bounds=bounds)
    yield from _common(deadline, price_limit, referral, bounds)


def _common(deadline: int, price_limit: int, referral: bytes, bounds: Bounds) -> Iterator[Check]:
    latest = bounds.at + LONGEST_DEADLINE
    yield Check("deadline", deadline <= latest, deadline, f"up to {latest}")
    yield Check("sqrtPriceLimitX96", price_limit == 0, price_limit, 0)
    yield Check("referralCode", not any(referral), f"0x{referral.hex()}", "none")


def _position(base: Address, bounds: Bounds) -> tuple[int, bool]:
    """Return the size that the account has in a market, zero without one, and whether it is a short."""
    if base in bounds.debts:
        return bounds.debts[base], True
    return bounds.supplies.get(base, 0), False


def _fair_limit(base: Address, amount: int, limit: int, *, is_short: bool, bounds: Bounds) -> Check:
    """The limit against the price that the account was read at, in quote of 18 decimals, fees included."""
    rule = "oppositeAmountBound against the price"
    if base not in bounds.prices:
        return Check(rule, False, limit, "a market with a price")
    price = bounds.prices[base]
    worth, fill = Fraction(amount * price.value, 10**price.decimals), Fraction(bounds.minimum_fill)
    if is_short:
        return Check(rule, 0 < limit <= worth * (2 - fill) + 1, limit, f"at most {worth * (2 - fill)}")
    return Check(rule, limit + 1 >= worth * fill, limit, f"at least {worth * fill}")


def _move(function: str, arguments: Mapping[str, Any]) -> MarketMove:
    if function == "depositFor":
        return MarketMove("supply", arguments["token"], arguments["amount"])
    if function == "withdrawAll":
        return MarketMove("withdraw", arguments["token"], None)
    order = arguments["params"]
    return MarketMove("reduce", order[0], order[3] if function == "openPosition" else None)


def same_trade(call: DecodedCall, action: Reduce, bounds: Bounds) -> bool:
    """Tell whether `action` says exactly what the bytes of a trade do."""
    order = call.arguments["params"]
    if call.function == "openPosition":
        base, is_sale, _, amount, limit, deadline, *_ = order
        side = "long" if is_sale else "short"
    else:
        base, _, limit, deadline, _ = order
        amount, side = None, "short" if base in bounds.debts else "long"
    found = (bounds.tokens.get(base), side, amount, limit, deadline)
    return found == (action.asset, action.side, action.amount, action.quote_limit, action.deadline)


PERP_CURIE = MarketRules(
    "perp_curie",
    {"depositFor": _deposit, "withdrawAll": _withdraw_all},
    _move,
    for_another={"depositFor": _deposit},
    house={"openPosition": _open, "closePosition": _close},
)
