"""What a whole book gains when prices move: accounts, idle supply, options and exchange positions, driver by driver."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import fsum

from defilev.model.exposure import Driver, Exposure, plain_symbol

__all__ = ["DriverTotal", "Holding", "holdings_of", "net_by_driver", "option_holding", "token_holding"]


@dataclass(frozen=True, slots=True)
class Holding:
    """What one thing that is held gains, in dollars.

    `driver` is the plain name of the price that it moves with (ETH), whatever the feed, protocol and chain; `stable`
    whether that is meant to stay at one, `price` the driver's. `delta` is the gain when the price doubles, at today's
    slope; `gamma` what delta gains by that, and `vega` the gain per percentage point of volatility: both `None` for
    what is no option. `gross` is what all assets on the driver would gain if those that lose by its rise gained: the
    delta without its sign, when left out.
    """

    driver: str
    stable: bool
    price: float
    delta: float
    gamma: float | None = None
    vega: float | None = None
    gross: float | None = None


@dataclass(frozen=True, slots=True)
class DriverTotal:
    """The sums of the holdings on one driver; units as in `Holding`, `price` is the first one's."""

    driver: str
    stable: bool
    price: float
    delta: float
    gamma: float | None
    vega: float | None
    gross: float


def holdings_of(exposure: Exposure, *, dollars: float = 1.0, quote: str = "USD") -> Iterator[Holding]:
    """Yield what an account gains by each of its drivers: its equity in them; idle supply is in no exposure.

    An account whose drivers are prices in its own currency gains its whole equity by that currency, and by each driver
    what is held of it, as a price against that currency (WSTETH/ETH).

    Args:
        exposure: the account's linear forms.
        dollars: what one unit of its quote currency is worth.
        quote: the symbol of that currency.
    """
    against = f"/{plain_symbol(quote)}" if exposure.relative else ""
    if exposure.relative:
        equity = fsum(term.equity for term in exposure.terms)
        gross = fsum(abs(term.equity) for term in exposure.terms)
        yield Holding(plain_symbol(quote), False, dollars, equity * dollars, gross=gross * dollars)
    for driver in (driver for driver in exposure.drivers if not driver.fixed):
        parts = [term.equity for term in exposure.terms if term.driver == driver.feed]
        equity, gross = fsum(parts), fsum(abs(part) for part in parts)
        name, price = plain_symbol(driver.symbol) + against, driver.price if against else driver.price * dollars
        yield Holding(name, driver.stable, price, equity * dollars, gross=gross * dollars)


def token_holding(driver: Driver, *, price: float, tokens: float) -> Holding:
    """Return the holding of `tokens` of an asset at `price` dollars, negative when they are sold short."""
    return Holding(plain_symbol(driver.symbol), driver.stable, driver.price, tokens * price)


def option_holding(driver: Driver, *, price: float, units: float, delta: float, gamma: float, vega: float) -> Holding:
    """Return the holding of `units` options whose greeks are those of one: see `OptionOverlay` for their units.

    In relative moves r of the price S: delta·S·r + ½·gamma·S²·r², so gamma in these units is gamma·S².
    """
    return Holding(
        plain_symbol(driver.symbol),
        driver.stable,
        driver.price,
        delta=units * delta * price,
        gamma=units * gamma * price * price,
        vega=units * vega,
    )


def net_by_driver(holdings: Iterable[Holding]) -> tuple[DriverTotal, ...]:
    """Return the sums by driver, the largest delta first; those of one name are one, on whichever chain they are."""
    by_name: dict[str, list[Holding]] = {}
    for holding in holdings:
        by_name.setdefault(holding.driver, []).append(holding)
    totals = [_total(name, held) for name, held in by_name.items()]
    return tuple(sorted(totals, key=lambda total: (total.stable, -abs(total.delta), total.driver)))


def _total(name: str, held: list[Holding]) -> DriverTotal:
    gammas = [each.gamma for each in held if each.gamma is not None]
    vegas = [each.vega for each in held if each.vega is not None]
    return DriverTotal(
        name,
        held[0].stable,
        held[0].price,
        fsum(each.delta for each in held),
        fsum(gammas) if gammas else None,
        fsum(vegas) if vegas else None,
        fsum(abs(each.delta) if each.gross is None else each.gross for each in held),
    )
