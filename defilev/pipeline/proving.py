"""What a plan must have gone through before it is signed for here."""

from __future__ import annotations

from defilev.errors import PolicyViolation
from defilev.model.plan import Plan
from defilev.model.simulation import SimulationReport
from defilev.protocols import ACTING
from defilev.simulate import EngineChoice

__all__ = ["require_fork", "require_proven"]


def require_fork(protocol: str, engine: EngineChoice) -> None:
    """Refuse to begin what could not be signed in the end: a protocol's plans must be tried by an engine that counts.

    Raises:
        PolicyViolation: they are signed only once they have held on a fork, or never.
    """
    known = ACTING.get(protocol)
    if known is None or known.abilities.broadcasts == "simulated":
        return
    if known.abilities.broadcasts == "no" or engine != "anvil":
        raise _refused(protocol, tried_with=engine)


def require_proven(plan: Plan, report: SimulationReport) -> None:
    """Let a plan on to be signed that has gone through what its protocol asks for.

    Args:
        plan: what is about to be signed.
        report: what came of trying it at the newest block.

    Raises:
        PolicyViolation: the protocol's plans are signed only once that very plan has held on a fork, or never.
    """
    required = ACTING[plan.protocol].abilities.broadcasts
    has_held = report.engine == "anvil" and report.succeeded and report.plan_hash == plan.hash
    if required == "no" or (required == "forked" and not has_held):
        raise _refused(plan.protocol, tried_with=report.engine, plan=plan.hash)


def _refused(protocol: str, **facts: object) -> PolicyViolation:
    if ACTING[protocol].abilities.broadcasts == "no":
        return PolicyViolation(
            f"a plan for {protocol} is never signed here", fix="export it with --unsigned FILE", **facts
        )
    return PolicyViolation(
        f"a plan for {protocol} is signed only once it has held on a fork of the chain",
        fix="try it on one with --engine anvil, or export it with --unsigned FILE",
        **facts,
    )
