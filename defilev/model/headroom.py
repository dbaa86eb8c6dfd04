"""What limits of a market that hold for everybody still let one account do."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Headroom", "Room"]


@dataclass(frozen=True, slots=True)
class Room:
    """How many base units more a limit lets through; `limit` names it, as in "the borrow cap of USDC"."""

    amount: int
    limit: str


@dataclass(frozen=True, slots=True)
class Headroom:
    """What may still be supplied of one asset, and borrowed of another; `None` where nothing limits it."""

    supply: Room | None
    borrow: Room | None
