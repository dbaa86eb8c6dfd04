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


def _withdraw(call: DecodedCall, bounds: Bounds) -> Iterator[Check]:
    yield is_of_market("asset", call.arguments["asset"], bounds)
    yield is_above_zero("amount", call.arguments["amount"])
    yield is_owner("to", call.arguments["to"], bounds)


def _repay(call: DecodedCall, bounds: Bounds) -> Iterator[Check]:
    yield is_of_market("asset", call.arguments["asset"], bounds)
    yield is_above_zero("amount", call.arguments["amount"])
    mode = call.arguments["interestRateMode"]
    yield Check("interestRateMode", mode == VARIABLE_RATE, mode, f"{VARIABLE_RATE} (variable)")
    yield is_owner("onBehalfOf", call.arguments["onBehalfOf"], bounds)


def _add(call: DecodedCall, bounds: Bounds) -> Iterator[Check]:
    """Nothing becomes collateral that was not."""
    yield is_collateral("asset", call.arguments["asset"], bounds)
    yield is_above_zero("amount", call.arguments["amount"])
    yield is_owner("onBehalfOf", call.arguments["onBehalfOf"], bounds)
    yield _no_referral(call)


def _no_referral(call: DecodedCall) -> Check:
    return Check("referralCode", call.arguments["referralCode"] == 0, call.arguments["referralCode"], 0)


def _repay_for_another(call: DecodedCall, bounds: Bounds) -> Iterator[Check]:
    """The pool itself refuses to repay everything for another."""
    del bounds
    yield Check("amount for another account", call.arguments["amount"] != UINT256_MAX, "everything", "a number")


def _move(function: str, arguments: Mapping[str, Any]) -> MarketMove:
    amount: int = arguments["amount"]
    return MarketMove(_MOVES[function], arguments["asset"], None if amount == UINT256_MAX else amount)


_MOVES: Mapping[str, MoveKind] = {"withdraw": "withdraw", "repay": "repay", "supply": "supply"}

AAVE_V3 = MarketRules(
    "aave_v3_pool",
    {"withdraw": _withdraw, "repay": _repay, "supply": _add},
    _move,
    for_another={"repay": _repay_for_another},
)
