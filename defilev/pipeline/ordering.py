"""Orders on a GMX position: built from what was read, with the fee of now, and held to their limits by their bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from defilev.abi import Transaction, interface
from defilev.abi.answers import decode_one
from defilev.errors import ConfigurationError, Infeasible, UnknownName, UsageError
from defilev.execute.checks import Check
from defilev.execute.fees import Fees, read_fees
from defilev.execute.gmx_v2_orders import OrderLimits, check_creation
from defilev.execute.transaction import TransactionFields
from defilev.model.book import MarketEntry
from defilev.model.perp import PerpAccount
from defilev.observe.drive import drive
from defilev.pipeline.session import Session
from defilev.protocols.gmx_v2 import GMX_V2
from defilev.protocols.gmx_v2.orders import (
    CREATION_GAS,
    Order,
    acceptable_price,
    add_margin,
    creation,
    execution_fee,
    read_gas_terms,
    reduce,
)
from defilev.protocols.gmx_v2.state import PositionState
from defilev.units import BPS, Bps, mul_div_down, to_decimal

__all__ = ["Goal", "MadeOrder", "make_order", "position_of"]

_APPROVAL_GAS = 100_000


@dataclass(frozen=True, slots=True)
class Goal:
    """What an order is to do: close a `part` of the position, or add `amount` base units to its margin."""

    kind: Literal["reduce", "add-margin"]
    part: Decimal = Decimal(1)
    amount: int = 0
    slippage: Decimal = Decimal("0.005")


@dataclass(frozen=True, slots=True)
class MadeOrder:
    """An order, the transactions that create it in their order, and the rules that the creation's bytes keep."""

    account: PerpAccount
    order: Order
    fees: Fees
    transactions: tuple[tuple[Transaction, TransactionFields], ...]
    checks: tuple[Check, ...]


def position_of(perps: Sequence[PerpAccount], market: str | None) -> PerpAccount:
    """Return the one position; of several, the one whose key begins with `market`.

    Raises:
        Infeasible: there is none.
        UnknownName: there are several.
    """
    found = [account for account in perps if account.market.startswith(market or "")]
    if not found:
        raise Infeasible("there is no such position", fix="`defilev health WHO -p gmx-v2` shows what there is")
    if len(found) > 1:
        known = ", ".join(f"{account.market[:10]} ({account.market_label})" for account in found)
        raise UnknownName("there are several positions", fix="name one: --market and its key's beginning", known=known)
    return found[0]


def make_order(session: Session, account: PerpAccount, goal: Goal) -> MadeOrder:
    """Return the order that reaches `goal`, at the fees of now; its bytes have been decoded again and checked.

    The execution fee pays for the execution's gas at the highest fee that the creation may pay, so that the contracts
    never find it short; what is not used comes back.

    Raises:
        Infeasible: see `reduce` and `add_margin`.
        PolicyViolation: the bytes break a rule.
        ConfigurationError: the address book lacks a contract.
        Refused: the chain has no base fee.
    """
    if account.protocol != GMX_V2.name:
        raise UsageError(f"orders are GMX's, and this is {account.protocol}", fix="choose -p gmx-v2")
    entry = _entry(session, account)
    fees = read_fees(session.node, at=session.block)
    terms = drive(read_gas_terms(entry), session.fetch)
    fee = execution_fee(terms, goal.kind, gas_price=fees.max_fee_per_gas)
    if goal.amount:
        _require_held(session, account, goal)
    order = _order(account.state, goal, fee)
    created = creation(order, entry)
    checks = check_creation(created.data, value=fee, limits=_limits(order, entry, goal))
    calls = [(created, fee, CREATION_GAS)]
    if order.amount:
        calls.insert(0, (_approval(order, entry), 0, _APPROVAL_GAS))
    nonce = session.node.nonce(account.owner, block=session.block)
    transactions = tuple(
        (call, _fields(session, call, nonce + place, fees, value, gas))
        for place, (call, value, gas) in enumerate(calls)
    )
    return MadeOrder(account, order, fees, transactions, checks)


def _order(state: PositionState, goal: Goal, fee: int) -> Order:
    if goal.kind == "add-margin":
        return add_margin(state, amount=goal.amount, fee=fee)
    numerator, denominator = goal.part.as_integer_ratio()
    size = mul_div_down(state.position.size, numerator, denominator)
    return reduce(state, size=size, slippage=_bps(goal.slippage), fee=fee)


def _require_held(session: Session, account: PerpAccount, goal: Goal) -> None:
    """Raise `Infeasible` when the owner's wallet does not hold the margin that is to be added."""
    token = account.state.collateral_price.token
    call = interface("erc20")["balanceOf"].call(token.address, account.owner)
    held = decode_one(interface("erc20")["balanceOf"], session.fetch([call])[0], what=token.symbol)
    if goal.amount > held:
        missing, has = (to_decimal(each, token.decimals) for each in (goal.amount, held))
        raise Infeasible(f"the wallet has {has} {token.symbol}, not {missing}", fix="add no more than it has")


def _bps(slippage: Decimal) -> Bps:
    return Bps(int(slippage * BPS))


def _limits(order: Order, entry: MarketEntry, goal: Goal) -> OrderLimits:
    position = order.state.position
    return OrderLimits(
        owner=position.owner,
        order_vault=entry.entry_points["order_vault"],
        market=position.market,
        collateral=position.collateral,
        is_long=position.is_long,
        most_size=position.size,
        worst_price=acceptable_price(order.state.index_price, is_long=position.is_long, slippage=_bps(goal.slippage)),
        most_margin=goal.amount,
        most_fee=order.execution_fee,
    )


def _approval(order: Order, entry: MarketEntry) -> Transaction:
    """Return the approval of exactly what is added; tokens are approved to the Router, not to the ExchangeRouter."""
    if "router" not in entry.entry_points:
        raise ConfigurationError(
            f"the address book has no router of {entry.protocol} {entry.market}",
            fix=f'add router = "0x…" to [{entry.protocol}.{entry.market}]',
        )
    arguments = (entry.entry_points["router"], order.amount)
    token = order.state.collateral_price.token
    return Transaction(token.address, token.symbol, interface("erc20")["approve"], arguments)


def _fields(session: Session, call: Transaction, nonce: int, fees: Fees, value: int, gas: int) -> TransactionFields:
    return TransactionFields(
        chain_id=session.chain_id,
        nonce=nonce,
        max_priority_fee_per_gas=fees.max_priority_fee_per_gas,
        max_fee_per_gas=fees.max_fee_per_gas,
        gas_limit=gas,
        to=call.to,
        value=value,
        data=call.data,
    )


def _entry(session: Session, account: PerpAccount) -> MarketEntry:
    return next(
        entry
        for entry in session.book.markets
        if (entry.protocol, entry.market) == (account.protocol, account.deployment)
    )
