"""What a plan that raises leverage depends on beside the rest, and when it is one."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from defilev.model.account import LendingAccount
from defilev.model.plan import Goal
from defilev.plan.goals import Aim
from defilev.plan.inputs import PlanInputs
from defilev.protocols.levering import LeveringProtocol
from defilev.risk.prices import PriceLimits

__all__ = ["LeverInputs", "goes_up"]


@dataclass(frozen=True, slots=True)
class LeverInputs:
    """What to plan, by which protocol's rules.

    `protocol` is that of `base`. `price_limits` say when a price is stale, and `max_leverage` is the most leverage that
    the user allows themselves, `None` without such a limit. The collateral and the debt of `base` may be any token of
    the market.
    """

    base: PlanInputs
    protocol: LeveringProtocol
    price_limits: PriceLimits
    max_leverage: Decimal | None = None


def goes_up(account: LendingAccount, goal: Goal) -> bool:
    """Return whether `goal` is a health factor below the account's, or a leverage above it, by more than its band."""
    if goal.kind not in ("health-factor", "leverage") or account.collateral_value <= 0:
        return False
    return Aim(goal).exceeded(account)
