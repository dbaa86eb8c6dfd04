"""Leverage as a health factor and back: the only place where one becomes the other."""

from __future__ import annotations

from defilev.errors import InvalidNumber
from defilev.optimize.arguments import above, finite, open_unit

__all__ = ["health_factor_to_leverage", "leverage_to_health_factor", "loan_to_value_to_leverage"]


def leverage_to_health_factor(leverage: float, liquidation_threshold: float) -> float | None:
    """Return `ℓ·L/(L−1)`, the health factor of an account with that leverage (collateral divided by equity).

    Exact for an account whose capacity is `liquidation_threshold` (a fraction) of its collateral, whatever it holds.

    Returns:
        `None` for a leverage of 1 or less: nothing is owed.

    Raises:
        InvalidNumber: an argument that is not finite, or a threshold outside (0, 1).
    """
    threshold = open_unit(liquidation_threshold, what="liquidation threshold")
    if finite(leverage, what="leverage") <= 1:
        return None
    return threshold * leverage / (leverage - 1)


def health_factor_to_leverage(health_factor: float | None, liquidation_threshold: float) -> float:
    """Return `HF/(HF−ℓ)`, the leverage of an account with that health factor; 1 for `None`, nothing owed.

    Raises:
        InvalidNumber: a health factor at or below the threshold (no equity is left), or a threshold outside (0, 1).
    """
    threshold = open_unit(liquidation_threshold, what="liquidation threshold")
    if health_factor is None:
        return 1.0
    if finite(health_factor, what="health factor") <= threshold:
        raise InvalidNumber(
            f"a health factor of {health_factor:g} leaves no equity at a liquidation threshold of {threshold:g}",
            fix="give a health factor above 1",
        )
    return health_factor / (health_factor - threshold)


def loan_to_value_to_leverage(loan_to_value: float) -> float:
    """Return `1/(1−v)`, the leverage at which debt is the fraction `loan_to_value` of the collateral.

    Raises:
        InvalidNumber: outside [0, 1).
    """
    if not 0 <= finite(loan_to_value, what="loan-to-value") < 1:
        raise InvalidNumber(f"loan-to-value {loan_to_value:g} is not in [0, 1)", fix="give a fraction such as 0.8")
    return above(1 / (1 - loan_to_value), 0, what="leverage")
