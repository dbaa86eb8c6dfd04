"""The tokens that a chain's venue trades everything against, and the one that stands for its native asset."""

from __future__ import annotations

from collections.abc import Sequence

from defilev.model.token import Token
from defilev.observe.drive import drive
from defilev.pipeline.session import Session
from defilev.venues import venue_of

__all__ = ["native_of", "read_hubs"]

NATIVE_SYMBOL = "WETH"
"""What the wrapped native asset is called on every chain of the shipped address books; where no venue names it."""


def read_hubs(session: Session) -> tuple[Token, ...]:
    """Return the tokens outside a market that a sale may pass through; none on a chain without a venue."""
    venue = venue_of(session.book)
    return () if venue is None else drive(venue.hubs(), session.fetch)


def native_of(tokens: Sequence[Token], hubs: Sequence[Token]) -> Token | None:
    """Return the one of `tokens` that stands for the native asset, `None` when none does."""
    known = {hub.address for hub in hubs}
    named = (token for token in tokens if (token.address in known if known else token.symbol == NATIVE_SYMBOL))
    return next(named, None)
