"""GJR-GARCH(1,1) with Student-t innovations through the optional package `arch`; fits that cannot be trusted fall back.

Everything else in risk works without it. Returns are daily log returns; the fit sees them in percent.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from defilev.errors import ExtraMissing, HistoryUnusable
from defilev.risk.arguments import Array, finite, positive

__all__ = ["MINIMUM_DAYS", "GarchFit", "GarchForecast", "fit_garch", "fit_gjr_garch", "gjr_garch"]

MINIMUM_DAYS = 500
"""Daily returns below which no fit is made."""

_DAYS_PER_YEAR = 365.0
_LARGEST_PERSISTENCE = 0.999
_LARGEST_RATIO = 2.0
_LEAST_RESPONSE = 0.01
"""α + γ/2 below which the variance is a ramp through time that no return bends."""


@dataclass(frozen=True, slots=True, eq=False)
class GarchFit:
    """A fitted model of daily returns: parameters in percent units as `arch` prints them.

    `gamma` is 0 without asymmetry, `degrees` `None` with normal innovations. `next_variance` and `long_run_variance`
    are per day in fractions squared; the latter is `None` when persistence is 1 or more. `residuals` are standardised.
    """

    mean: float
    omega: float
    alpha: float
    gamma: float
    beta: float
    degrees: float | None
    log_likelihood: float
    observations: int
    converged: bool
    next_variance: float
    residuals: Array

    @property
    def persistence(self) -> float:
        """α + γ/2 + β: what is left of a shock to the variance a day later."""
        return self.alpha + 0.5 * self.gamma + self.beta

    @property
    def long_run_variance(self) -> float | None:
        """ω/(1 − persistence) per day in fractions squared."""
        return None if self.persistence >= 1 else self.omega / (1.0 - self.persistence) / 1e4

    def horizon_variance(self, days: float) -> float:
        """Return the sum of the next `days` daily variances: T·σ̄² + (σ²₊₁ − σ̄²)(1 − pᵀ)/(1 − p)."""
        span, p, level = float(positive("days", days)), self.persistence, self.long_run_variance
        if level is None:
            return span * self.next_variance
        return span * level + (self.next_variance - level) * (1.0 - float(p**span)) / (1.0 - p)


@dataclass(frozen=True, slots=True, eq=False)
class GarchForecast:
    """A volatility per √year over the horizon. `fallback` says why the EWMA was used, `None` when it was not."""

    volatility: float
    fit: GarchFit
    fallback: str | None


def gjr_garch(returns: Array, horizon_days: float, *, ewma_volatility: float) -> GarchForecast:
    """Return the GJR-GARCH(1,1)-t volatility over the next `horizon_days`, guarded by `ewma_volatility`.

    The fit is rejected, and the EWMA used, when it did not converge, when persistence is above 0.999, or when its
    forecast is not within a factor of two of the EWMA.

    Raises:
        ExtraMissing: `arch` is not installed.
        HistoryUnusable: fewer than 500 daily returns.
        InvalidNumber: NaN in the returns, or a horizon or EWMA that is not above zero.
    """
    guard = float(positive("ewma_volatility", ewma_volatility))
    fit = fit_gjr_garch(returns)
    days = float(positive("horizon_days", horizon_days))
    forecast = float(np.sqrt(fit.horizon_variance(days) / days * _DAYS_PER_YEAR))
    fallback = _reason_against(fit, forecast, guard)
    return GarchForecast(guard if fallback else forecast, fit, fallback)


def fit_gjr_garch(returns: Array, *, minimum_days: int = MINIMUM_DAYS) -> GarchFit:
    """Return the GJR-GARCH(1,1) fit with Student-t innovations; raises as `gjr_garch`."""
    return _fit(returns, asymmetry=1, innovations="t", minimum_days=minimum_days)


def fit_garch(returns: Array) -> GarchFit:
    """Return the symmetric GARCH(1,1) fit with normal innovations; raises as `gjr_garch`."""
    return _fit(returns, asymmetry=0, innovations="normal", minimum_days=MINIMUM_DAYS)


def _fit(returns: Array, *, asymmetry: int, innovations: str, minimum_days: int) -> GarchFit:
    sample = 100.0 * finite("returns", returns)
    if len(sample) < minimum_days:
        raise HistoryUnusable(
            f"{len(sample)} daily returns are too few for GARCH",
            fix=f"give {minimum_days} days or more, or use --volatility ewma",
        )
    try:
        from arch import arch_model
    except ImportError:
        raise ExtraMissing(
            "GARCH needs the package arch, which is not installed",
            fix="install it with: pip install 'defilev[garch]', or use --volatility ewma",
        ) from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a poor fit is judged by its flag and its figures
        law: Any = innovations
        model = arch_model(sample, mean="Constant", vol="GARCH", p=1, o=asymmetry, q=1, dist=law)
        result = model.fit(disp="off", show_warning=False)
        following = float(result.forecast(horizon=1, reindex=False).variance.to_numpy()[-1, 0])
    return _as_fit(result, following)


def _as_fit(result: Any, next_variance: float) -> GarchFit:
    values = dict(zip(result.params.index, result.params.to_numpy(), strict=True))
    residuals = np.asarray(result.std_resid, dtype=np.float64)
    return GarchFit(
        mean=float(values["mu"]),
        omega=float(values["omega"]),
        alpha=float(values["alpha[1]"]),
        gamma=float(values.get("gamma[1]", 0.0)),
        beta=float(values["beta[1]"]),
        degrees=float(values["nu"]) if "nu" in values else None,
        log_likelihood=float(result.loglikelihood),
        observations=int(result.nobs),
        converged=int(result.convergence_flag) == 0,
        next_variance=next_variance / 1e4,
        residuals=residuals[np.isfinite(residuals)],
    )


def _reason_against(fit: GarchFit, forecast: float, guard: float) -> str | None:
    if not fit.converged:
        return "the GARCH fit did not converge: EWMA used"
    if fit.persistence > _LARGEST_PERSISTENCE:
        return f"the GARCH fit has persistence {fit.persistence:.4f}, above {_LARGEST_PERSISTENCE}: EWMA used"
    if fit.alpha + fit.gamma / 2 < _LEAST_RESPONSE:
        return "the GARCH fit does not respond to returns at all: EWMA used"
    if not guard / _LARGEST_RATIO <= forecast <= guard * _LARGEST_RATIO:
        return f"the GARCH forecast {forecast:.0%} is not within a factor of two of the EWMA {guard:.0%}: EWMA used"
    return None
