"""How much each asset moves when a reference does: from price files, or as somebody says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from defilev.model.exposure import Driver

__all__ = ["betas_of"]

_DAYS = 90


def betas_of(
    drivers: Sequence[Driver], *, reference: Driver, prices: Path, at: int, given: Mapping[str, float]
) -> Mapping[str, float]:
    """Return the betas to `reference` by name: those of `given`, and else those of daily returns, shrunk to one.

    Args:
        drivers: with their prices in dollars, which the files must be near.
        reference: what they are compared with.
        prices: a directory of candles named by asset.
        at: Unix time of the newest candle that counts.
        given: betas that are not estimated.

    Raises:
        HistoryUnusable, UnknownName, UsageError: a history is missing or cannot be used.
    """
    from defilev.pipeline.histories import from_files
    from defilev.risk.volatility import beta, daily_returns

    wanted = [driver for driver in drivers if driver.symbol not in given and driver.symbol != reference.symbol]
    if not wanted:
        return given
    found = from_files([reference, *wanted], prices, at=at, days=_DAYS)
    returns = {driver.symbol: daily_returns(found[driver.feed]) for driver in (reference, *wanted)}
    own = returns[reference.symbol]
    return {**{driver.symbol: beta(returns[driver.symbol], own).value for driver in wanted}, **given}
