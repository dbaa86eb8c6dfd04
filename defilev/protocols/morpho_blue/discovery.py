"""Which logs of Morpho Blue name the markets that an account has ever used; pure.

`SupplyCollateral` and `Supply` cover every position: nothing is borrowed without collateral, and anyone may supply for
somebody else. `Borrow` is asked for all the same: what is owed must be found even where one of the others was missed.
"""

from __future__ import annotations

from collections.abc import Sequence

from defilev.abi import checksum, keccak
from defilev.model.book import MarketEntry
from defilev.model.request import Address, LogFilter

__all__ = ["found", "searches"]

_SUPPLY = "0x" + keccak(b"Supply(bytes32,address,address,uint256,uint256)").hex()
_SUPPLY_COLLATERAL = "0x" + keccak(b"SupplyCollateral(bytes32,address,address,uint256)").hex()
_BORROW = "0x" + keccak(b"Borrow(bytes32,address,address,address,uint256,uint256)").hex()
_OWNER_AT = {_SUPPLY: 3, _SUPPLY_COLLATERAL: 3, _BORROW: 2}
"""The place of `onBehalf` among the topics; the id is the first after the event."""


def searches(entry: MarketEntry, owners: Sequence[Address]) -> tuple[LogFilter, ...]:
    """Return the filters for everything that was ever supplied or borrowed for `owners`."""
    morpho = entry.entry_points["morpho"]
    topics = tuple("0x" + "0" * 24 + owner[2:].lower() for owner in owners)
    return (
        LogFilter(morpho, ((_SUPPLY, _SUPPLY_COLLATERAL), None, None, topics)),
        LogFilter(morpho, ((_BORROW,), None, topics)),
    )


def found(topics: Sequence[str]) -> tuple[Address, str]:
    """Return the owner and the market's id in the topics of a log; raises `ValueError` for another event's."""
    place = _OWNER_AT.get(topics[0]) if topics else None
    if place is None or len(topics) <= place:
        raise ValueError("a log that was not asked for")
    return checksum("0x" + topics[place][-40:]), topics[1]
