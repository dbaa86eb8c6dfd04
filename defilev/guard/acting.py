"""From a decision to what came of it: agree, decide again at that block, plan, try, and only when allowed sign."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from defilev.errors import DefilevError, Infeasible, LeaseLost, NotConfirmed, Refused, TooMuchEquity
from defilev.execute.desk import Progress
from defilev.execute.policy import check_plan
from defilev.execute.sending import Sending
from defilev.execute.signer import Signer
from defilev.guard.bundling import write_bundle
from defilev.guard.deciding import Judged, decide
from defilev.guard.ladder import SALES, Wanted, find_plan
from defilev.guard.memory import Memory
from defilev.guard.observing import reading_of
from defilev.guard.reading import Spending
from defilev.model.bundle import Bundle
from defilev.model.guard import Acted, Decision, Tier
from defilev.model.guard_rules import AccountRule, GuardRules, TierRule
from defilev.model.plan import Goal, Plan
from defilev.model.request import Address
from defilev.model.safe import SafeAccount
from defilev.pipeline.acting import Outcome, Retried, policy_of
from defilev.pipeline.agreeing import Agreement, agree
from defilev.pipeline.bundling import bundle_plan, try_bundle
from defilev.pipeline.journalled import Ready
from defilev.pipeline.safes import read_safe
from defilev.pipeline.scheduling import sending_for
from defilev.pipeline.session import Session
from defilev.pipeline.spending import JournalSpent
from defilev.pipeline.trying import require_kept, try_plan
from defilev.pipeline.unfinished import Unfinished

__all__ = ["Acting", "Hands", "require_two_words"]

QUORUM = 2
_SENDING_FLOOR = 10**9


@dataclass(frozen=True, slots=True)
class Hands:
    """What acting takes beside the chain: signers by address, opened when first needed, and who is told of progress.

    `sending` changes the schedule of a plan before it is sent; as it is when left out.
    """

    signers: Mapping[Address, Callable[[], Signer]]
    tell: Progress
    sending: Callable[[Sending], Sending] = lambda found: found


def require_two_words(session: Session, rules: GuardRules) -> int:
    """Return how many nodes must agree before the guard acts.

    Raises:
        OneEndpoint: there is one node, and the rules do not say that its word is enough.
    """
    if len(session.endpoints) >= QUORUM:
        return QUORUM
    from defilev.errors import OneEndpoint

    if not rules.single_endpoint:
        raise OneEndpoint("the guard may sign, and one node's word is all there is", endpoints=len(session.endpoints))
    return 1


@dataclass(frozen=True, slots=True)
class Acting:
    """One account that a tick decided to act for.

    `ready` is `None` in a dry run, which plans and tries and signs nothing. `epochs` are those of the leases of its
    keys. `held_by` is asked once more just before anything is signed.
    """

    session: Session
    rules: GuardRules
    rule: AccountRule
    memory: Memory
    spent: Spending
    hands: Hands
    needed: int
    ready: Ready | None
    epochs: Mapping[Address, int]
    held_by: Callable[[], str | None]

    def act(self, unfinished: Unfinished | None = None) -> tuple[Judged, Acted]:
        """Act; what goes wrong is part of what is returned, but for `LeaseLost` and an unusable journal.

        What a person's plan of more leverage left halfway is not finished.

        Raises:
            LeaseLost: another guard has taken over.
            JournalUnusable, JournalDamaged: nothing can be written down.
            DataError: the nodes do not agree on a block.
        """
        if unfinished is not None and unfinished.plan.levers:
            unfinished = None
        agreement = self._agreed()
        newest = self.session.through(agreement.nodes).at(agreement.block)
        judged = self._judged(newest, agreement, unfinished)
        decision = judged.decision
        if decision.verdict != "act" or decision.goal is None or decision.tier is None:
            return judged, self._nothing("refused", f"at block {agreement.block.number}: {decision.reason}")
        try:
            self._require_affordable(agreement, decision)
            way, plan, retried = self._planned(newest, agreement, judged, unfinished)
            return judged, self._done_with(way, plan, retried, decision)
        except LeaseLost:
            raise
        except NotConfirmed as error:
            return judged, self._nothing("unconfirmed", error.fact, error)
        except Refused as error:
            return judged, self._nothing("refused", error.fact, error)
        except DefilevError as error:
            if type(error).__name__.startswith("Journal"):
                raise
            return judged, self._nothing("failed", error.fact, error)

    def _agreed(self) -> Agreement:
        rule = self.rule
        return agree(
            self.session,
            rule.owner,
            protocol=rule.protocol,
            market=rule.market,
            needed=self.needed,
            at_least=self.session.block.number,
            actors=tuple(rule.keys),
        )

    def _judged(self, session: Session, agreement: Agreement, unfinished: Unfinished | None) -> Judged:
        """Decide again on what the nodes agree on: trigger, position and nonce are of one block."""
        reading = reading_of(session, self.rule, agreement.account)
        judged = decide(self.rule, reading, self.memory, spent=self.spent, held_by=self.held_by())
        if unfinished is None or judged.decision.verdict not in ("nothing", "alert"):
            return judged
        reason = f"journal #{unfinished.run} stopped halfway, and its goal is not reached"
        goal = unfinished.plan.goal
        tier: Tier = judged.decision.tier or "normal"
        return replace(judged, decision=replace(judged.decision, verdict="act", reason=reason, goal=goal, tier=tier))

    def _planned(
        self, session: Session, agreement: Agreement, judged: Judged, unfinished: Unfinished | None
    ) -> tuple[str, Plan, Retried]:
        decision = judged.decision
        assert decision.goal is not None  # noqa: S101 - an action has a goal and a tier
        assert decision.tier is not None  # noqa: S101
        tier = self.rule.tiers[decision.tier]
        question = None if unfinished is None else unfinished.question(window=session.settings.expires)
        wanted = Wanted(session, agreement.account, self.rule, decision.goal, tier, question, judged.fall)
        way, plan = find_plan(wanted)
        spent = None if self.ready is None else JournalSpent(self.ready.journal)
        policy = policy_of(session, agreement.account, spent=spent, payer=plan.payer, levers=False, plan=plan)
        check_plan(plan, policy=policy)
        if self.rule.authority == "safe":
            bundle, safe = self._bundle(session, plan)
            tried = try_bundle(session, bundle, safe, account=agreement.account)
            return way, bundle.plan, Retried(session, agreement.account, tried.report, agreement)
        report = try_plan(session, plan, account=agreement.account)
        require_kept(plan, report, before=agreement.account.health_factor)
        return way, plan, Retried(session, agreement.account, report, agreement)

    def _done_with(self, way: str, plan: Plan, retried: Retried, decision: Decision) -> Acted:
        if self.ready is None:
            return self._tried(way, plan, retried)
        self._require_allowed(plan, retried)
        if self.rule.authority == "safe":
            return self._bundled(way, plan, retried)
        return self._sent(way, plan, retried, decision)

    def _sent(self, way: str, plan: Plan, retried: Retried, decision: Decision) -> Acted:
        assert self.ready is not None  # noqa: S101 - only a guard that may sign comes here
        tier: Tier = decision.tier or "normal"
        signer = self.hands.signers[plan.actor]()
        found = sending_for(retried.session, retried.account, plan, is_urgent=tier != "normal")
        sending = self.hands.sending(_within(found, self.rule.tiers[tier], tier))
        ready = replace(self.ready, epoch=self.epochs[plan.actor])
        outcome, run = ready.send(retried, plan, signer, tell=self.hands.tell, sending=sending)
        return self._done(way, plan, outcome, run, goal=decision.goal)

    def _require_allowed(self, plan: Plan, retried: Retried) -> None:
        """Raise when a switch was thrown since the decision, or the owner's key would move too much."""
        held_by = self.held_by()
        if held_by is not None:
            raise Refused(held_by, fix="`defilev guard resume` lets it go on")
        account, rule = retried.account, self.rule
        equity = Decimal(account.equity_value).scaleb(-account.quote_decimals)
        if (
            plan.actor == rule.owner
            and rule.authority == "owner"
            and not rule.allow_hot_equity
            and equity > self.rules.max_hot_equity
        ):
            raise TooMuchEquity(
                f"{rule.name} has more equity than an unattended owner's key may hold",
                equity=f"{equity:.2f}",
                max_hot_equity=self.rules.max_hot_equity,
            )

    def _require_affordable(self, agreement: Agreement, decision: Decision) -> None:
        """Raise when gas costs more than the tier pays; the last tier pays what a liquidation is worth."""
        if agreement.fees is None or decision.tier in (None, "emergency"):
            return
        most = self.rule.tiers[decision.tier].gas_price
        if agreement.fees.next_base_fee > most:
            raise Refused(
                "gas costs more than this tier pays",
                fix="wait, or raise gas_price in this tier",
                base_fee=agreement.fees.next_base_fee,
                gas_price=most,
            )

    def _tried(self, way: str, plan: Plan, retried: Retried) -> Acted:
        count = len(plan.steps)
        steps = f"{count} transaction{'s' if count > 1 else ''}"
        return replace(
            self._nothing("dry-run", f"{way}: {steps}, simulated on a fork of block {retried.session.block.number}"),
            way=way,
            plan_hash=plan.hash,
            promised=plan.promise.health_factor,
        )

    def _bundled(self, way: str, plan: Plan, retried: Retried) -> Acted:
        """Write the plan for the owners of the Safe; raises `Refused` when it cannot be written."""
        bundle, _ = self._bundle(retried.session, plan)
        files = write_bundle(bundle, name=self.rule.name, folder=self.rule.bundles or ".")
        what = ", then ".join(
            f"{file} with safeTxHash {part.transaction_hash}" for file, part in zip(files, bundle.parts, strict=True)
        )
        text = f"{way}: sign {what} before block {plan.expires_at_block}; it replaces what was written before"
        return replace(self._tried(way, plan, retried), outcome="bundled", text=text)

    def _bundle(self, session: Session, plan: Plan) -> tuple[Bundle, SafeAccount]:
        """Return what the owners sign, and the Safe as it is; raises `SafeUnknown` when the owner is none."""
        safe = read_safe(session, self.rule.owner)
        return bundle_plan(session, plan, safe, name=f"{self.rule.name}: deleverage"), safe

    def _done(self, way: str, plan: Plan, outcome: Outcome, run: int, *, goal: Goal | None) -> Acted:
        execution = outcome.execution
        is_kept = outcome.is_kept or plan.goal.kind == "close"
        is_partial = not is_kept or bool(plan.label) or _is_nearer(plan.goal, goal)
        return Acted(
            account=self.rule.name,
            outcome="partial" if is_partial else "done",
            text=f"{way}: {plan.label or 'the goal is reached'}" if outcome.is_kept else f"{way}: {_missed(outcome)}",
            way=way,
            run=run,
            plan_hash=plan.hash,
            promised=execution.promised,
            got=execution.got,
            transactions=tuple(sent.hash for sent in execution.steps),
            fee_paid=execution.fee_paid,
            goes_on=is_partial and way in SALES,
        )

    def _nothing(self, outcome: str, text: str, error: DefilevError | None = None) -> Acted:
        run = None if error is None else error.facts.get("journal")
        number = int(str(run).removeprefix("#")) if run is not None else None
        told = text
        if isinstance(error, Infeasible):
            told = "; ".join([text, *(f"{way}: {why}" for way, why in error.facts.items())])
        return Acted(account=self.rule.name, outcome=outcome, text=told, run=number)  # type: ignore[arg-type]


def _missed(outcome: Outcome) -> str:
    if outcome.turned:
        return f"the position in {', '.join(outcome.turned)} was turned around: it had shrunk before the trade"
    return "less than was promised"


def _is_nearer(planned: Goal, wanted: Goal | None) -> bool:
    """Tell whether a plan goes only part of the way."""
    if wanted is None or planned.kind != wanted.kind:
        return wanted is not None
    return planned.value is not None and wanted.value is not None and planned.value < wanted.value


def _within(sending: Sending, rule: TierRule, tier: Tier) -> Sending:
    """Return the schedule with the cap that the rules state; the last tier's is lifted to what a liquidation costs."""
    cap = max(rule.gas_price, sending.fee_cap) if tier == "emergency" else rule.gas_price
    return replace(sending, fee_cap=max(cap, _SENDING_FLOOR))
