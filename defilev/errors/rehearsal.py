"""What a rehearsal on a fork may end with."""

from __future__ import annotations

from defilev.errors.base import DataError, Refused

__all__ = ["FeedUnmovable", "PoolUnmovable", "TooLate"]


class FeedUnmovable(DataError):
    """A price of the account cannot be moved on a fork, because nothing that answers as a feed is behind it."""

    default_fix = "move another asset: `defilev health … --json` says what each is priced from"


class PoolUnmovable(DataError):
    """There is no pool to sell in, or one cannot be moved on a fork to where a rehearsal wants it."""

    default_fix = "rehearse a smaller move, or name a venue with pools of these assets in an --address-book"


class TooLate(Refused):
    """After the move that was rehearsed the account is liquidatable: no plan of its own comes in time."""

    default_fix = "rehearse a smaller move, and act before it: `defilev health … --exits` says until when"
