"""What differs between chains and is written on none of them: how long a block takes, and which token is the gas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from defilev.model.token import Token

__all__ = ["block_seconds", "native_of"]

BLOCK_SECONDS: Mapping[int, Decimal] = {10: Decimal(2), 8453: Decimal(2), 42161: Decimal("0.25")}
"""Of the chains that are not as slow as Ethereum, by chain id."""

ETHEREUM_BLOCK_SECONDS = Decimal(12)

NATIVE_SYMBOL = "WETH"
"""The token that stands for the native asset on every chain of the shipped address books."""


def block_seconds(chain_id: int) -> Decimal:
    """Return how many seconds a block takes."""
    return BLOCK_SECONDS.get(chain_id, ETHEREUM_BLOCK_SECONDS)


def native_of(tokens: Iterable[Token]) -> Token | None:
    """Return the token that stands for the native asset, `None` when the market has none."""
    return next((token for token in tokens if token.symbol == NATIVE_SYMBOL), None)
