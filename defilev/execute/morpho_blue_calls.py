"""The calls of Morpho Blue that are ever signed, and the rules for each; nobody is ever authorised; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from defilev.abi import encode, keccak
from defilev.execute.checks import (
    Bounds,
    Check,
    DecodedCall,
    MarketMove,
    MarketRules,
    MoveKind,
    is_above_zero,
    is_owner,
)

__all__ = ["MORPHO_BLUE"]

_PARAMS = "(address,address,address,address,uint256)"
_LOAN, _COLLATERAL = 0, 1


def _withdraw_collateral(call: DecodedCall, bounds: Bounds) -> Iterator[Check]:
    yield _of_this_market(call, bounds)
    yield is_above_zero("assets", call.arguments["assets"])
    yield is_owner("onBehalf", call.arguments["onBehalf"], bounds)
    yield is_owner("receiver", call.arguments["receiver"], bounds)


def _withdraw(call: DecodedCall, bounds: Bounds) -> Iterator[Check]:
    yield _of_this_market(call, bounds)
    yield _one_of_two(call)
    yield is_owner("onBehalf", call.arguments["onBehalf"], bounds)
    yield is_owner("receiver", call.arguments["receiver"], bounds)


def _repay(call: DecodedCall, bounds: Bounds) -> Iterator[Check]:
    yield _of_this_market(call, bounds)
    yield _one_of_two(call)
    yield is_owner("onBehalf", call.arguments["onBehalf"], bounds)
    yield _no_callback(call)


def _supply_collateral(call: DecodedCall, bounds: Bounds) -> Iterator[Check]:
    yield _of_this_market(call, bounds)
    yield is_above_zero("assets", call.arguments["assets"])
    yield is_owner("onBehalf", call.arguments["onBehalf"], bounds)
    yield _no_callback(call)


def _no_callback(call: DecodedCall) -> Check:
    callback = call.arguments["data"]
    return Check("data", callback == b"", f"0x{callback.hex()}", "nothing: it would call back whoever sends it")


def _of_this_market(call: DecodedCall, bounds: Bounds) -> Check:
    """The parameters are the market: their hash is its id."""
    found = "0x" + keccak(encode([_PARAMS], [call.arguments["marketParams"]])).hex()
    return Check("marketParams", found == bounds.market, f"market {found}", f"market {bounds.market}")


def _one_of_two(call: DecodedCall) -> Check:
    """Either an amount or a number of shares, as the contract itself demands."""
    assets, shares = call.arguments["assets"], call.arguments["shares"]
    found = f"{assets} assets and {shares} shares"
    return Check("assets or shares", (assets == 0) != (shares == 0), found, "one of them above zero, the other zero")


def _move(function: str, arguments: Mapping[str, Any]) -> MarketMove:
    params, assets = arguments["marketParams"], arguments["assets"]
    if function == "withdrawCollateral":
        return MarketMove("withdraw", params[_COLLATERAL], assets)
    if function == "supplyCollateral":
        return MarketMove("supply", params[_COLLATERAL], assets)
    kind: MoveKind = "withdraw" if function == "withdraw" else "repay"
    return MarketMove(kind, params[_LOAN], assets or None, arguments["shares"] or None)


MORPHO_BLUE = MarketRules(
    "morpho_blue",
    {
        "withdrawCollateral": _withdraw_collateral,
        "withdraw": _withdraw,
        "repay": _repay,
        "supplyCollateral": _supply_collateral,
    },
    _move,
)
