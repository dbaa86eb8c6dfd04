"""What a call does, in words: from its decoded bytes alone, with the raw numbers beside the readable ones."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from defilev.execute.checks import DecodedCall
from defilev.execute.rules import swap_call
from defilev.model.request import Address
from defilev.model.token import Token
from defilev.units import to_decimal

__all__ = ["words_of"]


def words_of(call: DecodedCall, tokens: Mapping[Address, Token], names: Mapping[Address, str]) -> str:
    """Return one sentence about a call that the policy has decoded.

    Args:
        tokens: those of the market.
        names: what the owner and the contracts are called.
    """
    if call.move is not None:
        return _moved(call, tokens, names)
    if call.role == "router":
        swap = swap_call(call)
        sold = _amount(swap.hops[0][0], swap.amount_in, tokens)
        bought = _amount(swap.hops[-1][1], swap.minimum_out, tokens)
        return f"sell {sold} for at least {bought}, which goes to {_named(swap.recipient, names)}"
    spender = _named(call.arguments["spender"], names)
    if call.arguments["amount"] == 0:
        return f"let {spender} take no more {_symbol(call.to, tokens)}"
    return f"let {spender} take {_amount(call.to, call.arguments['amount'], tokens)}"


def _moved(call: DecodedCall, tokens: Mapping[Address, Token], names: Mapping[Address, str]) -> str:
    move = call.move
    assert move is not None  # noqa: S101 - the caller has looked
    if move.amount is not None:
        what = _amount(move.asset, move.amount, tokens)
    else:
        shares = "" if move.shares is None else f" that {move.shares} shares are"
        what = f"all {_symbol(move.asset, tokens)}{shares}"
    whose = next((value for name, value in call.arguments.items() if name in _WHOSE), None)
    if whose is None:
        return f"{move.kind} {what}"
    return f"{move.kind} {what} {'to' if move.kind == 'withdraw' else 'for'} {_named(whose, names)}"


_WHOSE = ("to", "onBehalfOf", "onBehalf", "receiver", "dst")
"""What contracts call the account that a call is for."""


def _amount(token: Address, raw: int, tokens: Mapping[Address, Token]) -> str:
    known = tokens[token]
    return f"{_trimmed(to_decimal(raw, known.decimals))} {known.symbol} ({raw})"


def _trimmed(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _symbol(token: Address, tokens: Mapping[Address, Token]) -> str:
    return tokens[token].symbol


def _named(address: Address, names: Mapping[Address, str]) -> str:
    return f"{names[address]} {address}" if address in names else address
