"""From a connection to the health report of the accounts that were asked for."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches

from defilev.abi import parse_address
from defilev.config.settings import Settings
from defilev.errors import UnknownName, UsageError
from defilev.model.account import LendingAccount
from defilev.model.exposure import Exposure
from defilev.model.request import Address
from defilev.pipeline.look import read_accounts
from defilev.pipeline.names import resolve
from defilev.pipeline.session import Session
from defilev.protocols import PROTOCOLS
from defilev.report.health import HealthQuestion, HealthReport, health_view
from defilev.report.scenario import NamedShock
from defilev.risk.prices import PriceLimits
from defilev.risk.status import HealthLimits
from defilev.risk.stress import driver_named

__all__ = ["exposure_of", "health_report", "require_well_formed", "resolve_owners"]


def health_report(
    session: Session,
    owners: Mapping[Address, str | None],
    *,
    protocols: Collection[str],
    market: str | None,
    changes: Sequence[Decimal],
    shocks: Sequence[tuple[str, Decimal]],
) -> HealthReport:
    """Return the report on `owners`, names by address, in the markets asked for.

    Raises:
        UnknownName: a protocol or market that the address book has not, or a shock of an asset that no market has.
        UsageError: shocks that cannot happen together.
        DataError: see `read_accounts`.
    """
    accounts = read_accounts(session, list(owners), protocols=protocols, market=market)
    exposures = [exposure_of(account, settings=session.settings) for account in accounts]
    question = HealthQuestion(
        health_limits=HealthLimits(low=session.settings.status.low, danger=session.settings.status.danger),
        price_limits=PriceLimits(session.settings.prices.stale_after, session.settings.prices.by_asset),
        changes=tuple(changes),
        shocks=_named_shocks(shocks, accounts, exposures),
    )
    shown = _shown(accounts)
    present = {account.owner for account in shown}
    return HealthReport(
        chain_name=session.book.chain_name,
        block=session.block,
        block_name=session.settings.block if isinstance(session.settings.block, str) else None,
        age=int(time.time()) - session.block.timestamp,
        views=tuple(
            health_view(account, exposure=exposure, question=question, name=owners[account.owner])
            for account, exposure in zip(accounts, exposures, strict=True)
            if account in shown
        ),
        without_position=tuple(owner for owner in owners if owner not in present),
    )


def require_well_formed(who: Sequence[str]) -> None:
    """Raise `InvalidAddress` for what is neither a name nor an address, before any node is asked."""
    for text in who:
        if not text.startswith("@") and ("." not in text or text.startswith("0x")):
            parse_address(text)


def resolve_owners(session: Session, who: Sequence[str]) -> dict[Address, str | None]:
    """Return the addresses that `who` means, each once and in order, with the name it was asked for by, if any."""
    owners: dict[Address, str | None] = {}
    for text in who:
        address = resolve(session, text)
        is_name = not text.lower().startswith("0x")
        owners[address] = text if is_name else owners.get(address)
    return owners


def exposure_of(account: LendingAccount, *, settings: Settings) -> Exposure:
    """Return the linear forms of `account`, with the stablecoins that the settings name by symbol."""
    protocol = PROTOCOLS[account.protocol]
    symbols = frozenset(settings.stablecoins)
    stable = frozenset(token.address for token in protocol.tokens(account) if token.symbol in symbols)
    return protocol.exposure(account, stable=stable)


def _shown(accounts: Sequence[LendingAccount]) -> list[LendingAccount]:
    """Return the accounts with a position, and the empty ones too when a single market was read."""
    markets = {(account.protocol, account.market) for account in accounts}
    return [account for account in accounts if len(markets) == 1 or not account.is_empty]


def _named_shocks(
    shocks: Sequence[tuple[str, Decimal]], accounts: Sequence[LendingAccount], exposures: Sequence[Exposure]
) -> tuple[NamedShock, ...]:
    named = tuple(NamedShock(name, change, _feeds(name, accounts, exposures)) for name, change in shocks)
    for place, shock in enumerate(named):
        for other in named[:place]:
            if shock.feeds & other.feeds and shock.change != other.change:
                raise UsageError(
                    f"{other.name} and {shock.name} are priced from the same feed and cannot move apart",
                    fix=f"give one --shock for {other.name}: it moves {shock.name} too",
                )
    return named


def _feeds(name: str, accounts: Sequence[LendingAccount], exposures: Sequence[Exposure]) -> frozenset[Address]:
    """Return the feeds under what `name` stands for in any account; none for an asset of a market that nobody holds.

    Raises:
        UnknownName: no market has it.
    """
    wanted = name.casefold()
    drivers = [driver_named(exposure, name) for exposure in exposures]
    held = {leg.price.driver for account in accounts for leg in account.legs if leg.asset.symbol.casefold() == wanted}
    feeds = held | {driver.feed for driver in drivers if driver is not None}
    known = {token.symbol for account in accounts for token in PROTOCOLS[account.protocol].tokens(account)}
    if not feeds and wanted not in {symbol.casefold() for symbol in known}:
        meant = get_close_matches(name, known, 1, 0.6)
        raise UnknownName(
            f"no market read has an asset {name!r}",
            fix=f"did you mean {meant[0]}?" if meant else "name an asset of the market",
            known=", ".join(sorted(known)),
        )
    return frozenset(feeds)
