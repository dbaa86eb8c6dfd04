"""The flags of a goal, read with the settings behind them; shared by the commands that plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from defilev.abi.address import parse_address
from defilev.config.values import parse_duration, parse_floor, parse_slippage
from defilev.errors import UsageError
from defilev.plan import ANYTHING, Constraints, Divergence, Rearranged, parse_goal

if TYPE_CHECKING:
    from defilev.config.settings import Settings
    from defilev.model.target import Target
    from defilev.pipeline.planning import PlanQuestion

__all__ = ["Rearranged", "plan_question"]

_NOT_REARRANGED = Rearranged()


def plan_question(
    settings: Settings,
    *,
    to_health_factor: str | None,
    to_leverage: str | None,
    close: bool,
    to_margin_ratio: str | None = None,
    from_target: Path | None = None,
    max_slippage: str | None = None,
    floor: str | None = None,
    expires: str | None = None,
    max_divergence: str | None = None,
    rearranged: Rearranged = _NOT_REARRANGED,
    constraints: Constraints = ANYTHING,
    payer: str | None = None,
) -> PlanQuestion:
    """Return what the flags ask for, settings standing in for those that were not given.

    Raises:
        InvalidNumber: a number, percentage or duration cannot be meant, or not exactly one goal was given.
    """
    from defilev.model.target import target_goal
    from defilev.pipeline.planning import PlanQuestion

    target = None if from_target is None else _target(from_target)
    goals = (to_health_factor, to_leverage, to_margin_ratio, *rearranged.given().values())
    if target is not None and (close or any(each is not None for each in goals)):
        raise UsageError("--from-target and another goal contradict each other", fix="give one of them")
    return PlanQuestion(
        goal=target_goal(target)
        if target is not None
        else parse_goal(
            to_health_factor=to_health_factor,
            to_leverage=to_leverage,
            close=close,
            to_margin_ratio=to_margin_ratio,
            rearranged=rearranged,
        ),
        meant_for=None if target is None else _position(target),
        max_slippage=settings.max_slippage if max_slippage is None else parse_slippage(max_slippage),
        floor=settings.floor if floor is None else parse_floor(floor),
        window=settings.expires if expires is None else parse_duration(expires, what="--expires"),
        constraints=constraints,
        payer=None if payer is None else parse_address(payer, what="--payer"),
        may_lever=True,
        divergence=Divergence.within(
            settings.max_divergence
            if max_divergence is None
            else parse_slippage(max_divergence, what="--max-divergence")
        ),
    )


def _position(target: Target) -> tuple[str, str, str, str]:
    at = target.position
    return f"chain {at.chain_id}", at.owner, at.protocol, at.market


def _target(path: Path) -> Target:
    from defilev.model.codec import parse_json
    from defilev.model.target import target_from_document

    try:
        document = parse_json(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", fix="check the file's name") from None
    except ValueError:
        raise UsageError(f"{path} is not JSON", fix="make it with `defilev target … --json`") from None
    return target_from_document(document)
