"""Orders to GMX's ExchangeRouter against those that its real contracts took and refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from defilev.abi import Transaction, checksum, interface
from defilev.errors import ConfigurationError, Infeasible, PolicyViolation
from defilev.execute.gmx_v2_orders import OrderLimits, check_creation
from defilev.observe.drive import drive
from defilev.protocols.gmx_v2.orders import (
    Order,
    acceptable_price,
    add_margin,
    creation,
    execution_fee,
    read_gas_terms,
    reduce,
)
from defilev.protocols.gmx_v2.state import PositionState
from defilev.units import UINT256_MAX, Bps
from tests.support.gmx import ENTRY, GMX, answer, read_gmx, recorded_tickers

ORDERS: list[dict[str, Any]] = GMX.document["orders"]
TERMS = drive(read_gas_terms(ENTRY), answer)
ROUTER = interface("gmx_exchange_router")
HALF = Bps(50)


def state_of(user: str) -> PositionState:
    state: PositionState = read_gmx([user], tickers=recorded_tickers())[0].state
    return state


LONG, SHORT = state_of("user5"), state_of("user3")


def recorded(label: str) -> dict[str, Any]:
    return next(order for order in ORDERS if label in order["label"])


def limits_of(order: Order, **changes: Any) -> OrderLimits:
    position = order.state.position
    limits = OrderLimits(
        owner=position.owner,
        order_vault=ENTRY.entry_points["order_vault"],
        market=position.market,
        collateral=position.collateral,
        is_long=position.is_long,
        most_size=position.size,
        worst_price=acceptable_price(order.state.index_price, is_long=position.is_long, slippage=HALF),
        most_margin=10**12,
        most_fee=10**18,
    )
    return replace(limits, **changes)


def closing(state: PositionState = LONG) -> Order:
    return reduce(state, size=state.position.size, slippage=HALF, fee=10**16)


def adding(state: PositionState = LONG) -> Order:
    return add_margin(state, amount=10**9, fee=10**16)


def test_a_decrease_is_what_the_contracts_took_to_the_byte() -> None:
    """An order that was created on the real contracts is built again from its figures, byte for byte."""
    taken = recorded("decrease order (ok)")
    (fee, created) = ROUTER["multicall"].decode_arguments(bytes.fromhex(taken["data"][2:]))["data"]
    addresses, numbers, *_ = ROUTER["createOrder"].decode_arguments(created)["params"]
    position = replace(
        LONG.position, owner=checksum(taken["from"]), market=addresses[4], collateral=addresses[5], is_long=True
    )
    order = Order("reduce", replace(LONG, position=position), numbers[0], 0, numbers[3], taken["value"])

    assert taken["error"] is None
    assert ROUTER["sendWnt"].encode(ENTRY.entry_points["order_vault"], taken["value"]) == fee
    assert taken["data"] == "0x" + creation(order, ENTRY).data.hex()


def test_the_execution_fee_is_what_the_contracts_ask_for() -> None:
    """At two gwei the real contract named the fee that it wants: ours is that one."""
    refused = recorded("below gasLimit x tx.gasprice")
    least = execution_fee(TERMS, "reduce", gas_price=refused["gas_price"])

    assert f"InsufficientExecutionFee({least},{refused['value']})" == refused["error"]
    assert execution_fee(TERMS, "add-margin", gas_price=refused["gas_price"]) == least


def test_margin_is_never_forgotten() -> None:
    """An order that adds margin sends the tokens in the same multicall; one without them is refused by its bytes.

    The real contracts take an increase without tokens, and execute it: leverage would rise silently.
    """
    order = adding()
    calls = creation(order, ENTRY).arguments[0]
    limits = limits_of(order)
    without = ROUTER["multicall"].encode([calls[0], calls[2]])
    taken = recorded("increase order, tokens not sent")

    sent = ROUTER["sendTokens"].decode_arguments(calls[1])
    assert (LONG.position.collateral, ENTRY.entry_points["order_vault"], 10**9) == tuple(sent.values())
    assert check_creation(creation(order, ENTRY).data, value=10**16, limits=limits)
    assert taken["error"] is None
    with pytest.raises(PolicyViolation, match="breaks the rule 'kind'"):
        check_creation(without, value=10**16, limits=limits)


@pytest.mark.parametrize("state", [LONG, SHORT], ids=["long", "short"])
def test_the_worst_price_is_on_the_owner_s_side(state: PositionState) -> None:
    """A long is closed above the low price less the slippage, a short below the high one and the slippage."""
    index, limit = state.index_price, closing(state).acceptable_price

    if state.position.is_long:
        assert index.low * 9950 <= limit * 10000 < index.low * 9950 + 10000
        assert UINT256_MAX == adding(state).acceptable_price
    else:
        assert index.high * 10050 - 10000 < limit * 10000 <= index.high * 10050
        assert 0 == adding(state).acceptable_price


def test_what_cannot_be_ordered_is_named() -> None:
    """More than there is, nothing, a market that is disabled, and an address book without the router."""
    off = replace(LONG, terms=replace(LONG.terms, is_disabled=True))
    bare = replace(ENTRY, entry_points={"data_store": ENTRY.entry_points["data_store"]})

    with pytest.raises(Infeasible, match="USD to close, not"):
        reduce(LONG, size=LONG.position.size + 1, slippage=HALF, fee=1)
    for order in (lambda: reduce(LONG, size=0, slippage=HALF, fee=1), lambda: add_margin(LONG, amount=0, fee=1)):
        with pytest.raises(Infeasible):
            order()
    with pytest.raises(Infeasible, match="is disabled"):
        reduce(off, size=1, slippage=HALF, fee=1)
    with pytest.raises(ConfigurationError, match="has no exchange_router"):
        creation(closing(), bare)


def changed(transaction: Transaction, place: int, function: str, change: Any) -> bytes:
    """Return the multicall with the arguments of one of its calls changed."""
    calls = list(transaction.arguments[0])
    arguments = list(ROUTER[function].decode_arguments(calls[place]).values())
    calls[place] = ROUTER[function].encode(*change(arguments))
    return ROUTER["multicall"].encode(calls)


def with_param(group: int, place: int, value: Any) -> Any:
    def change(arguments: list[Any]) -> list[Any]:
        params = list(arguments[0])
        inner = list(params[group])
        inner[place] = value
        params[group] = tuple(inner)
        return [tuple(params)]

    return change


def with_field(place: int, value: Any) -> Any:
    def change(arguments: list[Any]) -> list[Any]:
        params = list(arguments[0])
        params[place] = value
        return [tuple(params)]

    return change


STRANGER = checksum("0x" + "13" * 20)


FIELDS: dict[str, tuple[Any, str]] = {
    "receiver": (with_param(0, 0, STRANGER), "receivers"),
    "cancellation receiver": (with_param(0, 1, STRANGER), "receivers"),
    "callback contract": (with_param(0, 2, STRANGER), "callback"),
    "interface fee receiver": (with_param(0, 3, STRANGER), "callback"),
    "market": (with_param(0, 4, STRANGER), "market"),
    "collateral": (with_param(0, 5, STRANGER), "collateral"),
    "swap path": (with_param(0, 6, [STRANGER]), "swap path"),
    "size": (with_param(1, 0, UINT256_MAX), "size"),
    "collateral to withdraw": (with_param(1, 1, 1), "extras"),
    "trigger price": (with_param(1, 2, 1), "extras"),
    "acceptable price": (with_param(1, 3, 0), "price"),
    "execution fee": (with_param(1, 4, 1), "fee"),
    "callback gas": (with_param(1, 5, 1), "extras"),
    "valid from": (with_param(1, 7, 1), "extras"),
    "a limit order": (with_field(2, 3), "kind"),
    "a liquidation": (with_field(2, 7), "kind"),
    "swap of profit": (with_field(3, 1), "extras"),
    "side": (with_field(4, False), "side"),
    "unwrapping": (with_field(5, True), "extras"),
    "automatic cancelling": (with_field(6, True), "extras"),
    "referral code": (with_field(7, b"\1" * 32), "extras"),
    "data": (with_field(8, [b"\1" * 32]), "extras"),
}


@pytest.mark.parametrize("field", FIELDS)
def test_one_changed_field_of_an_order_is_refused(field: str) -> None:
    """Whoever else could gain, a worse price, more than the position, and every extra: each breaks a rule by name."""
    (change, rule), order = FIELDS[field], closing()
    transaction = creation(order, ENTRY)

    assert check_creation(transaction.data, value=order.execution_fee, limits=limits_of(order))
    with pytest.raises(PolicyViolation, match=f"breaks the rule '{rule}'"):
        check_creation(
            changed(transaction, 1, "createOrder", change), value=order.execution_fee, limits=limits_of(order)
        )


@pytest.mark.parametrize(
    ("place", "value", "rule"),
    [(0, STRANGER, "margin token"), (1, STRANGER, "margin receiver"), (2, 10**13, "margin"), (2, 0, "margin")],
    ids=["token", "receiver", "too much", "nothing"],
)
def test_margin_goes_where_it_belongs(place: int, value: Any, rule: str) -> None:
    """The collateral of the position, to the order vault, within the limit."""
    order = adding()

    def change(arguments: list[Any]) -> list[Any]:
        return [value if number == place else each for number, each in enumerate(arguments)]

    with pytest.raises(PolicyViolation, match=f"breaks the rule '{rule}'"):
        check_creation(changed(creation(order, ENTRY), 1, "sendTokens", change), value=10**16, limits=limits_of(order))


@pytest.mark.parametrize(("value", "changes", "rule"), [(1, {}, "fee"), (10**16, {"most_fee": 1}, "fee limit")])
def test_the_fee_is_sent_once_and_within_its_limit(value: int, changes: dict[str, Any], rule: str) -> None:
    """What is sent, what goes to the vault and what the order says are one amount, and no more than allowed."""
    order = closing()

    with pytest.raises(PolicyViolation, match=f"breaks the rule '{rule}'"):
        check_creation(creation(order, ENTRY).data, value=value, limits=limits_of(order, **changes))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 100,
        ROUTER["multicall"].encode([b"\1\2\3\4"]),
        ROUTER["multicall"].encode([ROUTER["multicall"].encode([])]),
        ROUTER["multicall"].encode([]) + b"\0",
    ],
    ids=["nothing", "zeros", "another call", "a multicall within", "a byte more"],
)
def test_what_is_no_order_is_refused(data: bytes) -> None:
    """Other calls, a multicall within, and bytes beyond the end, are never decoded into an order."""
    with pytest.raises(PolicyViolation, match="not one that is ever created"):
        check_creation(data, value=1, limits=limits_of(closing()))
    with pytest.raises(PolicyViolation, match="breaks the rule 'calls'"):
        check_creation(ROUTER["multicall"].encode([]), value=1, limits=limits_of(closing()))
