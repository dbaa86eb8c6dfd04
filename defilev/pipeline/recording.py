"""One run as the journal hears of it: what was seen, planned and tried, every nonce and signature, and the outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from defilev import __version__
from defilev.abi.address import address_from_word
from defilev.errors import DefilevError
from defilev.execute.broadcast import Event, Progress
from defilev.execute.signer import Signer
from defilev.execute.transaction import TransactionFields
from defilev.journal import Journal, Outcome as Recorded, ReceiptFacts, Reservation, RunStart, SignedAttempt
from defilev.journal.values import Fill
from defilev.model.account import LendingAccount
from defilev.model.codec import canonical_hash
from defilev.model.execution import SentStep, SignedStep
from defilev.model.plan import Plan, Step, Swap
from defilev.model.request import Address, Call
from defilev.protocols import PROTOCOLS

if TYPE_CHECKING:
    from defilev.chain.node import Node
    from defilev.chain.values import Log
    from defilev.config.settings import Settings
    from defilev.pipeline.acting import Outcome, Retried
    from defilev.pipeline.session import Session

__all__ = ["Recording", "chain_identity", "position_of"]

TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
"""Topic of an ERC-20 `Transfer`."""

UNSTATED = frozenset({"rpc_url", "journal", "cache_dir", "color", "timeout"})
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
    """A run that has begun. Everything it is told is durable when it returns, or it raises and nothing goes on."""

    journal: Journal
    run: int
    chain: str
    plan: Plan
    observed: tuple[int, str]
    intents: dict[int, str] = field(default_factory=dict)
    """By nonce."""

    @classmethod
    def begin(
        cls, journal: Journal, retried: Retried, plan: Plan, *, chain: str, mode: Literal["broadcast", "sign-only"]
    ) -> Recording:
        """Write down the run, the account, the plan and its last simulation."""
        session = retried.session
        run = journal.begin(
            RunStart(
                kind="rebalance",
                mode=mode,
                chain=chain,
                chain_id=plan.chain_id,
                account=plan.owner,
                protocol=plan.protocol,
                market=plan.market,
                config_hash=_config_hash(session.settings),
                version=__version__,
            )
        )
        journal.observe(run, retried.account, role="before")
        journal.plan(run, plan)
        journal.simulated(run, retried.report)
        return cls(journal, run, chain, plan, (session.block.number, session.block.hash))

    def signing(self, signer: Signer) -> Signer:
        """Return `signer`, which now reserves the nonce before it signs."""
        return _Reserving(signer, self)

    def reserve(self, fields: TransactionFields) -> str:
        """Reserve the nonce of a transaction that is about to be signed; raises `AttemptOpen`."""
        intent = self.journal.reserve(
            Reservation(
                run=self.run,
                step=self._step(fields.nonce).index,
                chain=self.chain,
                chain_id=fields.chain_id,
                account=self.plan.owner,
                position=position_of(self.plan),
                kind="rebalance",
                nonce=fields.nonce,
                fields=_told(fields),
                cap_wei=fields.most_it_can_cost,
                observed=self.observed,
                deadline_block=self.plan.expires_at_block,
            )
        )
        self.intents[fields.nonce] = intent
        return intent

    def record(self, event: Event) -> None:
        """Write down a signed step before it is sent, and a receipt."""
        match event:
            case SignedStep():
                step = self._step(event.nonce)
                self.journal.sign(self.intents[event.nonce], _attempt(event, step, self.plan.owner))
            case SentStep():
                self.journal.included(event.hash, _receipt(event))

    def handed_over(self, progress: Progress) -> Progress:
        """Return `progress`, which now also writes down that a transaction was handed to the node."""

        def tell(step: Step, event: Event) -> None:
            if isinstance(event, SignedStep):
                self.journal.handed_over(event.hash, "UNKNOWN", said="the receipt decides")
            progress(step, event)

        return tell

    def finish(self, outcome: Outcome, *, node: Node) -> None:
        """Write down the account after it, and promised against got."""
        self.journal.observe(self.run, outcome.after, role="after")
        self.journal.finish(self.run, _outcome(self.plan, outcome, _fills(self.plan, outcome, node)))

    def stop(self, error: BaseException) -> None:
        """Write down why the run ended early, and give back nonces that nothing was signed for."""
        why = error.fact if isinstance(error, DefilevError) else type(error).__name__
        for reserved in self.journal.reserved(chain=self.chain, account=self.plan.owner):
            if reserved.run == self.run:
                self.journal.release(reserved.intent, why=why)
        self.journal.stop(self.run, why)

    def signed_only(self) -> None:
        """Write down that the run ends with a signature that was handed to the user."""
        self.journal.stop(self.run, "signed only: nothing was sent", stage="SIGNED")

    def _step(self, nonce: int) -> Step:
        return self.plan.steps[nonce - self.plan.nonce]


class _Reserving:
    """A signer that signs nothing before the nonce is written down."""

    def __init__(self, signer: Signer, recording: Recording) -> None:
        self._signer = signer
        self._recording = recording

    @property
    def address(self) -> Address:
        return self._signer.address

    def announce(self, calls: Sequence[Call]) -> None:
        self._signer.announce(calls)

    def sign(self, fields: TransactionFields) -> bytes:
        self._recording.reserve(fields)
        return self._signer.sign(fields)


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


def _attempt(signed: SignedStep, step: Step, owner: Address) -> SignedAttempt:
    arguments = ", ".join(f"{name}={value}" for name, value in step.arguments)
    return SignedAttempt(
        hash=signed.hash,
        raw=signed.raw,
        max_fee_per_gas=signed.max_fee_per_gas,
        max_priority_fee_per_gas=signed.max_priority_fee_per_gas,
        gas_limit=signed.gas_limit,
        signer=owner,
        summary=f"{step.action.kind}: {step.contract}.{step.function}({arguments})",
    )


def _receipt(sent: SentStep) -> ReceiptFacts:
    return ReceiptFacts(
        block_number=sent.block_number,
        block_hash=sent.block_hash,
        succeeded=sent.status == "included",
        gas_used=sent.gas_used,
        fee_paid=sent.fee_paid,
    )


def _fills(plan: Plan, outcome: Outcome, node: Node) -> tuple[Fill, ...]:
    """Return what each swap brought, from the transfers to the owner in its receipt."""
    hashes = {sent.index: sent.hash for sent in outcome.execution.steps}
    fills = []
    for step in plan.steps:
        swap = step.action
        receipt = node.receipt(hashes[step.index]) if isinstance(swap, Swap) else None
        if receipt is None or not isinstance(swap, Swap):
            continue
        token = swap.route[-1].token_out
        got = sum(_received(log, token.address, plan.owner) for log in receipt.logs)
        fills.append(
            Fill(step.index, token.address, token.symbol, token.decimals, swap.minimum_out, swap.quoted_out, got)
        )
    return tuple(fills)


def _received(log: Log, token: Address, owner: Address) -> int:
    if log.address != token or len(log.topics) != 3 or log.topics[0] != TRANSFER:  # signature, sender, recipient
        return 0
    return int.from_bytes(log.data) if address_from_word(int(log.topics[2], 16)) == owner else 0


def _outcome(plan: Plan, outcome: Outcome, fills: tuple[Fill, ...]) -> Recorded:
    execution, after = outcome.execution, outcome.after
    return Recorded(
        block_number=execution.block.number,
        block_hash=execution.block.hash,
        promised_health_factor=execution.promised,
        got_health_factor=execution.got,
        promised_debt=plan.promise.debt_value,
        got_debt=after.debt_value,
        promised_collateral=plan.promise.collateral_value,
        got_collateral=after.collateral_value,
        cost_expected=plan.cost.expected,
        cost_worst=plan.cost.worst,
        cost_got=_cost(plan, outcome.before, fills),
        quote_decimals=plan.quote_decimals,
        fee_paid=execution.fee_paid,
        fills=fills,
    )


def _cost(plan: Plan, before: LendingAccount, fills: Sequence[Fill]) -> int | None:
    """Return what the swaps lost, in quote base units, as the plan's own cost is counted; `None` when one is unseen."""
    value = PROTOCOLS[plan.protocol].value_down
    got = {fill.step: fill.got for fill in fills}
    lost = 0
    for step in plan.steps:
        if not isinstance(step.action, Swap):
            continue
        if step.index not in got:
            return None
        route = step.action.route
        lost += value(before, route[0].token_in.address, step.action.amount_in)
        lost -= value(before, route[-1].token_out.address, got[step.index])
    return lost
