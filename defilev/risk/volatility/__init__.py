"""How much prices move: realised volatility, forecasts, implied volatility, correlation, beta. Per √year."""

from defilev.risk.series import DailyReturns, DailyVariances, daily_returns, daily_variances
from defilev.risk.volatility.correlation import (
    Beta,
    aligned,
    beta,
    correlation,
    repair_correlation,
    shrink_correlation,
    stressed_correlation,
)
from defilev.risk.volatility.estimate import Component, VolatilityEstimate, estimate_volatility
from defilev.risk.volatility.estimators import close_to_close, garman_klass, parkinson, rogers_satchell, yang_zhang
from defilev.risk.volatility.forecasts import (
    CALIBRATED_ESTIMATOR,
    ewma,
    half_long_run,
    har,
    long_run,
    stress_floor,
    stress_level,
)
from defilev.risk.volatility.garch import GarchFit, GarchForecast, fit_garch, fit_gjr_garch, gjr_garch
from defilev.risk.volatility.implied import blend_implied, implied_by_beta

__all__ = [
    "CALIBRATED_ESTIMATOR",
    "Beta",
    "Component",
    "DailyReturns",
    "DailyVariances",
    "GarchFit",
    "GarchForecast",
    "VolatilityEstimate",
    "aligned",
    "beta",
    "blend_implied",
    "close_to_close",
    "correlation",
    "daily_returns",
    "daily_variances",
    "estimate_volatility",
    "ewma",
    "fit_garch",
    "fit_gjr_garch",
    "garman_klass",
    "gjr_garch",
    "half_long_run",
    "har",
    "implied_by_beta",
    "long_run",
    "parkinson",
    "repair_correlation",
    "rogers_satchell",
    "shrink_correlation",
    "stress_floor",
    "stress_level",
    "stressed_correlation",
    "yang_zhang",
]
