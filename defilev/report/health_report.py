"""The report of `defilev health`: from what the chains answered to every figure that is shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from defilev.config.settings import Settings
from defilev.errors import DefilevError, UnknownName
from defilev.model.book import MarketEntry
from defilev.model.exits import ExitLadder
from defilev.model.request import Address, Block
from defilev.pipeline.drivers import drivers_in
from defilev.pipeline.everywhere import ChainUnread, Reading
from defilev.pipeline.exiting import Place, place_of
from defilev.pipeline.overlays import Overlay, priced
from defilev.pipeline.people import Person
from defilev.report.beta import BetaView
from defilev.report.health import HealthQuestion, HealthView, health_view
from defilev.report.perp import PerpView, View, perp_view
from defilev.report.scenario import NamedShock
from defilev.report.shocks import named_shocks
from defilev.report.total import OverlayView, TotalView, overlay_view, total_of
from defilev.risk.holdings import Holding, holdings_of, token_holding
from defilev.risk.prices import PriceLimits
from defilev.risk.status import HealthLimits
from defilev.units import to_decimal

__all__ = ["ChainView", "Failure", "HealthReport", "LeftOut", "Scenarios", "health_report", "question_for"]


@dataclass(frozen=True, slots=True)
class Scenarios:
    """What to try: common changes one at a time, named shocks together, and whether until when each exit works."""

    changes: tuple[Decimal, ...] = ()
    shocks: tuple[tuple[str, Decimal], ...] = ()
    exits: bool = False


@dataclass(frozen=True, slots=True)
class ChainView:
    """Where accounts were read.

    `block_name` is what the block was asked for as (`latest`), `None` for a number; `age` is the seconds since it by
    the clock of this machine.
    """

    name: str
    chain_id: int
    block: Block
    block_name: str | None
    age: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A market of the address book without code at the block, that nobody named."""

    chain: str
    market: MarketEntry


@dataclass(frozen=True, slots=True)
class Failure:
    """What could not be read or priced; the names say how much of it, `None` for all."""

    error: DefilevError
    chain: str | None = None
    protocol: str | None = None
    market: str | None = None
    owner: Address | None = None
    overlay: str | None = None


@dataclass(frozen=True, slots=True)
class HealthReport:
    """The accounts of one `health`, all of a chain at one block.

    `without_position` lists owners that have none in any of several markets; of a single market an empty view is
    shown. `perps` are those that have any. `total` is `None` when there is nothing to add up. `owners` are those asked
    for, in that order. `beta` is the delta in terms of one asset, `None` unless asked for. `is_book` says that a name
    of a book was asked for.
    """

    chains: tuple[ChainView, ...]
    views: tuple[HealthView, ...]
    without_position: tuple[Address, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    failures: tuple[Failure, ...] = ()
    overlays: tuple[OverlayView, ...] = ()
    total: TotalView | None = None
    owners: tuple[Address, ...] = ()
    is_book: bool = False
    perps: tuple[PerpView, ...] = ()
    beta: BetaView | None = None

    @property
    def all_views(self) -> tuple[View, ...]:
        """Loans and perpetuals, each owner's together, in the order in which the owners were asked for."""
        place = {owner: number for number, owner in enumerate(self.owners)}
        views: list[View] = [*self.views, *self.perps]
        views.sort(key=lambda view: place.get(view.account.owner, len(place)))
        return tuple(views)

    def chain_of(self, view: View) -> ChainView:
        """Return where the account of `view` was read."""
        return next(chain for chain in self.chains if chain.chain_id == view.account.chain_id)


def health_report(
    readings: Sequence[Reading],
    unread: Sequence[ChainUnread],
    *,
    asked: Mapping[Address, Person],
    now: int,
    scenarios: Scenarios | None = None,
    overlays: Sequence[Overlay] = (),
    is_book: bool = False,
    exits: Mapping[Place, ExitLadder] | None = None,
) -> HealthReport:
    """Return the report on the accounts of `readings`.

    Args:
        readings: what each chain answered.
        unread: the chains that did not.
        asked: who was asked for, by address and in that order.
        now: Unix seconds.
        scenarios: what to try.
        overlays: what no chain shows.
        is_book: whether a name of a book was asked for.
        exits: those of the accounts, where they were asked for.

    Raises:
        UnknownName: a shock or an overlay of an asset that no market has, although all of them could be read.
        UsageError: shocks that cannot happen together.
    """
    failures = tuple(_failures(readings, unread))
    valued, unpriced = _valued(overlays, readings, is_whole=not failures)
    views, perps = _views(readings, asked, scenarios or Scenarios(), is_whole=not failures)
    views = tuple(replace(view, exits=(exits or {}).get(place_of(view.account))) for view in views)
    holdings = [holding for reading in readings for holding in _holdings(reading)]
    absent = [(reading.session.book.chain_name, market) for reading in readings for market in reading.absent]
    present = {view.account.owner for view in views} | {view.account.owner for view in perps}
    return HealthReport(
        chains=tuple(_chain(reading, now) for reading in readings),
        views=views,
        without_position=tuple(owner for owner in asked if owner not in present),
        left_out=tuple(LeftOut(chain, market) for chain, market in absent),
        failures=(*failures, *unpriced),
        overlays=valued,
        total=total_of(_in_dollars(readings, views), valued, holdings, perps) if views or perps or valued else None,
        owners=tuple(asked),
        is_book=is_book,
        perps=perps,
    )


def _views(
    readings: Sequence[Reading], asked: Mapping[Address, Person], scenarios: Scenarios, *, is_whole: bool
) -> tuple[tuple[HealthView, ...], tuple[PerpView, ...]]:
    """Return the accounts with a position, and the empty ones too when a single market was read; by owner."""
    accounts = [account for reading in readings for account in reading.accounts]
    exposures = [each for reading in readings for each in (*reading.exposures, *reading.perp_exposures)]
    traders = {account.owner for reading in readings for account in reading.perps}
    shocks = named_shocks(scenarios.shocks, accounts, exposures, is_whole=is_whole)
    is_single = len({(each.chain_id, each.protocol, each.market) for each in accounts}) == 1
    views = [
        health_view(account, exposure=exposure, question=question, name=person.name, note=person.note)
        for reading in readings
        for question in [question_for(reading.session.settings, scenarios, shocks)]
        for account, exposure in zip(reading.accounts, reading.exposures, strict=True)
        for person in [asked[account.owner]]
        if (is_single and account.owner not in traders) or not account.is_empty
    ]
    perps = [
        perp_view(account, exposure=exposure, question=question, name=person.name, note=person.note)
        for reading in readings
        for question in [question_for(reading.session.settings, scenarios, shocks)]
        for account, exposure in zip(reading.perps, reading.perp_exposures, strict=True)
        for person in [asked[account.owner]]
    ]
    place = {owner: number for number, owner in enumerate(asked)}
    return (
        tuple(sorted(views, key=lambda view: place[view.account.owner])),
        tuple(sorted(perps, key=lambda view: place[view.account.owner])),
    )


def _in_dollars(readings: Sequence[Reading], views: Sequence[HealthView]) -> list[tuple[HealthView, Decimal | None]]:
    """Return the views, each with what one unit of its quote currency is worth."""
    worth = {
        place_of(account): dollars
        for reading in readings
        for account, dollars in zip(reading.accounts, reading.dollars, strict=True)
    }
    return [(view, worth[place_of(view.account)]) for view in views]


def question_for(
    settings: Settings, scenarios: Scenarios | None = None, shocks: tuple[NamedShock, ...] = ()
) -> HealthQuestion:
    """Return what is asked of an account, with the limits of the settings."""
    return HealthQuestion(
        health_limits=HealthLimits(low=settings.status.low, danger=settings.status.danger),
        price_limits=PriceLimits(settings.prices.stale_after, settings.prices.by_asset),
        changes=scenarios.changes if scenarios else (),
        shocks=shocks,
    )


def _chain(reading: Reading, now: int) -> ChainView:
    session = reading.session
    asked = session.settings.block
    return ChainView(
        name=session.book.chain_name,
        chain_id=session.chain_id,
        block=session.block,
        block_name=asked if isinstance(asked, str) else None,
        age=now - session.block.timestamp,
    )


def _failures(readings: Sequence[Reading], unread: Sequence[ChainUnread]) -> Iterator[Failure]:
    for each in unread:
        yield Failure(each.error, each.chain)
    for reading in readings:
        for missing in reading.unread:
            market = missing.market
            chain = reading.session.book.chain_name
            yield Failure(missing.error, chain, market.protocol, market.market, missing.owner)


def _valued(
    overlays: Sequence[Overlay], readings: Sequence[Reading], *, is_whole: bool
) -> tuple[tuple[OverlayView, ...], tuple[Failure, ...]]:
    """Return the overlays with their figures, and those that what could not be read leaves without a price."""
    valued: list[OverlayView] = []
    failures: list[Failure] = []
    for overlay in overlays:
        try:
            valued.append(overlay_view(priced(overlay, readings)))
        except UnknownName as error:
            if is_whole:
                raise
            failures.append(Failure(error, overlay=overlay.name))
    return tuple(valued), tuple(failures)


def _holdings(reading: Reading) -> Iterator[Holding]:
    """Yield what the accounts of a chain gain, idle supply included: it is no collateral, but its owner's."""
    drivers = drivers_in(reading)
    for account, exposure, dollars in zip(reading.accounts, reading.exposures, reading.dollars, strict=True):
        if dollars is None:
            continue
        yield from holdings_of(exposure, dollars=float(dollars), quote=account.quote)
        for leg in account.legs:
            if leg.side == "supply" and not leg.used_as_collateral:
                price = dollars * to_decimal(leg.price.value, leg.price.decimals)
                tokens = float(to_decimal(leg.amount, leg.asset.decimals))
                yield token_holding(drivers.of(leg.asset, price=price), price=float(price), tokens=tokens)
    for exposure in reading.perp_exposures:
        yield from holdings_of(exposure)
