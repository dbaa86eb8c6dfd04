"""Orders to GMX's ExchangeRouter: reducing a position and adding margin, as the bytes that create them; pure.

An order is created in one transaction and executed by a keeper in another, or cancelled: creation checks little. The
margin of an increase is what arrived in the order vault, whatever the order says: so the tokens travel in the same
multicall, or leverage would rise silently. Source: gmx-synthetics, `ExchangeRouter`, `OrderUtils`, `GasUtils`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from defilev.abi import Transaction, interface
from defilev.abi.address import ZERO_ADDRESS
from defilev.errors import ConfigurationError, Infeasible
from defilev.model.book import MarketEntry
from defilev.model.request import Address, Call, Read, Results
from defilev.protocols.gmx_v2.decode import uint
from defilev.protocols.gmx_v2.keys import data_key
from defilev.protocols.gmx_v2.state import FACTOR, PositionState, TokenPrice
from defilev.units import BPS, UINT256_MAX, Bps, mul_div_down, mul_div_up

__all__ = [
    "CREATION_GAS",
    "GasTerms",
    "Order",
    "acceptable_price",
    "add_margin",
    "creation",
    "execution_fee",
    "read_gas_terms",
    "reduce",
]

Kind = Literal["reduce", "add-margin"]

MARKET_INCREASE, MARKET_DECREASE = 2, 4
ORACLE_PRICES = 3
"""Prices that executing an order without swaps needs: of the index and of both tokens of the pool."""

CREATION_GAS = 4_000_000
"""A gas limit that suffices to create an order; what is not used is not paid."""

_NO_CODE = bytes(32)
_GAS_KEYS = (
    *("ESTIMATED_GAS_FEE_BASE_AMOUNT_V2_1", "ESTIMATED_GAS_FEE_PER_ORACLE_PRICE"),
    *("ESTIMATED_GAS_FEE_MULTIPLIER_FACTOR", "INCREASE_ORDER_GAS_LIMIT", "DECREASE_ORDER_GAS_LIMIT"),
)


@dataclass(frozen=True, slots=True)
class GasTerms:
    """What the contracts count for executing an order: gas, and a factor of 30 decimals on the order's own part."""

    base: int
    per_price: int
    multiplier: int
    increase: int
    decrease: int

    def of(self, kind: Kind) -> int:
        """Return the gas that the execution fee must pay for at the price of the creating transaction."""
        own = self.increase if kind == "add-margin" else self.decrease
        return self.base + self.per_price * ORACLE_PRICES + mul_div_down(own, self.multiplier, FACTOR)


@dataclass(frozen=True, slots=True)
class Order:
    """One order on a position.

    `size` is dollars of 30 decimals to close, and `amount` base units of margin to add: one of them is zero. Prices are
    dollars of 30 decimals for one base unit of the index: a long is closed at `acceptable_price` at least, a short at
    most. `execution_fee` is in wei; what the keeper does not use comes back to the owner.
    """

    kind: Kind
    state: PositionState
    size: int
    amount: int
    acceptable_price: int
    execution_fee: int


def read_gas_terms(entry: MarketEntry) -> Read[GasTerms]:
    """Read what executing an order costs; raises `CallReverted` where the DataStore is none."""
    store = entry.entry_points["data_store"]
    asked: list[Call] = [interface("gmx_data_store")["getUint"].call(store, data_key(name)) for name in _GAS_KEYS]
    answers: Results = yield asked
    return GasTerms(*(uint(answer) for answer in answers))


def execution_fee(terms: GasTerms, kind: Kind, *, gas_price: int) -> int:
    """Return the wei that an order must send along when its creation pays `gas_price` wei for gas, at most."""
    return terms.of(kind) * gas_price


def acceptable_price(index: TokenPrice, *, is_long: bool, slippage: Bps) -> int:
    """Return the worst price for closing: below the low one for a long, above the high one for a short.

    Rounded in the owner's favour.
    """
    if is_long:
        return mul_div_up(index.low, BPS - slippage, BPS)
    return mul_div_down(index.high, BPS + slippage, BPS)


def reduce(state: PositionState, *, size: int, slippage: Bps, fee: int) -> Order:
    """Return the order that closes `size` dollars of a position, all of it when that is its size.

    Raises:
        Infeasible: nothing, or more than there is, or the market is disabled.
    """
    _require_open(state)
    if not 0 < size <= state.position.size:
        raise Infeasible(
            f"the position has {state.position.size / FACTOR:.2f} USD to close, not {size / FACTOR:.2f}",
            fix="reduce by no more than all of it",
        )
    limit = acceptable_price(state.index_price, is_long=state.position.is_long, slippage=slippage)
    return Order("reduce", state, size, 0, limit, fee)


def add_margin(state: PositionState, *, amount: int, fee: int) -> Order:
    """Return the order that adds `amount` base units to the margin and trades nothing.

    Raises:
        Infeasible: nothing is added, or the market is disabled.
    """
    _require_open(state)
    if amount <= 0:
        raise Infeasible("an order that adds no margin does nothing", fix="add more than nothing")
    return Order("add-margin", state, 0, amount, UINT256_MAX if state.position.is_long else 0, fee)


def creation(order: Order, entry: MarketEntry) -> Transaction:
    """Return the multicall that creates `order`; it sends `order.execution_fee` wei.

    Raises:
        ConfigurationError: the address book has no ExchangeRouter, or no order vault.
    """
    router, vault = (_entry_point(entry, name) for name in ("exchange_router", "order_vault"))
    functions = interface("gmx_exchange_router")
    calls = [functions["sendWnt"].encode(vault, order.execution_fee)]
    if order.amount:
        calls.append(functions["sendTokens"].encode(order.state.position.collateral, vault, order.amount))
    calls.append(functions["createOrder"].encode(_params(order)))
    return Transaction(router, "gmx-v2 exchange router", functions["multicall"], (calls,))


def _params(order: Order) -> tuple[object, ...]:
    position, owner = order.state.position, order.state.position.owner
    path: list[Address] = []
    addresses = (owner, owner, ZERO_ADDRESS, ZERO_ADDRESS, position.market, position.collateral, path)
    numbers = (order.size, 0, 0, order.acceptable_price, order.execution_fee, 0, 0, 0)
    kind = MARKET_INCREASE if order.kind == "add-margin" else MARKET_DECREASE
    return (addresses, numbers, kind, 0, position.is_long, False, False, _NO_CODE, [])


def _require_open(state: PositionState) -> None:
    if state.terms.is_disabled:
        raise Infeasible(f"the market {state.label} is disabled: no order is executed", fix="wait until it is enabled")


def _entry_point(entry: MarketEntry, name: str) -> Address:
    if name not in entry.entry_points:
        raise ConfigurationError(
            f"the address book has no {name} of {entry.protocol} {entry.market}",
            fix=f'add {name} = "0x…" to [{entry.protocol}.{entry.market}]',
        )
    return entry.entry_points[name]
