"""What each method said on each start day, and what then happened. Nothing after the start day enters a prediction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from calibrating.sample import HORIZONS, STUDY_FIRST, Asset, Days
from calibrating.tables import fitted
from defilev.model.multipliers import MultiplierTable
from defilev.risk.arguments import Array
from defilev.risk.filtered_simulation import filtered_variances, simulated_falls
from defilev.risk.first_passage import (
    calibrated_liquidation_probability,
    diffusion_drift,
    diffusion_volatility,
    jump_liquidation_probability,
    jumps_for_volatility,
    liquidation_probability,
)
from defilev.risk.series import daily_returns
from defilev.risk.volatility.garch import GarchFit, fit_gjr_garch

FHS_PATHS = 2000
REFIT_DAYS = 30
SEED = 7
SAFEST = 1e9
"""A health factor that nothing reaches."""

Predictor = Callable[[int, Array], Array]
"""From a row of the daily variances and health factors to probabilities."""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """One method at one horizon: the `probability` of every start and health factor, and the `fall` seen.

    `at_fall` is the probability that the method gave to a health factor that the fall just reached, and `finest` the
    smallest that it could have given to any.
    """

    method: str
    horizon: int
    day: Days
    fall: Array
    probability: Array
    at_fall: Array
    finest: Array


def judge(method: str, horizon: int, assets: Sequence[Asset], predictors: Sequence[Predictor], health: Array) -> Judged:
    """Ask a method on every start day of the study, of all assets."""
    days, falls, probabilities, at_falls, finest = [], [], [], [], []
    for asset, predict in zip(assets, predictors, strict=True):
        windows = asset.windows(horizon)
        for day, row, fall in zip(windows.day, windows.row, windows.fall, strict=True):
            if day >= STUDY_FIRST:
                answers = predict(int(row), np.append(health, [np.exp(fall), SAFEST]))
                days.append(day)
                falls.append(fall)
                probabilities.append(answers[:-2])
                at_falls.append(answers[-2])
                finest.append(answers[-1])
    columns = (np.array(column) for column in (days, falls, probabilities, at_falls, finest))
    return Judged(method, horizon, *columns)


def lognormal(path: Array, horizon: int) -> Predictor:
    """The closed form with zero mean return: drift −σ²/2."""

    def predict(row: int, health: Array) -> Array:
        sigma = float(path[row])
        return liquidation_probability(health, sigma, horizon / 365, -0.5 * sigma**2)

    return predict


def jumps(path: Array, horizon: int) -> Predictor:
    """Kou's model with the shipped jumps, scaled where they would bring more than their share of the variance."""

    def predict(row: int, health: Array) -> Array:
        sigma = float(path[row])
        model = jumps_for_volatility(sigma)
        diffusion = diffusion_volatility(sigma, model)
        return jump_liquidation_probability(
            health, diffusion, horizon / 365, diffusion_drift(0.0, diffusion, model), model
        )

    return predict


def calibrated(path: Array, horizon: int, day: Days, table_for: Callable[[int], MultiplierTable]) -> Predictor:
    """The multipliers of the table that stood on the start day."""

    def predict(row: int, health: Array) -> Array:
        return calibrated_liquidation_probability(
            health, float(path[row]), horizon / 365, table=table_for(int(day[row]))
        )

    return predict


def filtered(asset: Asset, horizon: int, models: Sequence[GarchFit | None]) -> Predictor:
    """Filtered historical simulation with intraday lows, refitted monthly."""
    generator = np.random.default_rng([SEED, horizon])
    lows = _daily_lows(asset)

    def predict(row: int, health: Array) -> Array:
        fit = models[row]
        if fit is None:
            raise ValueError(f"no fit on row {row}")
        residual_lows = _standardised_lows(asset, fit, lows)
        falls = np.sort(
            simulated_falls(fit, horizon, generator=generator, paths=FHS_PATHS, residual_lows=residual_lows)
        )
        above = len(falls) - np.searchsorted(falls, np.log(health), side="left")
        return np.where(health <= 1, 1.0, above / len(falls))

    return predict


def garch_models(asset: Asset) -> list[GarchFit | None]:
    """For every day the monthly refitted GJR-GARCH-t with that day's variance; `None` before the study."""
    returns = daily_returns(asset.history)
    models: list[GarchFit | None] = [None] * len(asset.daily)
    start = int(np.searchsorted(asset.daily.day, STUDY_FIRST))
    fit, variances, refit_at = None, np.empty(0), 0
    for row in range(start, len(asset.daily)):
        seen = int(np.searchsorted(returns.day, asset.daily.day[row], side="right"))
        if fit is None or row >= refit_at:
            fit, refit_at = fit_gjr_garch(returns.value[:seen], minimum_days=300), row + REFIT_DAYS
            variances = filtered_variances(fit, returns.value)
        models[row] = replace(fit, next_variance=float(variances[seen - 1]))
    return models


def garch_path(asset: Asset, models: Sequence[GarchFit | None], horizon: int) -> Array:
    """The term-structure volatility of the fits; the EWMA where it is not within a factor of two of it."""
    path = asset.ewma.copy()
    for row, fit in enumerate(models):
        if fit is not None and fit.converged and fit.persistence <= 0.999:
            forecast = float(np.sqrt(fit.horizon_variance(horizon) / horizon * 365))
            path[row] = forecast if 0.5 <= forecast / asset.ewma[row] <= 2 else asset.ewma[row]
    return path


def table_by_year(assets: Sequence[Asset], horizon: int) -> Callable[[int], MultiplierTable]:
    """The table up to `horizon` frozen at the start of each year, of windows that ended before it; 180 days warm-up."""
    known: dict[int, MultiplierTable] = {}
    horizons = [days for days in HORIZONS if days <= horizon]

    def table_for(day: int) -> MultiplierTable:
        year = int(np.datetime64(day, "D").astype("datetime64[Y]").astype(int)) + 1970
        if year not in known:
            first = int(np.datetime64(f"{year}-01-01", "D").astype(int))
            known[year] = fitted(assets, ends_before=first, first_row=180, horizons=horizons)
        return known[year]

    return table_for


def _daily_lows(asset: Asset) -> tuple[Days, Array]:
    """Days with a return, and the log of each day's lowest low over the close before."""
    returns = daily_returns(asset.history)
    day_of = asset.history.opens_at // 86_400
    first, end = (np.searchsorted(day_of, returns.day, side=side) for side in ("left", "right"))
    lows = np.array([asset.history.low[a:b].min() for a, b in zip(first, end, strict=True)])
    return returns.day, np.minimum(np.log(lows) - np.log(asset.history.close[first - 1]), 0.0)


def _standardised_lows(asset: Asset, fit: GarchFit, lows: tuple[Days, Array]) -> Array:
    """The lows of the days that the fit saw, over the volatility that it gave them."""
    returns = daily_returns(asset.history).value[: fit.observations]
    sigma = np.abs((returns - fit.mean / 100) / np.where(fit.residuals == 0, np.inf, fit.residuals))
    usable = np.where(sigma > 0, sigma, np.sqrt(fit.next_variance))
    return np.asarray(lows[1][: fit.observations] / usable)
