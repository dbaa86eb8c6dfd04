"""One run as the journal hears of it: what was seen, planned and tried, every nonce and signature, and the outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from defilev.errors import DefilevError, KeyFailure, PolicyViolation, SignerUnreachable
from defilev.execute.flight import Purpose
from defilev.execute.handing_over import Handed
from defilev.execute.sending import Boundary
from defilev.execute.transaction import TransactionFields
from defilev.journal import Journal, ReceiptFacts, Reservation, RunStart, SignedAttempt
from defilev.model.codec import canonical_hash
from defilev.model.execution import SentStep, SignedStep
from defilev.model.plan import Plan, Step
from defilev.model.request import Address, Block
from defilev.pipeline.outcomes import outcome_of
from defilev.version import __version__

if TYPE_CHECKING:
    from defilev.chain.node import Node
    from defilev.config.settings import Settings
    from defilev.pipeline.acting import Outcome, Retried
    from defilev.pipeline.session import Session

__all__ = ["Recording", "chain_identity", "position_of"]

UNSTATED = frozenset({"rpc_url", "private_rpc_url", "journal", "cache_dir", "color", "timeout", "failover_after"})
"""Settings that say nothing about what is done, or that are secrets: not part of a run's `config_hash`."""


def chain_identity(session: Session) -> str:
    """Return what tells this chain from every other: chain id and genesis, and on anvil the instance too.

    Anvils come and go under one chain id and genesis, with nonces that begin again.
    """
    genesis = session.node.block(0).hash
    identity = f"{session.chain_id}:{genesis}"
    if not session.is_anvil:
        return identity
    metadata = session.node.rpc.request("anvil_metadata")
    instance = metadata.get("instanceId") if isinstance(metadata, Mapping) else None
    return f"{identity}:{instance}" if isinstance(instance, str) else identity


def position_of(plan: Plan) -> str:
    """Return the name of what a plan acts on."""
    return f"{plan.protocol}/{plan.market}/{plan.owner}"


@dataclass(slots=True)
class Recording:
    """A run that has begun, as a `Ledger`: what it is told is durable when it returns, or it raises and all stops."""

    journal: Journal
    run: int
    chain: str
    plan: Plan
    intents: dict[int, str] = field(default_factory=dict)
    """By nonce."""
    epoch: int = 0
    """Of the guard's lease, 0 for a person at the command line."""

    @classmethod
    def begin(
        cls,
        journal: Journal,
        retried: Retried,
        plan: Plan,
        *,
        chain: str,
        mode: Literal["broadcast", "sign-only"],
        at: Callable[[Boundary], None],
        epoch: int = 0,
    ) -> Recording:
        """Write down the run, the account, the plan and its last simulation; `at` hears of each."""
        run = journal.begin(
            RunStart(
                kind="guard" if epoch else "rebalance",
                mode=mode,
                chain=chain,
                chain_id=plan.chain_id,
                account=plan.owner,
                protocol=plan.protocol,
                market=plan.market,
                config_hash=_config_hash(retried.session.settings),
                version=__version__,
            )
        )
        journal.observe(run, retried.account, role="before")
        at("observed")
        journal.plan(run, plan)
        at("planned")
        journal.simulated(run, retried.report)
        at("simulated")
        return cls(journal, run, chain, plan, epoch=epoch)

    def reserve(self, step: Step, fields: TransactionFields, *, at: Block) -> None:
        """Reserve the nonce of a transaction that is about to be signed; raises `AttemptOpen`."""
        self.intents[fields.nonce] = self.journal.reserve(
            Reservation(
                run=self.run,
                step=step.index,
                chain=self.chain,
                chain_id=fields.chain_id,
                account=self.plan.actor,
                position=position_of(self.plan),
                kind="rebalance" if self.epoch == 0 else "repay" if self.plan.payer else "deleverage",
                nonce=fields.nonce,
                fields=_told(fields),
                cap_wei=fields.most_it_can_cost,
                observed=(at.number, at.hash),
                deadline_block=at.number + self.plan.expires_at_block - self.plan.block.number,
                epoch=self.epoch,
            )
        )

    def signed(self, signed: SignedStep, *, purpose: Purpose) -> None:
        """Write down signed bytes before they are sent."""
        is_step = purpose == "act"
        summary = _summary(self.plan, signed) if is_step else f"cancel nonce {signed.nonce}: nothing to the owner"
        self.journal.sign(self.intents[signed.nonce], _attempt(signed, summary, self.plan.actor, purpose))

    def handed_over(self, transaction: str, handed: Handed) -> None:
        """Write down what came of a send call."""
        self.journal.handed_over(transaction, handed.result, endpoint=handed.endpoint, said=handed.said)

    def included(self, sent: SentStep) -> None:
        """Write down a canonical receipt."""
        self.journal.included(sent.hash, _receipt(sent))

    def reorganised(self, nonce: int, *, why: str) -> None:
        """Write down that a receipt is no longer on the chain."""
        self.journal.reorged(self.intents[nonce], why=why)

    def confirmed(self, nonce: int, *, depth: int) -> None:
        """Write down that a receipt is that deep."""
        self.journal.confirmed(self.intents[nonce], depth=depth)

    def foreign(self, nonce: int, *, by: str | None) -> None:
        """Write down that another's transaction used the nonce, and that the user is told so."""
        self.journal.foreign(self.intents[nonce], by=by or "unknown", why="no receipt of ours, and the nonce is spent")

    def finish(self, outcome: Outcome, *, node: Node) -> None:
        """Write down the account after it, and promised against got."""
        self.journal.observe(self.run, outcome.after, role="after")
        self.journal.finish(self.run, outcome_of(self.plan, outcome, node=node))

    def stop(self, error: BaseException) -> None:
        """Write down why the run ended early, and give back a nonce that surely nothing was signed for."""
        why = error.fact if isinstance(error, DefilevError) else type(error).__name__
        cause = error.__cause__ or error
        was_denied = isinstance(cause, PolicyViolation | KeyFailure) and not isinstance(cause, SignerUnreachable)
        for reserved in self.journal.reserved(chain=self.chain, account=self.plan.actor):
            if reserved.run == self.run and was_denied:
                self.journal.release(reserved.intent, why=why)
        self.journal.stop(self.run, why)

    def signed_only(self) -> None:
        """Write down that the run ends with a signature that was handed to the user."""
        self.journal.stop(self.run, "signed only: nothing was sent", stage="SIGNED")


def _config_hash(settings: Settings) -> str:
    return canonical_hash(settings.model_dump(mode="json", exclude=set(UNSTATED)))


def _told(fields: TransactionFields) -> dict[str, str]:
    return {
        "chain_id": str(fields.chain_id),
        "nonce": str(fields.nonce),
        "max_priority_fee_per_gas": str(fields.max_priority_fee_per_gas),
        "max_fee_per_gas": str(fields.max_fee_per_gas),
        "gas_limit": str(fields.gas_limit),
        "to": fields.to,
        "value": str(fields.value),
        "data": "0x" + fields.data.hex(),
    }


def _summary(plan: Plan, signed: SignedStep) -> str:
    step = next(step for step in plan.steps if step.index == signed.index)
    arguments = ", ".join(f"{name}={value}" for name, value in step.arguments)
    return f"{step.action.kind}: {step.contract}.{step.function}({arguments})"


def _attempt(signed: SignedStep, summary: str, actor: Address, purpose: Purpose) -> SignedAttempt:
    return SignedAttempt(
        hash=signed.hash,
        raw=signed.raw,
        max_fee_per_gas=signed.max_fee_per_gas,
        max_priority_fee_per_gas=signed.max_priority_fee_per_gas,
        gas_limit=signed.gas_limit,
        signer=actor,
        purpose=purpose,
        summary=summary,
    )


def _receipt(sent: SentStep) -> ReceiptFacts:
    return ReceiptFacts(
        block_number=sent.block_number,
        block_hash=sent.block_hash,
        succeeded=sent.status == "included",
        gas_used=sent.gas_used,
        fee_paid=sent.fee_paid,
    )
