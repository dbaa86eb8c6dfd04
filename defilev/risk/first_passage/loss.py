"""What a liquidation costs, leaves and risks: bonus, close factor, toxic loan-to-value, expected loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from defilev.errors import InvalidNumber
from defilev.risk.arguments import Array, finite, fraction, non_negative, positive
from defilev.risk.first_passage.lognormal import log_distance, passage
from defilev.risk.first_passage.quadrature import passage_times

__all__ = ["LiquidationOutcome", "LiquidationTerms", "expected_liquidation_loss", "liquidation_outcome"]


@dataclass(frozen=True, slots=True)
class LiquidationTerms:
    """What a protocol takes: the threshold, the liquidator's bonus (0.05 is 5%), the share of the debt repaid at once.

    The protocol's fee is a share of the bonus, no further loss. The close factor must be in (0, 1].
    """

    liquidation_threshold: float
    liquidation_bonus: float
    close_factor: float

    def __post_init__(self) -> None:
        fraction("liquidation_threshold", self.liquidation_threshold)
        non_negative("liquidation_bonus", self.liquidation_bonus)
        if float(positive("close_factor", self.close_factor)) > 1:
            raise InvalidNumber(f"close_factor {self.close_factor:g} is above 1", fix="give a share of the debt")

    @property
    def kept_per_debt(self) -> float:
        """The equity left by one liquidation at a health factor of 1, per unit of debt before it: 1/ℓ − 1 − βκ."""
        return 1.0 / self.liquidation_threshold - 1.0 - self.liquidation_bonus * self.close_factor

    @property
    def toxic_loan_to_value(self) -> float:
        """The loan-to-value 1/(1+β) above which a liquidation lowers the health factor: the spiral."""
        return 1.0 / (1.0 + self.liquidation_bonus)


@dataclass(frozen=True, slots=True)
class LiquidationOutcome:
    """One liquidation at a health factor of exactly 1.

    `equity_lost` is a share of the equity before it. `health_factor` after it is `None` when no debt is left. `toxic`
    says that liquidating lowers the health factor.
    """

    equity_lost: float
    health_factor: float | None
    leverage_before: float
    leverage_after: float | None
    toxic: bool


def liquidation_outcome(terms: LiquidationTerms) -> LiquidationOutcome:
    """Return what one liquidation at a health factor of 1 leaves: HF' = (1 − ℓ(1+β)κ)/(1 − κ), lost βκ/(1/ℓ − 1).

    `leverage_after` is `None` when no equity is left.
    """
    threshold, bonus, close = terms.liquidation_threshold, terms.liquidation_bonus, terms.close_factor
    collateral, debt = 1.0 / threshold - (1.0 + bonus) * close, 1.0 - close
    equity = collateral - debt
    return LiquidationOutcome(
        equity_lost=bonus * close / (1.0 / threshold - 1.0),
        health_factor=threshold * collateral / debt if debt > 0 else None,
        leverage_before=1.0 / (1.0 - threshold),
        leverage_after=collateral / equity if equity > 0 else None,
        toxic=threshold > terms.toxic_loan_to_value,
    )


def expected_liquidation_loss(
    health_factor: float, volatility: float, horizon: float, drift: float, *, terms: LiquidationTerms, debt: float
) -> float:
    """Return the expected loss to liquidators within `horizon`, in the units of `debt`, under lognormal prices.

    βκD·[P(τ≤T) + (1−κ)∫f_τ(t)·P(τ'≤T−t)dt]: the first liquidation and the second; what a third would add is below the
    probability of the second.
    """
    owed, years = float(non_negative("debt", debt)), positive("horizon", horizon)
    distance, nu = log_distance(health_factor), finite("drift", drift)
    sigma = positive("volatility", volatility)
    share = terms.liquidation_bonus * terms.close_factor
    first = float(passage(distance, sigma, years, nu))
    after = liquidation_outcome(terms).health_factor
    if after is None or np.isinf(distance):
        return owed * share * first
    if distance == 0:
        return owed * share * (1.0 + (1.0 - terms.close_factor) * _again(after, sigma, years, nu))
    times, mass = passage_times(distance, nu, sigma, years)
    left = np.maximum(years - times, np.finfo(float).tiny)
    again = passage(np.broadcast_to(log_distance(after), left.shape), sigma, left, nu)
    return owed * share * (first + (1.0 - terms.close_factor) * float((mass * again).sum()))


def _again(health_factor: float, sigma: Array, years: Array, nu: Array) -> float:
    return float(passage(log_distance(health_factor), sigma, years, nu))
