"""Reading the perpetuals of somebody, by themselves."""

from __future__ import annotations

from collections.abc import Sequence

from defilev.errors import UsageError
from defilev.model.book_file import MarketChoice
from defilev.model.perp import PerpAccount
from defilev.model.request import Address
from defilev.pipeline.look import look
from defilev.pipeline.markets import markets_of
from defilev.pipeline.session import Session
from defilev.protocols import PERPS

__all__ = ["read_perps"]


def read_perps(
    session: Session, owners: Sequence[Address], *, protocol: str, market: str | None = None
) -> list[PerpAccount]:
    """Return the perpetuals of `owners` by owner and then by market; none for who has none.

    Raises:
        UnknownName: no such protocol, or none of that entry of the address book.
        UsageError: a lending protocol.
        DataError: something could not be read.
    """
    asked = markets_of(session, [MarketChoice(protocol, market)])
    if protocol not in PERPS:
        raise UsageError(f"{protocol} has loans, and no perpetuals", fix=f"name one of {', '.join(PERPS)}")
    looked = look(session, owners, asked, is_named=True)
    for unread in looked.unread:
        raise unread.error
    return list(looked.perps)
