"""Calibrated multipliers: how many σ̂√T prices fell within a horizon in a sample, by frequency."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["HorizonMultipliers", "MultiplierTable"]


@dataclass(frozen=True, slots=True)
class HorizonMultipliers:
    """The multipliers k(ε) of one horizon.

    Each of the table's probabilities has its `multipliers` entry: that share of windows fell further than k·σ̂√T below
    their start. `errors` are the standard errors of the multipliers by block bootstrap. `windows` overlap;
    `independent_windows` is how many fit side by side.
    """

    days: float
    multipliers: tuple[float, ...]
    errors: tuple[float, ...]
    windows: int
    independent_windows: int


@dataclass(frozen=True, slots=True)
class MultiplierTable:
    """A multiplier table, valid only with volatilities of the `estimator` that it was derived with.

    `probabilities` fall, from 1 (multiplier 0) to the smallest that the sample can tell; `horizons` rise in days.
    `first_day` and `last_day` bound the sample (ISO dates), `derived_on` is the day the table was frozen: a decision
    before it must not use it. `asset_class` is what it may be used for.
    """

    name: str
    asset_class: str
    assets: tuple[str, ...]
    estimator: str
    first_day: str
    last_day: str
    derived_on: str
    probabilities: tuple[float, ...]
    horizons: tuple[HorizonMultipliers, ...]
    source: str = ""

    @property
    def smallest_probability(self) -> float:
        """The smallest probability that the sample can tell from zero."""
        return self.probabilities[-1]

    def scaled(self, factor: float, *, asset_class: str) -> MultiplierTable:
        """Return the table with every multiplier times `factor`: a margin for assets that it was not derived from."""
        return replace(
            self,
            name=f"{self.name} x{factor:g}",
            asset_class=asset_class,
            horizons=tuple(
                replace(
                    row,
                    multipliers=tuple(k * factor for k in row.multipliers),
                    errors=tuple(error * factor for error in row.errors),
                )
                for row in self.horizons
            ),
        )
