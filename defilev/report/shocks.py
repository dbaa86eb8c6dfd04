"""Named shocks: from an asset's name to the feeds that it moves, in whatever account."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from difflib import get_close_matches

from defilev.errors import UnknownName, UsageError
from defilev.model.account import LendingAccount
from defilev.model.exposure import Exposure
from defilev.model.request import Address
from defilev.protocols import PROTOCOLS
from defilev.report.scenario import NamedShock
from defilev.risk.stress import driver_named

__all__ = ["named_shocks"]


def named_shocks(
    shocks: Sequence[tuple[str, Decimal]],
    accounts: Sequence[LendingAccount],
    exposures: Sequence[Exposure],
    *,
    is_whole: bool = True,
) -> tuple[NamedShock, ...]:
    """Return the shocks with the feeds that they move; `is_whole` says that every market could be read.

    Raises:
        UnknownName: no market has an asset of that name, although all of them were read.
        UsageError: two shocks move one feed by different changes.
    """
    named = tuple(
        NamedShock(name, change, _feeds(name, accounts, exposures, is_whole=is_whole)) for name, change in shocks
    )
    for place, shock in enumerate(named):
        for other in named[:place]:
            if shock.feeds & other.feeds and shock.change != other.change:
                raise UsageError(
                    f"{other.name} and {shock.name} are priced from the same feed and cannot move apart",
                    fix=f"give one --shock for {other.name}: it moves {shock.name} too",
                )
    return named


def _feeds(
    name: str, accounts: Sequence[LendingAccount], exposures: Sequence[Exposure], *, is_whole: bool
) -> frozenset[Address]:
    """Return the feeds under what `name` stands for in any account; none for an asset of a market that nobody holds."""
    wanted = name.casefold()
    drivers = [driver_named(exposure, name) for exposure in exposures]
    held = {leg.price.driver for account in accounts for leg in account.legs if leg.asset.symbol.casefold() == wanted}
    feeds = held | {driver.feed for driver in drivers if driver is not None}
    if not feeds and is_whole:
        _require_listed(name, accounts, exposures)
    return frozenset(feeds)


def _require_listed(name: str, accounts: Sequence[LendingAccount], exposures: Sequence[Exposure]) -> None:
    known = {token.symbol for account in accounts for token in PROTOCOLS[account.protocol].tokens(account)}
    known |= {term.symbol for exposure in exposures for term in exposure.terms}
    if name.casefold() not in {symbol.casefold() for symbol in known}:
        meant = get_close_matches(name, known, 1, 0.6)
        raise UnknownName(
            f"no market read has an asset {name!r}",
            fix=f"did you mean {meant[0]}?" if meant else "name an asset of the market",
            known=", ".join(sorted(known)),
        )
