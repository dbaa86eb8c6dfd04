"""Price histories of an account's drivers: from files named by asset, or from the rounds of their feeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from defilev.errors import HistoryUnusable, UsageError
from defilev.model.exposure import Driver
from defilev.model.request import Address
from defilev.observe.drive import Fetch, drive_all

if TYPE_CHECKING:
    from defilev.model.history import PriceHistory
    from defilev.observe.rounds import FeedRounds

__all__ = ["MOST_ROUNDS", "feed_notes", "from_feeds", "from_files"]

MOST_ROUNDS = 10_000
"""Rounds of one feed that are read at most, in batches of 500: about half a year of ETH / USD on Ethereum."""

FEED_DAYS = 365
DAY = 86_400
ELSEWHERE = "give price files with --prices DIR, or a figure with --volatility 65%"


def from_files(moving: Sequence[Driver], prices: Path, *, at: int, days: int) -> dict[Address, PriceHistory]:
    """Return the history of each driver up to the Unix time `at`, at least `days` long, from a file or a directory.

    Raises:
        UsageError: one file for several assets.
        HistoryUnusable, UnknownName, ExtraMissing: a history cannot be used; the fix says what would do.
    """
    from defilev.config.prices import load_history
    from defilev.risk.series import require_near, usable

    if len(moving) > 1 and not prices.is_dir():
        raise UsageError(
            f"one price file cannot serve {', '.join(driver.symbol for driver in moving)}",
            fix="give a directory of files named by asset: eth*.csv.gz, btc*.csv.gz",
        )
    found = {}
    for driver in moving:
        history = usable(load_history(prices, driver.symbol), at=at, minimum_days=days)
        require_near(history, price=driver.price)
        found[driver.feed] = history
    return found


def from_feeds(moving: Sequence[Driver], fetch: Fetch, *, at: int, days: int) -> dict[Address, PriceHistory]:
    """Return the history of each driver that its feed's rounds tell, at least `days` long; the feeds share round trips.

    Raises:
        HistoryUnusable: a source without rounds, or rounds that are too few, too old or silent for too long.
    """
    from defilev.observe.rounds import read_rounds

    reads = [read_rounds(driver.feed, since=at - FEED_DAYS * DAY, most=MOST_ROUNDS) for driver in moving]
    found = zip(moving, drive_all(reads, fetch), strict=True)
    return {driver.feed: _history(driver, told, at=at, days=days) for driver, told in found}


def feed_notes(histories: Mapping[Address, PriceHistory]) -> tuple[str, ...]:
    """Return what must be said of volatilities that were measured on rounds."""
    return tuple(
        f"{history.asset}: measured on {history.source} over {history.days:.0f} days, which report large moves only: "
        "too low; price files with --prices DIR are better"
        for history in histories.values()
    )


def _history(driver: Driver, told: FeedRounds, *, at: int, days: int) -> PriceHistory:
    from defilev.risk.rounds import history_from_rounds
    from defilev.risk.series import usable

    oldest = min((one.updated_at for one in told.rounds), default=at)
    if at - oldest < days * DAY:
        why = "the present aggregator has no older ones" if told.is_whole else f"{MOST_ROUNDS} are read at most"
        since = datetime.fromtimestamp(at - days * DAY, UTC).date()
        raise HistoryUnusable(
            f"the rounds of {driver.symbol}'s feed reach back {(at - oldest) / DAY:.1f} days, and {days} are needed",
            fix=f"give price files from {since} on with --prices DIR, or a figure with --volatility 65%",
            feed=driver.feed,
            rounds=len(told.rounds),
            why=why,
        )
    try:
        history = history_from_rounds(driver.symbol, told.rounds)
        return usable(history, at=at, minimum_days=days - 1, may_stand_still=True)
    except HistoryUnusable as error:
        raise HistoryUnusable(error.fact, fix=ELSEWHERE, feed=driver.feed, **error.facts) from None
