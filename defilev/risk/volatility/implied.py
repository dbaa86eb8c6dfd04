"""Volatility that options imply, blended with a forecast; for assets without options, through another's by beta."""

from __future__ import annotations

from math import sqrt

from defilev.risk.arguments import finite, non_negative, positive

__all__ = ["blend_implied", "implied_by_beta"]

_IMPLIED_DAYS = 30.0
_LARGEST_WEIGHT = 0.5


def blend_implied(forecast: float, implied: float, horizon_days: float) -> float:
    """Return √(w·implied² + (1−w)·forecast²) with w = ½·min(1, T/30 days): a 30-day figure says less of tomorrow.

    Both per √year. Implied volatility holds a premium over what is realised, so the blend leans to the safe side.
    """
    weight = _LARGEST_WEIGHT * min(1.0, float(positive("horizon_days", horizon_days)) / _IMPLIED_DAYS)
    own, options = float(non_negative("forecast", forecast)), float(non_negative("implied", implied))
    return sqrt(weight * options**2 + (1.0 - weight) * own**2)


def implied_by_beta(reference_implied: float, beta: float, residual_volatility: float) -> float:
    """Return √(β²σ²_IV + σ²_ε): the implied volatility of an asset without options, through another's.

    σ_ε is the asset's own residual. It is a substitute and must be reported as one. All per √year.
    """
    market = float(finite("beta", beta)) * float(non_negative("reference_implied", reference_implied))
    return sqrt(market**2 + float(non_negative("residual_volatility", residual_volatility)) ** 2)
