"""From price files, a feed's rounds or the user's own figure to the volatility of an account's health."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from defilev.errors import HistoryUnusable, UsageError
from defilev.model.exposure import Driver, Exposure, plain_symbol
from defilev.model.request import Address
from defilev.model.target_inputs import VolatilityPart
from defilev.observe.drive import Fetch
from defilev.optimize.mix import Correlation, assumed_correlation, mix_of
from defilev.pipeline.histories import feed_notes, from_feeds, from_files
from defilev.risk.volatility.estimate import Method, VolatilityEstimate, days_needed

if TYPE_CHECKING:
    from defilev.model.history import PriceHistory

__all__ = ["Volatilities", "VolatilityChoice", "volatilities_of"]

FLOORS = {"BTC": 0.45, "ETH": 0.55}
OTHER_FLOOR = 0.8
"""Volatilities per √year below which a quiet stretch of history is not believed, by asset."""

NO_HISTORY = (
    "without a price history there is no estimate, no stress level and no floor, and the calibrated multipliers, which "
    "belong to an estimate from prices, are used with a figure"
)
DAY = 86_400
OLDEST_QUOTE = 3 * DAY


@dataclass(frozen=True, slots=True)
class VolatilityChoice:
    """What the user said: a `method` to estimate with, a `figure` per √year to use as it is, or an `implied` one.

    `implied_file` has implied volatilities in percent, of the asset that its name begins with. `prices` is a file, or a
    directory of files named by asset. `is_feed` asks for the rounds of the feeds; so does giving neither prices nor a
    figure.
    """

    method: Method = "blend"
    figure: float | None = None
    implied: float | None = None
    implied_file: Path | None = None
    prices: Path | None = None
    is_feed: bool = False


@dataclass(frozen=True, slots=True)
class Volatilities:
    """Volatility per √year by driver, a bad week's where a history tells, and how drivers move together.

    `method` names where they come from; `measured` says that correlations come from a history. `betas` are of the
    drivers to the one that the account has most of; without a history there are none.
    """

    by_feed: Mapping[Address, float]
    stress_by_feed: Mapping[Address, float] | None
    correlation: Correlation
    measured: bool
    method: str
    parts: tuple[VolatilityPart, ...]
    notes: tuple[str, ...]
    betas: Mapping[Address, float] = field(default_factory=dict)


def volatilities_of(
    exposure: Exposure, choice: VolatilityChoice, *, horizon_days: float, at: int, fetch: Fetch
) -> Volatilities:
    """Return the volatilities of `exposure`'s drivers at the Unix time `at`; stablecoins have none.

    `fetch` answers the reads of feeds, when there is no other source.

    Raises:
        UsageError: one file for several assets, or an implied volatility of another asset only.
        HistoryUnusable, UnknownName, ExtraMissing: a history cannot be used; the fix says what would do.
    """
    moving = [driver for driver in exposure.drivers if not driver.stable]
    still: dict[Address, float] = {driver.feed: 0.0 for driver in exposure.drivers if driver.stable}
    quoted = _quoted(choice, at=at)
    if choice.prices is not None and not choice.prices.exists():
        raise HistoryUnusable(f"{choice.prices} does not exist", fix="give the path of a price file or directory")
    if _needs_no_history(exposure, choice, moving):
        return _stated(moving, still, choice, quoted)
    days = days_needed(choice.method, horizon_days)
    if choice.prices is None:
        histories = from_feeds(moving, fetch, at=at, days=days)
    else:
        histories = from_files(moving, choice.prices, at=at, days=days)
    implied = {feed: _implied(history, choice, quoted) for feed, history in histories.items()}
    estimates = {
        feed: _estimate(history, choice, implied[feed].value, horizon_days=horizon_days)
        for feed, history in histories.items()
    }
    said = feed_notes(histories) if choice.prices is None else ()
    return Volatilities(
        by_feed=still | {feed: estimate.used for feed, estimate in estimates.items()},
        stress_by_feed=still | {feed: estimate.stress for feed, estimate in estimates.items()},
        correlation=_measured(exposure, moving, histories),
        measured=len(moving) > 1,
        method=choice.method if quoted is None else f"{choice.method} and implied",
        parts=tuple(_parts(histories, estimates)),
        notes=(*said, *_notes(histories, estimates, choice), *(found.note for found in implied.values() if found.note)),
        betas=still | _betas(exposure, histories),
    )


def _needs_no_history(exposure: Exposure, choice: VolatilityChoice, moving: Sequence[Driver]) -> bool:
    """Whether nothing moves but together, or a figure is all that was given."""
    alike = {driver.feed: 0.0 if driver.stable else 1.0 for driver in exposure.drivers}
    if not moving or mix_of(exposure, alike).side == "correlated":
        return True
    has_figure = choice.figure is not None or choice.implied is not None or choice.implied_file is not None
    return has_figure and choice.prices is None and not choice.is_feed


@dataclass(frozen=True, slots=True)
class _Quoted:
    """An implied volatility per √year and the asset that it is of, `None` for all; `note` says what was made of it."""

    value: float | None
    asset: str | None = None
    note: str = ""


def _quoted(choice: VolatilityChoice, *, at: int) -> _Quoted | None:
    """Return the implied volatility at the Unix time `at`; `None` when none was given."""
    if choice.implied_file is None:
        return None if choice.implied is None else _Quoted(choice.implied)
    from defilev.config.prices import load_implied

    value, closed = load_implied(choice.implied_file, at=at)
    if at - closed > OLDEST_QUOTE:
        raise HistoryUnusable(
            f"{choice.implied_file.name} ends {(at - closed) / DAY:.1f} days before the question",
            fix="give a newer file, or a figure with --volatility implied:65%",
        )
    return _Quoted(value, plain_symbol(re.split(r"[^A-Za-z]", choice.implied_file.name)[0]))


def _implied(history: PriceHistory, choice: VolatilityChoice, quoted: _Quoted | None) -> _Quoted:
    """Return the implied volatility of one asset: its own, or another's times its beta with its own residual."""
    if quoted is None or quoted.value is None or quoted.asset in (None, plain_symbol(history.asset)):
        return quoted or _Quoted(None)
    from defilev.config.prices import load_history
    from defilev.risk.series import usable
    from defilev.risk.volatility import beta, daily_returns, implied_by_beta

    if choice.prices is None or not choice.prices.is_dir():
        raise UsageError(
            f"the implied volatility is of {quoted.asset}, and {history.asset} needs its beta to it",
            fix=f"give a directory with price files of both: {quoted.asset.lower()}*.csv.gz",
        )
    reference = usable(load_history(choice.prices, quoted.asset), at=history.end)
    found = beta(daily_returns(history), daily_returns(reference))
    value = implied_by_beta(quoted.value, found.value, found.residual_volatility)
    said = f"{history.asset} has no implied volatility of its own here: {found.value:.2f} × that of {quoted.asset}"
    return _Quoted(value, quoted.asset, f"{said}, and its own residual of {found.residual_volatility:.0%}")


def _stated(
    moving: Sequence[Driver], still: dict[Address, float], choice: VolatilityChoice, quoted: _Quoted | None
) -> Volatilities:
    figure = choice.figure if quoted is None else quoted.value
    if quoted is not None and any(quoted.asset not in (None, plain_symbol(driver.symbol)) for driver in moving):
        raise UsageError(
            f"the implied volatility is of {quoted.asset} only",
            fix="give price files with --prices DIR, or a figure with --volatility 65%",
        )
    name = "stated" if quoted is None else "implied"
    return Volatilities(
        by_feed=still | {driver.feed: figure or 0.0 for driver in moving},
        stress_by_feed=None,
        correlation=assumed_correlation,
        measured=False,
        method=name,
        parts=tuple(VolatilityPart(f"{driver.symbol} {name}", figure or 0.0) for driver in moving),
        notes=(NO_HISTORY,) if moving else (),
    )


def _estimate(
    history: PriceHistory, choice: VolatilityChoice, implied: float | None, *, horizon_days: float
) -> VolatilityEstimate:
    from defilev.risk.volatility.estimate import estimate_volatility

    return estimate_volatility(
        history,
        horizon_days=horizon_days,
        method=choice.method,
        implied=implied,
        asset_floor=FLOORS.get(plain_symbol(history.asset), OTHER_FLOOR),
    )


def _measured(exposure: Exposure, moving: Sequence[Driver], histories: Mapping[Address, PriceHistory]) -> Correlation:
    """Return the correlation of a bad day, as the histories have it."""
    if len(moving) < 2:
        return assumed_correlation
    from defilev.risk.volatility import aligned, correlation, daily_returns, stressed_correlation

    places = {driver.feed: place for place, driver in enumerate(moving)}
    sample = correlation(aligned([daily_returns(histories[driver.feed]) for driver in moving]))
    net = [_net_share(exposure, driver) for driver in moving]
    stressed = stressed_correlation(
        sample,
        collateral=[place for place, share in enumerate(net) if share > 0],
        debt=[place for place, share in enumerate(net) if share < 0],
    )

    def measured(first: Driver, second: Driver, same_side: bool) -> float:  # noqa: FBT001 - see `Correlation`
        if first.feed not in places or second.feed not in places:
            return assumed_correlation(first, second, same_side)
        return float(stressed[places[first.feed], places[second.feed]])

    return measured


def _betas(exposure: Exposure, histories: Mapping[Address, PriceHistory]) -> dict[Address, float]:
    """Return each driver's beta to the one with the largest delta."""
    from defilev.risk.volatility import beta, daily_returns

    def size(feed: Address) -> float:
        return abs(sum(term.equity for term in exposure.terms if term.driver == feed))

    reference = max(histories, key=size)
    returns = {feed: daily_returns(history) for feed, history in histories.items()}
    return {feed: 1.0 if feed == reference else beta(own, returns[reference]).value for feed, own in returns.items()}


def _net_share(exposure: Exposure, driver: Driver) -> float:
    """Return the driver's share of capacity less its share of what is owed."""
    capacity = sum(term.capacity for term in exposure.terms)
    owed = sum(term.requirement for term in exposure.terms)
    own = [term for term in exposure.terms if term.driver == driver.feed]
    counted = sum(term.capacity for term in own) / capacity if capacity else 0.0
    return counted - (sum(term.requirement for term in own) / owed if owed else 0.0)


def _parts(
    histories: Mapping[Address, PriceHistory], estimates: Mapping[Address, VolatilityEstimate]
) -> list[VolatilityPart]:
    return [
        VolatilityPart(f"{histories[feed].asset} {component.name}", component.volatility, histories[feed].source)
        for feed, estimate in estimates.items()
        for component in estimate.components
    ]


def _notes(
    histories: Mapping[Address, PriceHistory],
    estimates: Mapping[Address, VolatilityEstimate],
    choice: VolatilityChoice,
) -> list[str]:
    notes = [f"{histories[feed].asset}: {note}" for feed, estimate in estimates.items() for note in estimate.notes]
    if choice.method != "blend" or choice.implied is not None or choice.implied_file is not None:
        notes.append("the multipliers belong to another estimate (½ EWMA + ½ long-run) and are used with this one")
    return notes
