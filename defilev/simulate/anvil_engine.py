"""Engine `anvil`: the owner's transactions on a private fork, impersonated, mined one by one, paid from its balance."""

from __future__ import annotations

from defilev.chain.anvil import Anvil, find_anvil
from defilev.chain.multicall import PinnedReader
from defilev.errors import RpcRejected
from defilev.simulate.trial import Outcome, Run, Trial

__all__ = ["run_on_anvil"]


def run_on_anvil(trial: Trial) -> Run:
    """Try the plan on a fork of the chain at the trial's block.

    Raises:
        AnvilMissing, AnvilFailed: there is no anvil, or it did not work.
        BlockUnavailable, WrongChain: the chain is not the one of the trial any more.
    """
    source = trial.source
    with Anvil(find_anvil(source.anvil), seconds_per_block=source.seconds_per_block) as anvil:
        anvil.fork(source.url, block=source.block, chain_id=trial.plan.chain_id)
        anvil.impersonate(trial.plan.actor)
        outcomes: list[Outcome] = []
        for position in range(len(trial.plan.steps)):
            outcomes.append(_try(trial, position, anvil))
            if not outcomes[-1].succeeded:
                return Run("anvil", outcomes, None)
        probe = trial.probe
        return Run("anvil", outcomes, probe.decode(_reader(trial, anvil).fetch(probe.calls)))


def _try(trial: Trial, position: int, anvil: Anvil) -> Outcome:
    try:
        receipt = anvil.transact(trial.transaction(position))
    except RpcRejected as rejected:
        refusal = str(rejected.facts["message"])
        return Outcome(succeeded=False, timestamp=trial.timestamp(position), refusal=refusal)
    timestamp = anvil.node.block(receipt.block_number).timestamp
    if not receipt.succeeded:
        returned = anvil.output(receipt.hash)
        return Outcome(succeeded=False, timestamp=timestamp, gas_used=receipt.gas_used, returned=returned)
    health = trial.probe.decode_health(_reader(trial, anvil).fetch(trial.probe.health_calls))
    return Outcome(
        succeeded=True, timestamp=timestamp, gas_used=receipt.gas_used, logs=receipt.logs, health_factor=health
    )


def _reader(trial: Trial, anvil: Anvil) -> PinnedReader:
    return PinnedReader(anvil.node, multicall3=trial.source.multicall3, block=anvil.node.block())
