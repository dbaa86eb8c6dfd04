"""When no sale reaches a goal: what counts as collateral, or another e-mode, may be enough or make a sale possible."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from defilev.errors import Infeasible
from defilev.model.plan import Action, SetCollateral, SetEMode
from defilev.model.request import Read
from defilev.plan.goals import Aim
from defilev.plan.inputs import PlanInputs
from defilev.plan.path import Path, start
from defilev.plan.rounds import FLOOR_MARGIN
from defilev.protocols.rearranging import RearrangingProtocol

__all__ = ["Walk", "rescued"]

Walk = Callable[[PlanInputs], Read[tuple[Path, str]]]


def rescued(inputs: PlanInputs, walk: Walk) -> Read[tuple[PlanInputs, Path] | None]:
    """Return the inputs and the path that reach the goal with switches before all else; `None` when none does.

    Tried are, one after another: idle supplies enabled as collateral, collateral of zero LTV disabled so that other may
    leave before it, and each e-mode that lets the account in. A switch that is enough alone is all that is done.
    """
    if inputs.rules is None or inputs.goal.kind not in ("health-factor", "leverage"):
        return None
    for switches in _of_collateral(inputs):
        if (path := (yield from _tried(inputs, switches, walk))) is not None:
            return inputs, path
    known = replace(inputs, account=(yield from inputs.rules.read_e_modes(inputs.account)))
    for switch in _of_e_mode(known, inputs.rules):
        if (path := (yield from _tried(known, [switch], walk))) is not None:
            return known, path
    return None


def _of_collateral(inputs: PlanInputs) -> Iterator[Sequence[Action]]:
    supplies = sorted((leg for leg in inputs.account.legs if leg.side == "supply"), key=lambda leg: -leg.value)
    idle = [SetCollateral(leg.asset, enabled=True) for leg in supplies if not leg.used_as_collateral]
    zero = [leg for leg in supplies if leg.used_as_collateral and leg.loan_to_value == 0]
    yield from (idle[:count] for count in range(1, len(idle) + 1))
    if zero and len(zero) < len(supplies):
        yield [SetCollateral(leg.asset, enabled=False) for leg in zero]


def _of_e_mode(inputs: PlanInputs, rules: RearrangingProtocol) -> Iterator[Action]:
    now = dict(inputs.account.details).get("e_mode")
    for category, label in rules.e_modes(inputs.account):
        if str(category) != now and not rules.e_mode_obstacles(inputs.account, category):
            yield SetEMode(category, label)


def _tried(inputs: PlanInputs, switches: Sequence[Action], walk: Walk) -> Read[Path | None]:
    """Return the path of the switches and of what the goal still takes after them, `None` where it is not reached."""
    aim = Aim(inputs.goal)
    try:
        switched = start(inputs).then(*switches)
        if _is_there(switched, aim, inputs):
            return switched
        after = replace(switched.first, warnings=inputs.account.warnings)
        walked, label = yield from walk(replace(inputs, account=after))
        whole = replace(switched.then(*walked.actions), granted=walked.granted, used=walked.used)
    except Infeasible:
        return None
    return whole if not label and _is_there(whole, aim, inputs) else None


def _is_there(path: Path, aim: Aim, inputs: PlanInputs) -> bool:
    is_kept = path.lowest is None or path.lowest >= inputs.floor + FLOOR_MARGIN
    return is_kept and aim.nearly_reached(path.first) and aim.nearly_reached(path.last)
