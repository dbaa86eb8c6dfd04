"""The calls of an Aave v3 pool that are ever signed, and the rules for each; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from defilev.execute.checks import (
    Bounds,
    Check,
    DecodedCall,
    MarketMove,
    MarketRules,
    MoveKind,
    is_above_zero,
    is_collateral,
    is_of_market,
    is_owner,
)
from defilev.units import UINT256_MAX

__all__ = ["AAVE_V3"]

VARIABLE_RATE = 2
MOST_CATEGORIES = 255


def _withdraw(call: DecodedCall, bounds: Bounds) -> Iterator[Check]:
    yield is_of_market("asset", call.arguments["asset"], bounds)
    yield is_above_zero("amount", call.arguments["amount"])
    yield is_owner("to", call.arguments["to"], bounds)


def _repay(call: DecodedCall, bounds: Bounds) -> Iterator[Check]:
    yield is_of_market("asset", call.arguments["asset"], bounds)
    yield is_above_zero("amount", call.arguments["amount"])
    yield _is_variable(call)
    yield is_owner("onBehalfOf", call.arguments["onBehalfOf"], bounds)


def _add(call: DecodedCall, bounds: Bounds) -> Iterator[Check]:
    """Nothing becomes collateral that was not."""
    yield is_collateral("asset", call.arguments["asset"], bounds)
    yield from _supply(call, bounds)


def _repay_with_supply(call: DecodedCall, bounds: Bounds) -> Iterator[Check]:
    """The pool burns what the signer has, for what the signer owes: there is nobody else to name."""
    asset = call.arguments["asset"]
    yield Check("asset", asset in bounds.debts, asset, "a token that the account owes")
    yield is_above_zero("amount", call.arguments["amount"])
    yield _is_variable(call)


def _set_collateral(call: DecodedCall, bounds: Bounds) -> Iterator[Check]:
    yield is_of_market("asset", call.arguments["asset"], bounds)


def _set_e_mode(call: DecodedCall, bounds: Bounds) -> Iterator[Check]:
    del bounds
    category = call.arguments["categoryId"]
    yield Check("categoryId", 0 <= category <= MOST_CATEGORIES, category, f"0 to {MOST_CATEGORIES}")


def _borrow(call: DecodedCall, bounds: Bounds) -> Iterator[Check]:
    yield from _repay(call, bounds)
    yield _no_referral(call)


def _supply(call: DecodedCall, bounds: Bounds) -> Iterator[Check]:
    yield is_of_market("asset", call.arguments["asset"], bounds)
    yield is_above_zero("amount", call.arguments["amount"])
    yield is_owner("onBehalfOf", call.arguments["onBehalfOf"], bounds)
    yield _no_referral(call)


def _is_variable(call: DecodedCall) -> Check:
    mode = call.arguments["interestRateMode"]
    return Check("interestRateMode", mode == VARIABLE_RATE, mode, f"{VARIABLE_RATE} (variable)")


def _no_referral(call: DecodedCall) -> Check:
    return Check("referralCode", call.arguments["referralCode"] == 0, call.arguments["referralCode"], 0)


def _repay_for_another(call: DecodedCall, bounds: Bounds) -> Iterator[Check]:
    """The pool itself refuses to repay everything for another."""
    del bounds
    yield Check("amount for another account", call.arguments["amount"] != UINT256_MAX, "everything", "a number")


def _move(function: str, arguments: Mapping[str, Any]) -> MarketMove | None:
    kind = _MOVES.get(function)
    if kind is None:
        return None
    amount: int = arguments["amount"]
    return MarketMove(kind, arguments["asset"], None if amount == UINT256_MAX else amount)


_MOVES: Mapping[str, MoveKind] = {
    "withdraw": "withdraw",
    "repay": "repay",
    "repayWithATokens": "repay-with-supply",
    "supply": "supply",
    "borrow": "borrow",
}

AAVE_V3 = MarketRules(
    "aave_v3_pool",
    {
        "withdraw": _withdraw,
        "repay": _repay,
        "repayWithATokens": _repay_with_supply,
        "supply": _add,
        "setUserUseReserveAsCollateral": _set_collateral,
        "setUserEMode": _set_e_mode,
    },
    _move,
    for_another={"repay": _repay_for_another},
    by_goal={"swap-collateral": {"supply": _supply}, "swap-debt": {"borrow": _borrow}},
    levering={"borrow": _borrow, "supply": _supply},
)
"""What is signed for whatever goal; borrowing, and new collateral, are for plans that exchange assets or go up."""
