"""The calls of a Comet that are ever signed or exported, and the rules for each; pure."""

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
    is_of_market,
)
from defilev.units import UINT256_MAX

__all__ = ["COMPOUND_V3"]


def _withdraw(call: DecodedCall, bounds: Bounds) -> Iterator[Check]:
    """The base asset leaves in whole only: any other amount of it may be borrowed."""
    asset, amount = call.arguments["asset"], call.arguments["amount"]
    yield is_of_market("asset", asset, bounds)
    yield is_above_zero("amount", amount)
    is_own = asset in bounds.collateral or amount == UINT256_MAX
    yield Check("withdraw", is_own, asset, "collateral of the account, or the base asset in whole")


def _supply(call: DecodedCall, bounds: Bounds) -> Iterator[Check]:
    """What is owed is repaid by it; collateral of the account is added to."""
    asset = call.arguments["asset"]
    yield Check("asset", asset in bounds.debts or asset in bounds.collateral, asset, "what is owed, or collateral")
    yield is_above_zero("amount", call.arguments["amount"])


def _move(function: str, arguments: Mapping[str, Any]) -> MarketMove:
    amount: int = arguments["amount"]
    exact = None if amount == UINT256_MAX else amount
    is_withdrawal = function == "withdraw"
    kind: MoveKind = "withdraw" if is_withdrawal else "repay"
    return MarketMove(kind, arguments["asset"], exact, or_supply=not is_withdrawal)


COMPOUND_V3 = MarketRules("comet", {"withdraw": _withdraw, "supply": _supply}, _move)
