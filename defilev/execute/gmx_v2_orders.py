"""What may be signed or exported for GMX: the bytes of an order, decoded, and each of their limits; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from defilev.abi import interface
from defilev.abi.address import ZERO_ADDRESS
from defilev.errors import PolicyViolation
from defilev.execute.checks import Check
from defilev.model.request import Address
from defilev.units import UINT256_MAX

__all__ = ["OrderLimits", "check_creation"]

_INCREASE, _DECREASE = 2, 4


@dataclass(frozen=True, slots=True)
class OrderLimits:
    """What an order of `owner` on one position may say.

    `most_size` is the position's size, `worst_price` what closing may accept: a long at least, a short at most.
    `most_margin` are base units of its collateral, `most_fee` wei.
    """

    owner: Address
    order_vault: Address
    market: Address
    collateral: Address
    is_long: bool
    most_size: int
    worst_price: int
    most_margin: int
    most_fee: int


def check_creation(data: bytes, *, value: int, limits: OrderLimits) -> tuple[Check, ...]:
    """Return every rule for the multicall `data` that sends `value` wei, all of which hold.

    Raises:
        PolicyViolation: not such a multicall, or a rule does not hold; names it, what was found and what is allowed.
    """
    try:
        calls = _decoded(data)
    except ValueError as error:
        raise PolicyViolation(f"the order is not one that is ever created: {error}") from None
    found = tuple(_checks(calls, value, limits))
    for check in found:
        if not check.holds:
            raise PolicyViolation(
                f"the order breaks the rule {check.rule!r}", found=str(check.found), allowed=str(check.allowed)
            )
    return found


def _decoded(data: bytes) -> list[tuple[str, dict[str, Any]]]:
    functions = interface("gmx_exchange_router")
    calls: Sequence[bytes] = functions["multicall"].decode_arguments(data)["data"]
    decoded = []
    for call in calls:
        function = functions.by_selector(call)
        if function is None or function.name == "multicall":
            raise ValueError(f"0x{call[:4].hex()} is not a call that is ever made within it")
        decoded.append((function.name, function.decode_arguments(call)))
    return decoded


def _checks(calls: list[tuple[str, dict[str, Any]]], value: int, limits: OrderLimits) -> Iterator[Check]:
    names = [name for name, _ in calls]
    is_increase = names == ["sendWnt", "sendTokens", "createOrder"]
    known = is_increase or names == ["sendWnt", "createOrder"]
    yield Check("calls", known, ", ".join(names), "sendWnt, sendTokens where margin is added, createOrder")
    if not known:
        return
    fee, params = calls[0][1], calls[-1][1]["params"]
    addresses, numbers, kind, swap, is_long, unwraps, cancels, code, data = params
    yield Check("fee receiver", fee["receiver"] == limits.order_vault, fee["receiver"], limits.order_vault)
    yield Check("fee", fee["amount"] == value == numbers[4], (fee["amount"], value, numbers[4]), "three times the same")
    yield Check("fee limit", 0 < value <= limits.most_fee, value, f"at most {limits.most_fee} wei")
    yield from _addressed(addresses, limits)
    yield Check("side", is_long == limits.is_long, is_long, limits.is_long)
    plain = (swap, unwraps, cancels, bytes(code), list(data), numbers[1], numbers[2], *numbers[5:])
    yield Check("extras", plain == (0, False, False, bytes(32), [], 0, 0, 0, 0, 0), plain, "none")
    if is_increase:
        yield from _added(calls[1][1], numbers, kind, limits)
    else:
        yield from _reduced(numbers, kind, limits)


def _addressed(addresses: Sequence[Any], limits: OrderLimits) -> Iterator[Check]:
    receiver, cancelled, callback, interface_fee, market, collateral, path = addresses
    yield Check("receivers", receiver == cancelled == limits.owner, (receiver, cancelled), limits.owner)
    yield Check("callback", callback == interface_fee == ZERO_ADDRESS, (callback, interface_fee), "none")
    yield Check("market", market == limits.market, market, limits.market)
    yield Check("collateral", collateral == limits.collateral, collateral, limits.collateral)
    yield Check("swap path", not path, list(path), "none")


def _added(sent: dict[str, Any], numbers: Sequence[int], kind: int, limits: OrderLimits) -> Iterator[Check]:
    """The tokens travel with the order, and it trades nothing."""
    trades_nothing = UINT256_MAX if limits.is_long else 0
    yield Check("kind", kind == _INCREASE, kind, _INCREASE)
    yield Check("size", numbers[0] == 0, numbers[0], "none: margin is added, and nothing else")
    yield Check("price", numbers[3] == trades_nothing, numbers[3], trades_nothing)
    yield Check("margin token", sent["token"] == limits.collateral, sent["token"], limits.collateral)
    yield Check("margin receiver", sent["receiver"] == limits.order_vault, sent["receiver"], limits.order_vault)
    yield Check("margin", 0 < sent["amount"] <= limits.most_margin, sent["amount"], f"at most {limits.most_margin}")


def _reduced(numbers: Sequence[int], kind: int, limits: OrderLimits) -> Iterator[Check]:
    """Nothing but a decrease within the position, at the worst price at worst."""
    is_fair = numbers[3] >= limits.worst_price if limits.is_long else numbers[3] <= limits.worst_price
    yield Check("kind", kind == _DECREASE, kind, _DECREASE)
    yield Check("size", 0 < numbers[0] <= limits.most_size, numbers[0], f"at most {limits.most_size}")
    yield Check("price", is_fair, numbers[3], limits.worst_price)
