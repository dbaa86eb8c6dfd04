"""Engine `anvil`: the owner's transactions on a private fork, impersonated, mined one by one, paid from its balance."""

from __future__ import annotations

from defilev.chain.anvil import Anvil, find_anvil
from defilev.chain.fork_transaction import ForkTransaction
from defilev.chain.multicall import PinnedReader
from defilev.chain.quantity import to_hex
from defilev.errors import AnvilFailed, RpcRejected
from defilev.simulate.trial import Outcome, Run, Trial

__all__ = ["run_on_anvil"]

_GAS_MONEY = 10**21
_PREPARING_GAS = 500_000


def run_on_anvil(trial: Trial) -> Run:
    """Try the plan on a fork of the chain at the trial's block.

    Raises:
        AnvilMissing, AnvilFailed: there is no anvil, or it did not work.
        BlockUnavailable, WrongChain: the chain is not the one of the trial any more.
    """
    source = trial.source
    with Anvil(find_anvil(source.anvil), seconds_per_block=source.seconds_per_block) as anvil:
        anvil.fork(source.url, block=source.block, chain_id=trial.plan.chain_id)
        _prepare(trial, anvil)
        anvil.impersonate(trial.plan.actor)
        outcomes: list[Outcome] = []
        for position in range(len(trial.plan.steps)):
            outcomes.append(_try(trial, position, anvil))
            if not outcomes[-1].succeeded:
                return Run("anvil", outcomes, None)
        probe = trial.probe
        return Run("anvil", outcomes, probe.decode(_reader(trial, anvil).fetch(probe.calls)))


def _prepare(trial: Trial, anvil: Anvil) -> None:
    """Let others make their calls first; whoever sends anything is given the gas for it."""
    if not trial.prepared:
        return
    for sender in {trial.plan.actor, *(sender for sender, _ in trial.prepared)}:
        anvil.rpc.request("anvil_setBalance", [sender, to_hex(_GAS_MONEY)])
    for sender, call in trial.prepared:
        anvil.impersonate(sender)
        fees = trial.fees
        prepared = ForkTransaction(sender, call.to, call.data, _PREPARING_GAS, fees.maximum, fees.tip)
        if not anvil.transact(prepared).succeeded:
            raise AnvilFailed("a call that prepares the trial reverts on the fork", to=call.to, sender=sender)


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
