"""The totals of a book: what all of it is worth, how it moves, which account is worst and which is nearest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from defilev.model.book_file import ExchangePosition, OptionOverlay
from defilev.pipeline.overlays import Priced
from defilev.report.health import HealthView
from defilev.report.liquidation import decimal_figure
from defilev.report.one_book import BookBounds, Carry, added, carry_of, limits_of
from defilev.report.perp import PerpView, View
from defilev.risk.holdings import DriverTotal, Holding, net_by_driver, option_holding, token_holding
from defilev.units import EXACT

_ONE = Decimal(1)

__all__ = ["DriverView", "OverlayView", "TotalView", "overlay_view", "total_of"]


@dataclass(frozen=True, slots=True)
class DriverView:
    """What the book gains when a driver moves, in dollars: see `risk.holdings.Holding`.

    `gamma` and `vega` are `None` when the book has no option on it; `gross` is the delta as if nothing hedged anything.
    """

    name: str
    stable: bool
    price: Decimal
    delta: Decimal
    gamma: Decimal | None
    vega: Decimal | None
    gross: Decimal


@dataclass(frozen=True, slots=True)
class OverlayView:
    """Something that no chain shows, at the price of `source`.

    `amount` counts options, or whole tokens; negative when written or short. `equity` is the gain since `entry`, the
    value without an entry, and `None` for an option, whose value is not computed. `holding` is what it gains.
    """

    kind: Literal["option", "position"]
    name: str
    owner: str | None
    venue: str
    note: str
    asset: str
    amount: Decimal
    entry: Decimal | None
    price: Decimal
    source: str
    equity: Decimal | None
    holding: Holding


@dataclass(frozen=True, slots=True)
class TotalView:
    """Sums in dollars over `accounts` and `overlays`, which are how many there are.

    `equity_value` has the equity of the perpetuals and of the overlays too; `idle_value` is in no other sum but in the
    deltas. `margin_value` and `notional` are the perpetuals'. `worst` is the
    account with the lowest health factor, `nearest` the one that the smallest move liquidates; `None` when nobody owes.
    `unpriced` are the accounts that nobody can be believed about in dollars (see `dollars_of`): they are in no sum, and
    they may be the worst. `bounds` are the moves between which nobody is liquidated.
    """

    accounts: int
    overlays: int
    collateral_value: Decimal
    debt_value: Decimal
    equity_value: Decimal
    idle_value: Decimal
    drivers: tuple[DriverView, ...]
    worst: View | None
    nearest: View | None
    carry: Carry
    bounds: tuple[BookBounds, ...]
    unpriced: tuple[HealthView, ...] = ()
    margin_value: Decimal = Decimal(0)
    notional: Decimal = Decimal(0)

    @property
    def gross_exposure(self) -> Decimal:
        """What moves with prices, long and short added up; a price of one asset in another is none of its own."""
        return added(each.gross for each in self._moving)

    @property
    def net_exposure(self) -> Decimal:
        """What moves with prices, longs less shorts."""
        return added(each.delta for each in self._moving)

    @property
    def gross_leverage(self) -> Decimal | None:
        """Gross exposure over equity; `None` without equity."""
        return EXACT.divide(self.gross_exposure, self.equity_value) if self.equity_value > 0 else None

    @property
    def net_leverage(self) -> Decimal | None:
        """Net exposure over equity, negative when the book is short; `None` without equity."""
        return EXACT.divide(self.net_exposure, self.equity_value) if self.equity_value > 0 else None

    @property
    def _moving(self) -> tuple[DriverView, ...]:
        return tuple(driver for driver in self.drivers if not driver.stable and "/" not in driver.name)


def overlay_view(priced: Priced) -> OverlayView:
    """Return what an overlay is worth and how it moves, at its price."""
    overlay = priced.overlay
    if isinstance(overlay, OptionOverlay):
        return _overlay("option", priced, overlay.units, equity=None, holding=_of_option(overlay, priced))
    since = overlay.entry or Decimal(0)
    return _overlay(
        "position",
        priced,
        overlay.size,
        equity=EXACT.multiply(overlay.size, priced.price - since),
        holding=token_holding(priced.driver, price=float(priced.price), tokens=float(overlay.size)),
    )


def total_of(
    views: Sequence[tuple[HealthView, Decimal | None]],
    overlays: Sequence[OverlayView],
    holdings: Iterable[Holding],
    perps: Sequence[PerpView] = (),
) -> TotalView:
    """Return the totals of `views`, `perps` and `overlays`.

    Args:
        views: each with the dollars in one unit of its quote currency, `None` where nobody tells.
        overlays: what no chain shows.
        holdings: what the accounts gain, idle supply included.
        perps: perpetuals, which count in dollars.
    """
    everything: list[View] = [*(view for view, _ in views), *perps]
    owing = [view for view in everything if view.health_factor is not None]
    near = [view for view in owing if view.nearest is not None or view.status == "LIQUIDATABLE"]
    worth = [(view.balance, dollars) for view, dollars in views if dollars is not None]
    gains = [overlay.equity for overlay in overlays if overlay.equity is not None]
    drivers = net_by_driver([*holdings, *(overlay.holding for overlay in overlays)])
    return TotalView(
        accounts=len(everything),
        overlays=len(overlays),
        collateral_value=_sum((balance.collateral_value, dollars) for balance, dollars in worth),
        debt_value=_sum((balance.debt_value, dollars) for balance, dollars in worth),
        equity_value=_sum(
            [
                *((balance.equity_value, dollars) for balance, dollars in worth),
                *((gain, _ONE) for gain in (*gains, *(view.balance.equity_value for view in perps))),
            ]
        ),
        idle_value=_sum((balance.idle_value, dollars) for balance, dollars in worth),
        drivers=tuple(_driver(total) for total in drivers),
        carry=carry_of(views, perps),
        bounds=limits_of(owing),
        worst=min(owing, key=lambda view: view.health_factor or Decimal(0), default=None),
        nearest=min(near, key=_distance, default=None),
        unpriced=tuple(view for view, dollars in views if dollars is None),
        margin_value=_sum((view.balance.margin_value, _ONE) for view in perps),
        notional=_sum((view.balance.notional, _ONE) for view in perps),
    )


def _distance(view: View) -> Decimal:
    """Return how far the nearest liquidation is; nothing is nearer than what can be liquidated now."""
    return Decimal(0) if view.status == "LIQUIDATABLE" or view.nearest is None else abs(view.nearest.distance)


def _overlay(
    kind: Literal["option", "position"], priced: Priced, amount: Decimal, *, equity: Decimal | None, holding: Holding
) -> OverlayView:
    overlay = priced.overlay
    return OverlayView(
        kind=kind,
        name=overlay.name,
        owner=overlay.owner,
        venue=overlay.venue,
        note=overlay.note,
        asset=overlay.asset,
        amount=amount,
        entry=overlay.entry if isinstance(overlay, ExchangePosition) else None,
        price=priced.price,
        source=priced.source,
        equity=equity,
        holding=holding,
    )


def _of_option(option: OptionOverlay, priced: Priced) -> Holding:
    return option_holding(
        priced.driver,
        price=float(priced.price),
        units=float(option.units),
        delta=float(option.delta),
        gamma=float(option.gamma),
        vega=float(option.vega),
    )


def _driver(total: DriverTotal) -> DriverView:
    return DriverView(
        name=total.driver,
        stable=total.stable,
        price=decimal_figure(total.price),
        delta=decimal_figure(total.delta),
        gamma=None if total.gamma is None else decimal_figure(total.gamma),
        vega=None if total.vega is None else decimal_figure(total.vega),
        gross=decimal_figure(total.gross),
    )


def _sum(values: Iterable[tuple[Decimal, Decimal]]) -> Decimal:
    """Return the sum of values in their own currencies, each times its dollars, exact."""
    return added(EXACT.multiply(value, dollars) for value, dollars in values)
