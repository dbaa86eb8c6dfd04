"""How fast health falls, and what that leaves of the time that an action takes; pure."""

from __future__ import annotations

from decimal import Decimal

from defilev.guard.memory import Memory
from defilev.guard.reading import Reading

__all__ = ["BLOCKS_OF_REPAYMENT", "BLOCKS_OF_SALE", "fall_per_block"]

BLOCKS_OF_SALE = 7
"""A round of a sale: withdraw, approve, swap, approve, repay, each in a block of its own, and two blocks of delay."""

BLOCKS_OF_REPAYMENT = 4
"""An approval and a repayment, each in a block of its own, and two blocks of delay."""

STEEPEST = Decimal("0.2")
"""The most that counts as the pace of one block."""


def fall_per_block(reading: Reading, memory: Memory) -> Decimal:
    """Return the fraction of its health that an account loses with each block, zero when it does not fall.

    It is that of the worst pair of a collateral and a debt, from the last look's prices to these; what the owner or the
    guard did to the position meanwhile does not count. Zero without an earlier look; as it was found then when the last
    look was at this block.
    """
    blocks = reading.account.block.number - memory.seen_block
    supplied = _ratios(reading, memory, "supply")
    owed = _ratios(reading, memory, "borrow")
    if blocks <= 0:
        return memory.fall
    if not supplied or not owed:
        return Decimal(0)
    fall = (1 - min(supplied) / max(owed)) / blocks
    return min(max(fall, Decimal(0)), STEEPEST)


def _ratios(reading: Reading, memory: Memory, side: str) -> list[Decimal]:
    """Return by what the price of each asset on a side of the account has changed, as far as it was seen before."""
    symbols = {leg.asset.symbol for leg in reading.account.legs if leg.side == side}
    return [reading.prices[one] / memory.prices[one] for one in symbols if memory.prices.get(one, 0) > 0]
