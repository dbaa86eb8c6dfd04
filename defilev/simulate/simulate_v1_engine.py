"""Engine `simulate-v1`: one `eth_simulateV1` request that tries every step in a block of its own.

Numbers, times and base fees of the blocks are said explicitly: a node's defaults give the first one the time of the
head, so that interest is a block short, and leave fees out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from defilev.chain.aggregate3 import decode_results, encode_calls
from defilev.chain.fork_transaction import ForkTransaction
from defilev.chain.quantity import parse_data, parse_object, parse_quantity, to_hex
from defilev.chain.values import parse_logs, parse_status
from defilev.errors import RpcMalformed, RpcRejected
from defilev.model.request import Address, Call, CallResult
from defilev.simulate.trial import Outcome, Run, Trial

__all__ = ["run_simulate_v1"]

_OBSERVER = Address("0x00000000000000000000000000000000deF11EF0")
"""Asks between the steps, so that the owner's nonce and balance are the plan's alone; given money for nothing else."""

_OBSERVER_BALANCE = 10**24
_OBSERVER_GAS = 15_000_000
_REFUSED_TRANSACTION = frozenset({-32000, -32003, *range(-38014, -38009)})
"""Refusals of a transaction in the request (nonce, fee, gas, funds), not of the request itself."""


def run_simulate_v1(trial: Trial) -> Run:
    """Try the plan through the node's `eth_simulateV1` at the trial's block.

    Raises:
        RpcRejected: the node does not simulate, or not this much at once.
        RpcMalformed: its answer is not the one that was asked for.
        BlockUnavailable: the node no longer has the block's state.
    """
    try:
        return _run(trial, len(trial.plan.steps))
    except RpcRejected as rejected:
        if rejected.facts["code"] not in _REFUSED_TRANSACTION:
            raise
        return _refused(trial, str(rejected.facts["message"]))


def _refused(trial: Trial, refusal: str) -> Run:
    """Find the step for which the node refused the whole request: the longest run that it takes ends before it."""
    done, taken, refused = Run("simulate-v1", [], None), 0, len(trial.plan.steps)
    while refused - taken > 1:
        count = (taken + refused) // 2
        try:
            done, taken = _run(trial, count), count
        except RpcRejected as rejected:
            refused, refusal = count, str(rejected.facts["message"])
        if taken and done.observed is None:
            return done  # a step failed before the one that is refused
    outcome = Outcome(succeeded=False, timestamp=trial.timestamp(taken), refusal=refusal)
    return Run("simulate-v1", [*done.outcomes, outcome], None)


def _run(trial: Trial, count: int) -> Run:
    """Try the first `count` steps in one request."""
    blocks = [_block(trial, position, is_last=position == count - 1) for position in range(count)]
    blocks[0]["stateOverrides"] = {_OBSERVER: {"balance": to_hex(_OBSERVER_BALANCE)}}
    request = {"blockStateCalls": blocks, "validation": True, "traceTransfers": False}
    simulated = trial.source.node.simulate_v1(request, block=trial.source.block)
    outcomes: list[Outcome] = []
    answers: list[dict[str, Any]] = []
    for position, block in enumerate(simulated):
        answers = _answers(trial, position, block, count=len(blocks[position]["calls"]))
        outcomes.append(_outcome(trial, position, answers))
        if not outcomes[-1].succeeded:
            return Run("simulate-v1", outcomes, None)
    return Run("simulate-v1", outcomes, trial.probe.decode(_results(answers[2], trial.probe.calls)))


def _block(trial: Trial, position: int, *, is_last: bool) -> dict[str, Any]:
    asked = [trial.probe.health_calls, *([trial.probe.calls] if is_last else [])]
    return {
        "blockOverrides": {
            "number": to_hex(_number(trial, position)),
            "time": to_hex(trial.timestamp(position)),
            "baseFeePerGas": to_hex(trial.fees.base_fee),
        },
        "calls": [trial.transaction(position).fields(), *(_question(trial, calls) for calls in asked)],
    }


def _question(trial: Trial, calls: Sequence[Call]) -> dict[str, str]:
    return ForkTransaction(
        sender=_OBSERVER,
        to=trial.source.multicall3,
        data=encode_calls(calls),
        gas_limit=_OBSERVER_GAS,
        max_fee_per_gas=trial.fees.maximum,
        max_priority_fee_per_gas=trial.fees.tip,
    ).fields()


def _answers(trial: Trial, position: int, block: Any, *, count: int) -> list[dict[str, Any]]:
    simulated = parse_object(block, what="simulated block")
    number = parse_quantity(simulated.get("number"), what="simulated block number")
    time = parse_quantity(simulated.get("timestamp"), what="simulated timestamp")
    if (number, time) != (_number(trial, position), trial.timestamp(position)):
        raise RpcMalformed("the node simulated another block than it was asked to", number=number, timestamp=time)
    calls = simulated.get("calls")
    if not isinstance(calls, list) or len(calls) != count:
        raise RpcMalformed("the node's simulated block does not have its calls")
    return [parse_object(call, what="simulated call") for call in calls]


def _outcome(trial: Trial, position: int, answers: Sequence[dict[str, Any]]) -> Outcome:
    done = answers[0]
    succeeded = parse_status(done.get("status"))
    health_calls = trial.probe.health_calls
    return Outcome(
        succeeded=succeeded,
        timestamp=trial.timestamp(position),
        gas_used=parse_quantity(done.get("gasUsed"), what="gas used"),
        returned=b"" if succeeded else _revert_data(done),
        logs=parse_logs(done.get("logs")) if succeeded else (),
        health_factor=trial.probe.decode_health(_results(answers[1], health_calls)) if succeeded else None,
    )


def _revert_data(answer: dict[str, Any]) -> bytes:
    """Return the revert data, which geth has in the call's error and anvil in what it returned."""
    error = answer.get("error")
    attached = error.get("data") if isinstance(error, dict) else None
    returned = parse_data(answer.get("returnData"), what="returned data")
    return returned if attached is None else parse_data(attached, what="revert data")


def _results(answer: dict[str, Any], calls: Sequence[Call]) -> list[CallResult]:
    try:
        return decode_results(parse_data(answer.get("returnData"), what="simulated read"), count=len(calls))
    except ValueError:
        raise RpcMalformed("the node's simulated read is not the answer of Multicall3") from None


def _number(trial: Trial, position: int) -> int:
    return trial.source.block.number + 1 + position
