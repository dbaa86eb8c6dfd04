"""Which contracts the prices of a position come from, by the names that people give to what moves."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from difflib import get_close_matches

from defilev.errors import UnknownName, UsageError
from defilev.model.account import Leg, LendingAccount
from defilev.model.exposure import Exposure, plain_symbol
from defilev.model.request import Address
from defilev.risk.stress import driver_named

__all__ = ["driver_change", "feeds_of", "own_feed"]


def feeds_of(
    account: LendingAccount, exposure: Exposure, shocks: Sequence[tuple[str, Decimal]]
) -> list[tuple[Address, str, Decimal]]:
    """Return the feed that each name stands for, the name, and its change; each feed once.

    A name is an asset's symbol, or a driver's, each with or without its wrapping: ETH, WETH.

    Raises:
        UnknownName: the position has nothing of that name.
        UsageError: two names for one feed, with different changes.
    """
    found: dict[Address, tuple[str, Decimal]] = {}
    for name, change in shocks:
        feed = _feed(account, exposure, name)
        if found.setdefault(feed, (name, change))[1] != change:
            raise UsageError(
                f"{found[feed][0]} and {name} are priced from the same feed and cannot move apart",
                fix=f"give one --at for {found[feed][0]}; --depeg moves an asset against what it is priced from",
            )
    return [(feed, name, change) for feed, (name, change) in found.items()]


def driver_change(
    account: LendingAccount, exposure: Exposure, shocks: Sequence[tuple[str, Decimal]], name: str
) -> Decimal:
    """Return the change of what an asset called `name` is, though the position does not have it; zero when unmoved."""
    drivers = {driver.feed: plain_symbol(driver.symbol.split("/")[0].strip()) for driver in exposure.drivers}
    for feed, shocked, change in feeds_of(account, exposure, shocks):
        if plain_symbol(name) in {drivers.get(feed), plain_symbol(shocked)}:
            return change
    return Decimal(0)


def own_feed(account: LendingAccount, name: str) -> Address:
    """Return the contract that prices one asset alone.

    Raises:
        UnknownName: the position has no asset of that name.
        UsageError: others are priced by the same contract, so that it cannot move against them.
    """
    legs = [leg for leg in account.legs if leg.asset.symbol.casefold() == name.casefold()]
    if not legs:
        raise _unknown(account, name)
    source = legs[0].price.source
    others = {leg.asset.symbol for leg in account.legs if _rests_on(leg, source) and leg.asset != legs[0].asset}
    if others:
        raise UsageError(
            f"{', '.join(sorted(others))} is priced from the feed of {name}: they cannot move apart",
            fix=f"move the feed with --at {name}=…, or name an asset with a price source of its own",
        )
    return source


def _rests_on(leg: Leg, source: Address) -> bool:
    return source in {leg.price.source, leg.price.driver}


def _feed(account: LendingAccount, exposure: Exposure, name: str) -> Address:
    for called in (name, plain_symbol(name)):
        if (driver := driver_named(exposure, called)) is not None:
            return driver.feed
    for leg in account.legs:
        if name.upper() in {leg.asset.symbol.upper(), plain_symbol(leg.asset.symbol)}:
            return leg.price.driver
    raise _unknown(account, name)


def _unknown(account: LendingAccount, name: str) -> UnknownName:
    known = sorted({leg.asset.symbol for leg in account.legs})
    meant = get_close_matches(name, known, 1, 0.6)
    return UnknownName(
        f"the position has no asset {name!r}",
        fix=f"did you mean {meant[0]}?" if meant else f"name one of {', '.join(known)}",
        known=", ".join(known),
    )
