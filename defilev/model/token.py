"""Tokens, and what a wallet holds of them."""

from __future__ import annotations

from dataclasses import dataclass

from defilev.model.request import Address

__all__ = ["MOST_DECIMALS", "Allowance", "Token", "TokenBalance", "Wallet"]


MOST_DECIMALS = 255


@dataclass(frozen=True, slots=True)
class Token:
    """An ERC-20 token; `decimals` is its number of decimal places."""

    address: Address
    symbol: str
    decimals: int

    def __post_init__(self) -> None:
        """Raise `ValueError` when a contract's uint8 could not be `decimals`."""
        if not 0 <= self.decimals <= MOST_DECIMALS:
            raise ValueError(f"a token has at most {MOST_DECIMALS} decimal places")


@dataclass(frozen=True, slots=True)
class TokenBalance:
    """`amount` base units of a token in a wallet."""

    token: Token
    amount: int


@dataclass(frozen=True, slots=True)
class Allowance:
    """`amount` base units of `token` that `spender` may take from the wallet."""

    token: Token
    spender: Address
    amount: int


@dataclass(frozen=True, slots=True)
class Wallet:
    """What an owner holds outside every protocol at one block.

    `native` is in wei. `allowances` lists those that were asked for, zeros included. `has_code` says whether the owner
    is a contract or a delegated account.
    """

    owner: Address
    native: int
    nonce: int
    has_code: bool
    balances: tuple[TokenBalance, ...]
    allowances: tuple[Allowance, ...] = ()

    def balance(self, token: Address) -> int:
        """Return the base units of `token` held; raises `KeyError` when the balance was not read."""
        for held in self.balances:
            if held.token.address == token:
                return held.amount
        raise KeyError(token)

    def allowance(self, token: Address, spender: Address) -> int:
        """Return what `spender` may take of `token`; raises `KeyError` when the allowance was not read."""
        for granted in self.allowances:
            if granted.token.address == token and granted.spender == spender:
                return granted.amount
        raise KeyError((token, spender))
