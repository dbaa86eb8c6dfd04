"""Chooses the engine, lets it try the plan, and makes one report whichever engine it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median_low

from defilev.chain.node import Node
from defilev.errors import PlanForAnotherChain, RpcRejected
from defilev.model.mover import mover_of
from defilev.model.plan import Plan, Step
from defilev.model.probe import ProbeCalls
from defilev.model.request import Address, Block, Call
from defilev.model.simulation import SimulationReport, StepReport
from defilev.simulate.anvil_engine import run_on_anvil
from defilev.simulate.conditions import check_condition, unchecked
from defilev.simulate.movements import movements, wallet_changes
from defilev.simulate.simulate_v1_engine import run_simulate_v1
from defilev.simulate.trial import EngineChoice, EngineName, ForkSource, Outcome, Run, Runner, Trial, TrialFees

__all__ = ["simulate"]

Explain = Callable[[bytes], str]

_RUNNERS: dict[EngineName, Runner] = {"anvil": run_on_anvil, "simulate-v1": run_simulate_v1}
_FEE_BLOCKS = 10
_TIP_FLOOR = 10**7
"""Wei per gas: what empty blocks suggest would be nothing."""

_ALL_GAS = 0.95
"""A failure without data that used this part of its gas limit ran out of gas: an inner call leaves a 64th unused."""


def simulate(
    plan: Plan,
    *,
    source: ForkSource,
    probe: ProbeCalls,
    explain: Explain,
    engine: EngineChoice = "auto",
    prepared: Sequence[tuple[Address, Call]] = (),
) -> SimulationReport:
    """Try `plan` from `source`'s block and report every step and post-condition.

    A step that fails is part of the report, with the steps after it not run; whoever asked decides what that means.

    Args:
        probe: what to ask of the account in between, see its protocol's `probe`.
        explain: revert data in words.
        engine: `auto` takes `simulate-v1` where the node has it.
        prepared: calls that others make before the plan; only a fork takes them.

    Raises:
        PlanForAnotherChain: the node's chain is not the plan's.
        DataError: the plan could not be tried.
    """
    chain_id = source.node.chain_id()
    if chain_id != plan.chain_id:
        raise PlanForAnotherChain(f"the plan is for chain {plan.chain_id}, the node is on chain {chain_id}")
    trial = Trial(plan, source, probe, _fees(source.node, source.block), tuple(prepared))
    return _report(trial, _run(trial, engine), explain)


def _run(trial: Trial, engine: EngineChoice) -> Run:
    if trial.prepared:
        return run_on_anvil(trial)
    if engine != "auto":
        return _RUNNERS[engine](trial)
    if trial.source.node.supports_simulate_v1():
        try:
            return run_simulate_v1(trial)
        except RpcRejected:
            pass  # the node simulates, but not this much: a fork can
    return run_on_anvil(trial)


def _fees(node: Node, block: Block) -> TrialFees:
    """Return what the blocks up to `block` suggest: the same block gives the same report, whenever it is tried."""
    if block.base_fee is None:
        return TrialFees(base_fee=0, tip=node.gas_price())
    history = node.fee_history(_FEE_BLOCKS, percentiles=[50], newest=block)
    return TrialFees(block.base_fee, max(median_low(reward for (reward,) in history.rewards), _TIP_FLOOR))


def _report(trial: Trial, run: Run, explain: Explain) -> SimulationReport:
    plan, observed = trial.plan, run.observed
    steps = tuple(_step_report(trial, run, position, explain) for position in range(len(plan.steps)))
    moved = (movement for step in steps for movement in step.movements)
    return SimulationReport(
        plan_hash=plan.hash,
        engine=run.engine,
        block=trial.source.block,
        steps=steps,
        conditions=tuple(
            check_condition(each, observed) if observed else unchecked(each) for each in plan.post_conditions
        ),
        health_factor=observed.health_factor if observed else None,
        collateral_value=observed.collateral_value if observed else None,
        debt_value=observed.debt_value if observed else None,
        gas_used=sum(outcome.gas_used for outcome in run.outcomes),
        gas_price=trial.fees.base_fee + trial.fees.tip,
        wallet_changes=wallet_changes(moved, owner=mover_of(plan), probe=trial.probe),
    )


def _step_report(trial: Trial, run: Run, position: int, explain: Explain) -> StepReport:
    step = trial.plan.steps[position]
    if position >= len(run.outcomes):
        return StepReport(step.index, "not-run", None, None, (), None, None)
    outcome = run.outcomes[position]
    return StepReport(
        index=step.index,
        status="ok" if outcome.succeeded else "reverted",
        gas_used=outcome.gas_used,
        revert_reason=None if outcome.succeeded else _reason(outcome, step, explain),
        movements=movements(outcome.logs, trial.probe.tokens),
        health_factor=outcome.health_factor,
        timestamp=outcome.timestamp,
    )


def _reason(outcome: Outcome, step: Step, explain: Explain) -> str:
    if outcome.refusal is not None:
        return f"not taken by the chain: {outcome.refusal}"
    if not outcome.returned and outcome.gas_used >= _ALL_GAS * step.gas_limit:
        return f"out of gas: {outcome.gas_used} of {step.gas_limit} used"
    return explain(outcome.returned)
