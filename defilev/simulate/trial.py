"""What an engine is given, and what it gives back; neither knows a protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from defilev.chain.fork_transaction import ForkTransaction
from defilev.chain.node import Node
from defilev.chain.values import Log
from defilev.model.plan import Plan
from defilev.model.probe import Observed, ProbeCalls
from defilev.model.request import Address, Block, Call
from defilev.units import Wad

__all__ = ["EngineChoice", "EngineName", "ForkSource", "Outcome", "Run", "Runner", "Trial", "TrialFees"]

EngineName: TypeAlias = Literal["anvil", "simulate-v1"]
EngineChoice: TypeAlias = Literal["auto", "anvil", "simulate-v1"]


@dataclass(frozen=True, slots=True)
class ForkSource:
    """The chain in use and the block to begin at.

    Attributes:
        url: the node's, handed to anvil; never shown.
        anvil: where the anvil binary is, `None` to look for it.
        seconds_per_block: how much later each step's block is than the one before it.
    """

    node: Node
    url: str
    multicall3: Address
    block: Block
    anvil: str | None = None
    seconds_per_block: int = 12


@dataclass(frozen=True, slots=True)
class TrialFees:
    """Wei per gas: the base fee of the block to begin at, and the tip."""

    base_fee: int
    tip: int

    @property
    def maximum(self) -> int:
        """The most that a transaction offers: what six full blocks could make of the base fee, and the tip."""
        return 2 * self.base_fee + self.tip


@dataclass(frozen=True, slots=True)
class Trial:
    """A plan to try from `source`, each step in a block of its own, asking `probe` in between.

    `prepared` are calls that others make before it, on a fork alone; there the actor is given what the gas costs too.
    """

    plan: Plan
    source: ForkSource
    probe: ProbeCalls
    fees: TrialFees
    prepared: tuple[tuple[Address, Call], ...] = ()

    def transaction(self, position: int) -> ForkTransaction:
        """Return the transaction of the step at `position` in the plan as its actor would send it."""
        step = self.plan.steps[position]
        return ForkTransaction(
            sender=self.plan.actor,
            to=step.to,
            data=bytes.fromhex(step.data.removeprefix("0x")),
            gas_limit=step.gas_limit,
            max_fee_per_gas=self.fees.maximum,
            max_priority_fee_per_gas=self.fees.tip,
            value=step.value,
        )

    def timestamp(self, position: int) -> int:
        """Return the Unix time of the block of the step at `position`."""
        return self.source.block.timestamp + self.source.seconds_per_block * (position + 1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One step that was tried.

    `refusal` says why the chain would not take the transaction at all; then nothing ran and nothing was paid.
    `returned` is the revert data of a failed one. `health_factor` is the contract's right after a successful one,
    `None` when nothing is owed.
    """

    succeeded: bool
    timestamp: int
    gas_used: int = 0
    returned: bytes = b""
    logs: tuple[Log, ...] = ()
    health_factor: Wad | None = None
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """The outcomes up to the first failure, and the account after the last step; `None` when a step failed."""

    engine: EngineName
    outcomes: Sequence[Outcome]
    observed: Observed | None


class Runner(Protocol):
    """An engine."""

    def __call__(self, trial: Trial) -> Run:
        """Try the plan; raises `DataError` when it could not be tried."""
        ...
