"""The four words for how close an account is to liquidation; the limits are the caller's."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

__all__ = ["HealthLimits", "Status", "status_of"]

Status = Literal["OK", "LOW", "DANGER", "LIQUIDATABLE"]


@dataclass(frozen=True, slots=True)
class HealthLimits:
    """Health factors below which an account is LOW, and in DANGER."""

    low: Decimal
    danger: Decimal


def status_of(
    health_factor: Decimal | float | None, *, limits: HealthLimits, liquidated_at_equality: bool = False
) -> Status:
    """Return the word for `health_factor`; `None`, nothing owed, is OK.

    Exactly 1 is liquidatable only where the protocol `liquidated_at_equality`. Comparisons are exact.
    """
    if health_factor is None:
        return "OK"
    if health_factor < 1 or (liquidated_at_equality and health_factor == 1):
        return "LIQUIDATABLE"
    if limits.danger > health_factor:
        return "DANGER"
    return "LOW" if limits.low > health_factor else "OK"
