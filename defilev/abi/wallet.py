"""What a wallet holds of tokens, and what it has granted, asked and decoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from defilev.abi.function import Function
from defilev.abi.interface import interface
from defilev.errors import CallReverted
from defilev.model.request import Address, Call, CallResult, Results
from defilev.model.token import Allowance, Token, TokenBalance

__all__ = ["Grant", "decode_wallet", "wallet_calls"]

Grant: TypeAlias = tuple[Token, Address]
"""A token, and who may take it."""


def wallet_calls(owner: Address, tokens: Sequence[Token], grants: Sequence[Grant]) -> list[Call]:
    """Ask for the balance of each token, then for each allowance: one call each."""
    functions = interface("erc20")
    asked = [functions["balanceOf"].call(token.address, owner) for token in tokens]
    return asked + [functions["allowance"].call(token.address, owner, spender) for token, spender in grants]


def decode_wallet(
    tokens: Sequence[Token], grants: Sequence[Grant], results: Results
) -> tuple[tuple[TokenBalance, ...], tuple[Allowance, ...]]:
    """Return the balances and allowances that `wallet_calls` asked for; raises `CallReverted` for a token's silence."""
    functions = interface("erc20")
    held, granted = results[: len(tokens)], results[len(tokens) :]
    balances = tuple(
        TokenBalance(token, _number(functions["balanceOf"], token, result))
        for token, result in zip(tokens, held, strict=True)
    )
    allowances = tuple(
        Allowance(token, spender, _number(functions["allowance"], token, result))
        for (token, spender), result in zip(grants, granted, strict=True)
    )
    return balances, allowances


def _number(function: Function, token: Token, result: CallResult) -> int:
    try:
        if result.success:
            return int(function.decode_one(result.data))
    except ValueError:
        pass
    raise CallReverted(f"{token.symbol} does not answer {function.name}()", token=token.address)
