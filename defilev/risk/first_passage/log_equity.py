"""Expected log equity of a fixed-debt position that may be liquidated: growth that counts survival."""

from __future__ import annotations

from typing import overload

import numpy as np
import numpy.typing as npt

from defilev.errors import InvalidNumber
from defilev.risk.arguments import Array, broadcast, finite, positive, scalar_or_array
from defilev.risk.first_passage.loss import LiquidationTerms
from defilev.risk.first_passage.quadrature import passage_times, surviving_distances

__all__ = ["expected_log_equity"]


@overload
def expected_log_equity(
    leverage: float,
    terms: LiquidationTerms,
    expected_return: float,
    volatility: float,
    horizon: float,
    supply_rate: float = 0.0,
    borrow_rate: float = 0.0,
) -> float: ...
@overload
def expected_log_equity(
    leverage: npt.ArrayLike,
    terms: LiquidationTerms,
    expected_return: npt.ArrayLike,
    volatility: npt.ArrayLike,
    horizon: npt.ArrayLike,
    supply_rate: npt.ArrayLike = 0.0,
    borrow_rate: npt.ArrayLike = 0.0,
) -> Array: ...
def expected_log_equity(
    leverage: npt.ArrayLike,
    terms: LiquidationTerms,
    expected_return: npt.ArrayLike,
    volatility: npt.ArrayLike,
    horizon: npt.ArrayLike,
    supply_rate: npt.ArrayLike = 0.0,
    borrow_rate: npt.ArrayLike = 0.0,
) -> float | Array:
    """Return E[ln(equity at the horizon / equity now)] with the debt left alone, one volatile collateral, one debt.

    Equity is frozen after the first liquidation, which costs bonus × close factor of the debt. Over horizons of weeks
    the penalty matters only for leverage near the barrier; the maximising leverage lies below Kelly's.

    Args:
        leverage: collateral over equity, above 1 and below 1/(1 − liquidation threshold).
        terms: threshold, bonus and close factor; a liquidation must leave some equity.
        expected_return: arithmetic drift μ of the price per year, yield excluded.
        volatility: of the price, per √year.
        horizon: in years.
        supply_rate: what the collateral earns, continuous per year.
        borrow_rate: what the debt costs, continuous per year.

    Raises:
        InvalidNumber: an argument outside its domain.
    """
    lever, mu, sigma, years, supply, borrow = broadcast(
        positive("leverage", leverage),
        finite("expected_return", expected_return),
        positive("volatility", volatility),
        positive("horizon", horizon),
        finite("supply_rate", supply_rate),
        finite("borrow_rate", borrow_rate),
    )
    threshold = terms.liquidation_threshold
    if (lever <= 1).any() or (threshold * lever <= lever - 1).any():
        raise InvalidNumber(
            "leverage is not between 1 and 1/(1 − liquidation threshold)",
            fix="give a leverage at which something is owed and the health factor is above 1",
            argument="leverage",
        )
    if terms.kept_per_debt <= 0:
        raise InvalidNumber("a liquidation on these terms leaves no equity", fix="lower the bonus or the close factor")
    distance = np.log(threshold * lever / (lever - 1.0))
    drift = mu + supply - borrow - 0.5 * sigma * sigma
    alive, alive_mass = surviving_distances(distance, drift, sigma, years)
    times, lost_mass = passage_times(distance, drift, sigma, years)
    # At the horizon equity is D·exp(bT)·(exp(x)/ℓ − 1); at a liquidation D·exp(bt)·(1/ℓ − 1 − βκ).
    grown = alive - np.log(threshold) + np.log1p(-threshold * np.exp(-alive))
    alive_log = borrow[..., None] * years[..., None] + grown
    lost_log = borrow[..., None] * times + np.log(terms.kept_per_debt)
    debt_log = np.log(lever - 1.0) * (alive_mass.sum(-1) + lost_mass.sum(-1))
    return scalar_or_array(np.asarray(debt_log + (alive_mass * alive_log).sum(-1) + (lost_mass * lost_log).sum(-1)))
