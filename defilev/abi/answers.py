"""Answers of contracts to calls: decoded, missing, or malformed."""

from __future__ import annotations

from typing import Any

from defilev.abi.function import Function
from defilev.abi.interface import interface
from defilev.errors import CallReverted, RpcMalformed
from defilev.model.request import Address, CallResult

__all__ = ["decode_all", "decode_one", "decode_optional", "token_symbol"]

LONGEST_SYMBOL = 24


def decode_all(function: Function, result: CallResult, *, what: str) -> tuple[Any, ...]:
    """Return the values of an answer that must be there.

    Raises:
        CallReverted: the contract reverted, or has no such function.
        RpcMalformed: the answer does not have the function's shape.
    """
    if not result.success:
        raise CallReverted(f"the {what} does not answer {function.name}()", revert_data="0x" + result.data.hex())
    try:
        return function.decode(result.data)
    except ValueError as error:
        raise RpcMalformed(f"the {what}'s answer to {function.name}() is malformed: {error}") from None


def decode_one(function: Function, result: CallResult, *, what: str) -> Any:
    """Return the first value of an answer that must be there; raises as `decode_all` does."""
    return decode_all(function, result, what=what)[0]


def decode_optional(function: Function, result: CallResult) -> tuple[Any, ...] | None:
    """Return the decoded answer, or `None` when the contract does not have the function."""
    if not result.success:
        return None
    try:
        return function.decode(result.data)
    except (ValueError, UnicodeDecodeError):
        return None


def token_symbol(token: Address, result: CallResult) -> str:
    """Return the printable symbol in a token's answer to `symbol()`, else its shortened address.

    Old tokens return bytes32, and what a token says must not steer a terminal.
    """
    decoded = decode_optional(interface("erc20")["symbol"], result)
    text = decoded[0] if decoded else result.data[:32].rstrip(b"\0").decode("ascii", "replace")
    printable = "".join(character for character in text if character.isprintable() and not character.isspace())
    return printable[:LONGEST_SYMBOL] or f"{token[:6]}…{token[-4:]}"
