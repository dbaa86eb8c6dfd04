"""What differs between chains and is written on none of them: how long a block takes."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

__all__ = ["block_seconds"]

BLOCK_SECONDS: Mapping[int, Decimal] = {10: Decimal(2), 8453: Decimal(2), 42161: Decimal("0.25")}
"""Of the chains that are not as slow as Ethereum, by chain id."""

ETHEREUM_BLOCK_SECONDS = Decimal(12)


def block_seconds(chain_id: int) -> Decimal:
    """Return how many seconds a block takes."""
    return BLOCK_SECONDS.get(chain_id, ETHEREUM_BLOCK_SECONDS)
