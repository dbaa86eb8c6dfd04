"""Another e-mode, or none: what stands in the way is said by name."""

from __future__ import annotations

from dataclasses import replace

from defilev.errors import Infeasible
from defilev.model.plan import SetEMode
from defilev.model.request import Read
from defilev.plan.exchanging import Rearrangement
from defilev.plan.inputs import PlanInputs
from defilev.plan.path import Path, start
from defilev.plan.rounds import FLOOR_MARGIN
from defilev.plan.words import health_text

__all__ = ["plan_e_mode"]


def plan_e_mode(asked: Rearrangement) -> Read[tuple[Rearrangement, Path, str]]:
    """Return the path of the one step that enters an e-mode, or leaves the present one for none.

    Raises:
        Infeasible: the market has no such e-mode, the account is in it, what it owes or has enabled as collateral is
            not let in, or its health factor would fall below the floor.
    """
    category, account = int(asked.inputs.goal.value or 0), asked.inputs.account
    if dict(account.details).get("e_mode") == str(category):
        now = f"in e-mode {category} already" if category else "in no e-mode"
        raise Infeasible(f"{account.owner} is {now}", fix="name another one")
    known = yield from asked.rules.read_e_mode(account, category)
    inputs = replace(asked.inputs, account=known)
    label = dict(asked.rules.e_modes(known)).get(category, "")
    name = f"e-mode {category} {label}".rstrip() if category else "no e-mode"
    if obstacles := asked.rules.e_mode_obstacles(known, category):
        raise Infeasible(
            f"{name} is closed to {account.owner}: {'; '.join(obstacles)}",
            fix="repay or exchange what stands in the way, with --swap-debt or --swap-collateral",
        )
    return replace(asked, inputs=inputs), _switched(inputs, SetEMode(category, label), name), ""


def _switched(inputs: PlanInputs, action: SetEMode, name: str) -> Path:
    """Return the path after the switch, with the floor kept; raises `Infeasible` where it would not be."""
    before = start(inputs)
    try:
        after = before.then(action)
    except Infeasible as refusal:
        if "health_factor" not in refusal.facts:
            raise
        raise _below(inputs, before, name, refusal.facts["health_factor"]) from None
    if after.lowest is not None and after.lowest < inputs.floor + FLOOR_MARGIN:
        raise _below(inputs, before, name, after.lowest)
    return after


def _below(inputs: PlanInputs, before: Path, name: str, lowest: object) -> Infeasible:
    now, then = health_text(before.health_factor()), health_text(int(str(lowest)))
    return Infeasible(
        f"with {name} the health factor would go from {now} to {then}, below the floor of {health_text(inputs.floor)}",
        fix="repay a part or add collateral first, or lower --floor",
    )
