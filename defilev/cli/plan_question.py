"""The flags of a goal, read with the settings behind them; shared by the commands that plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from defilev.config.values import parse_duration, parse_floor, parse_slippage
from defilev.plan import parse_goal

if TYPE_CHECKING:
    from defilev.config.settings import Settings
    from defilev.pipeline.planning import PlanQuestion

__all__ = ["plan_question"]


def plan_question(
    settings: Settings,
    *,
    to_health_factor: str | None,
    to_leverage: str | None,
    close: bool,
    max_slippage: str | None = None,
    floor: str | None = None,
    debt: str | None = None,
    collateral: str | None = None,
    expires: str | None = None,
) -> PlanQuestion:
    """Return what the flags ask for, settings standing in for those that were not given.

    Raises:
        InvalidNumber: a number, percentage or duration cannot be meant, or not exactly one goal was given.
    """
    from defilev.pipeline.planning import PlanQuestion

    return PlanQuestion(
        goal=parse_goal(to_health_factor=to_health_factor, to_leverage=to_leverage, close=close),
        max_slippage=settings.max_slippage if max_slippage is None else parse_slippage(max_slippage),
        floor=settings.floor if floor is None else parse_floor(floor),
        window=settings.expires if expires is None else parse_duration(expires, what="--expires"),
        debt=debt,
        collateral=collateral,
    )
