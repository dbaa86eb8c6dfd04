"""A plan that was made for an account here and now, and can be tried here."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from defilev.config.settings import Settings
from defilev.config.values import parse_slippage
from defilev.errors import InvalidNumber
from defilev.model.plan import Goal, Plan, PlanCost, Promise, Step
from defilev.pipeline.planning import PlanQuestion
from defilev.pipeline.session import Session
from defilev.pipeline.trying import try_plan
from defilev.plan import Constraints, Divergence, parse_goal

if TYPE_CHECKING:
    from defilev.library.account import Number
    from defilev.model.simulation import SimulationReport
    from defilev.simulate import EngineChoice

__all__ = ["Proposal", "goal_of", "question_of"]


class Proposal:
    """A plan, `value`, and the connection that it was made over."""

    def __init__(self, session: Session, value: Plan) -> None:
        self._session = session
        self.value = value

    def __repr__(self) -> str:
        return (
            f"<Proposal {self.hash[:8]}: {len(self.steps)} transactions on {self.value.protocol} {self.value.market}>"
        )

    @property
    def hash(self) -> str:
        """The sha256 of everything else in the plan."""
        return self.value.hash

    @property
    def steps(self) -> tuple[Step, ...]:
        """The transactions in order."""
        return self.value.steps

    @property
    def promise(self) -> Promise:
        """The state after the last step, for the worst allowed fills."""
        return self.value.promise

    @property
    def cost(self) -> PlanCost:
        """What it costs, in quote base units."""
        return self.value.cost

    def simulate(self, *, engine: EngineChoice = "auto") -> SimulationReport:
        """Run every step on a fork at the block of the plan, and say what came of it; see `trying.try_plan`."""
        return try_plan(self._session, self.value, engine=engine)

    def to_json(self) -> str:
        """Return the plan as the `defilev/plan@1` document that `defilev rebalance --plan` takes."""
        return self.value.to_json()


def question_of(
    settings: Settings,
    goal: Goal,
    *,
    max_slippage: Number | None,
    constraints: Constraints,
) -> PlanQuestion:
    """Return what a plan is asked for, settings standing in for what is `None`; raises `InvalidNumber`."""
    return PlanQuestion(
        goal=goal,
        max_slippage=settings.max_slippage if max_slippage is None else _fraction(max_slippage),
        floor=settings.floor,
        window=settings.expires,
        constraints=constraints,
        may_lever=True,
        divergence=Divergence.within(settings.max_divergence),
    )


def goal_of(*, close: bool, **levels: Number | None) -> Goal:
    """Return the one goal that was given, each level as `parse_goal` names it; raises `InvalidNumber`."""
    given = {name: None if level is None else str(level) for name, level in levels.items()}
    return parse_goal(
        to_health_factor=given.get("to_health_factor"),
        to_leverage=given.get("to_leverage"),
        to_margin_ratio=given.get("to_margin_ratio"),
        close=close,
    )


def _fraction(value: Number) -> Decimal:
    try:
        percent = Decimal(str(value)) * 100
    except ArithmeticError:
        raise InvalidNumber(f"max_slippage {value!r} is not a number", fix="write 0.005 for 0.5%") from None
    return parse_slippage(f"{percent:f}%", what="max_slippage")
