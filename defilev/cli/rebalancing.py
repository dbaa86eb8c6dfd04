"""The stages of `defilev rebalance`, in their one order: plan, check, try, ask, unlock, try again, act, read again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from defilev.cli.consent import ask, require_confirmed_hash, require_own_settings, require_payer
from defilev.cli.keys import keystore_path, password_for, remote_signer, require_one_signer, unlock
from defilev.cli.plan_file import read_plan, write_document
from defilev.cli.resuming import Rest
from defilev.cli.who import one_account
from defilev.errors import PlanUnreadable
from defilev.execute.policy import check_plan
from defilev.execute.public_keys import assert_key_allowed
from defilev.pipeline.acting import (
    Outcome,
    Retried,
    policy_of,
    require_promise,
    try_again,
    unsigned,
)
from defilev.pipeline.isolated import is_called
from defilev.pipeline.loans import read_loan
from defilev.pipeline.planning import PlanQuestion, make_plan
from defilev.pipeline.proving import require_fork, require_proven
from defilev.pipeline.session import Session
from defilev.pipeline.trying import account_of, require_kept, require_unexpired, try_plan
from defilev.plan import plan_document
from defilev.report.execution_text import agreement_text, dissent_text, event_text, execution_text, signed_text
from defilev.report.plan_text import plan_text
from defilev.report.rebalance_json import rebalance_document
from defilev.report.simulation_text import simulation_text

if TYPE_CHECKING:
    from defilev.cli.context import Run
    from defilev.execute.desk import Progress
    from defilev.execute.signer import Signer
    from defilev.model.plan import Plan
    from defilev.model.request import Address
    from defilev.model.simulation import SimulationReport
    from defilev.simulate import EngineChoice

__all__ = ["Authority", "Rebalancing", "Wanted"]

Mode = Literal["dry-run", "sign-only", "broadcast", "unsigned"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to do, and with which plan: one made for `question`, the one in `plan_file`, or the rest of one (`resume`).

    `limits` are the settings that the flags or the plan file stand in for. `payer` is who signs for another, as typed.
    """

    mode: Mode
    question: PlanQuestion | None
    plan_file: Path | None
    unsigned_file: Path | None
    resume: bool
    limits: frozenset[str]
    engine: EngineChoice
    payer: str | None = None


@dataclass(frozen=True, slots=True)
class Authority:
    """Who signs, and what the user has confirmed beforehand."""

    account: str | None
    keystore: Path | None
    signer: Path | None
    password_file: Path | None
    confirm_plan: str | None
    yes: bool


@dataclass(frozen=True, slots=True)
class Rebalancing:
    """One run of the command."""

    run: Run
    who: str
    protocol: str
    market: str | None
    wanted: Wanted
    authority: Authority

    def run_all(self) -> None:
        """Do what was wanted; raises a `DefilevError` at the first thing that forbids going on."""
        loaded = self.run.load()
        if self.wanted.mode != "dry-run":
            require_own_settings(loaded, unused=self.wanted.limits)
        if self.wanted.mode in {"sign-only", "broadcast"}:
            require_fork(self.protocol, self.wanted.engine)
        chosen = self.authority
        require_one_signer(account=chosen.account, keystore=chosen.keystore, signer=chosen.signer)
        with one_account(self.run, self.who) as (session, owner):
            self._with(session, owner)

    def _with(self, session: Session, owner: Address) -> None:
        question = self.wanted.question
        if self.wanted.resume:
            question, session = self._rest(session, owner)
            if question is None:
                return
        plan = self._plan(session, owner, question)
        require_confirmed_hash(plan, self.authority.confirm_plan)
        check_plan(plan, policy=policy_of(session, account_of(session, plan), payer=plan.payer, plan=plan))
        self._say(lambda: plan_text(plan, width=self.run.output.width, ink=self.run.output.ink))
        report = self._tried(session, plan)
        match self.wanted.mode:
            case "dry-run":
                self._say(lambda: "DRY RUN: nothing was signed.")
                self._document(plan, report)
            case "unsigned":
                self._export(session, plan, report)
            case "sign-only":
                self._sign(session, plan, report)
            case "broadcast":
                self._send(session, plan, report)

    def _rest(self, session: Session, owner: Address) -> tuple[PlanQuestion | None, Session]:
        """Bring in what is open, when that was asked for; return what is left to plan, at the block after it."""
        rest = Rest(self.run.output, owner, self.protocol, self.market)
        if self.wanted.mode != "broadcast":
            return rest.looked_up(session), session
        return rest.taken_up(session, open_signer=self._signing(session, rest.owner), tell=self._tell(None))

    def _plan(self, session: Session, owner: Address, question: PlanQuestion | None) -> Plan:
        out = self.run.output
        if self.wanted.plan_file is not None:
            plan = read_plan(self.wanted.plan_file)
            is_market = self.market is None or is_called(plan, self.market)
            if (plan.owner, plan.protocol, is_market) != (owner, self.protocol, True):
                raise PlanUnreadable(
                    "the plan is for another position than the one named on the command line",
                    fix="name the plan's own position, or make a new plan",
                    plan=f"{plan.owner} {plan.protocol} {plan.market}",
                    named=f"{owner} {self.protocol} {self.market or plan.market}",
                )
            require_payer(plan, self.wanted.payer)
            account_of(session, plan)
            require_unexpired(session, plan)
            return plan
        with out.stage("observe"):
            account = read_loan(session, owner, protocol=self.protocol, market=self.market)
        assert question is not None  # noqa: S101 - the command gives a file or a question
        with out.stage("plan"):
            return make_plan(session, account, question)

    def _tried(self, session: Session, plan: Plan) -> SimulationReport:
        out = self.run.output
        with out.stage("simulate"):
            report = try_plan(session, plan, engine=self.wanted.engine)
        self._say(lambda: "\n" + simulation_text(plan, report, width=out.width, ink=out.ink))
        require_kept(plan, report, before=account_of(session, plan).health_factor)
        return report

    def _export(self, session: Session, plan: Plan, report: SimulationReport) -> None:
        path = self.wanted.unsigned_file
        assert path is not None  # noqa: S101 - the mode comes from the file's flag
        retried = self._tried_again(session, plan)
        document = unsigned(retried, plan)
        write_document(path, document)
        self._say(lambda: f"wrote {_counted(plan)} unsigned to {path}; nothing was signed")
        if len(plan.steps) > 1:
            self.run.output.note("sign and send them one at a time, each after the one before it is included")
        self._document(plan, report, unsigned=document, agreement=retried.agreement)

    def _sign(self, session: Session, plan: Plan, report: SimulationReport) -> None:
        from defilev.pipeline.journalled import ready_to_act

        require_proven(plan, report)
        signing = self._signing(session, plan.actor)
        with ready_to_act(session, account=plan.actor) as ready:
            signer = signing()
            retried = self._tried_again(session, plan)
            signed, number = ready.sign(retried, plan, signer)
        self._say(lambda: f"{signed_text(plan, signed)}\njournal #{number}")
        self._document(plan, report, signed=signed, journal=number, agreement=retried.agreement)

    def _send(self, session: Session, plan: Plan, report: SimulationReport) -> None:
        from defilev.pipeline.journalled import ready_to_act

        require_proven(plan, report)
        signing = self._signing(session, plan.actor)
        with ready_to_act(session, account=plan.actor) as ready:
            retried, signer = self._agreed(session, plan, signing)
            outcome, number = ready.send(retried, plan, signer, tell=self._tell(plan))
        self._say(lambda: f"{self._got(plan, outcome)}\njournal #{number}")
        self._document(plan, report, execution=outcome.execution, journal=number, agreement=retried.agreement)
        require_promise(outcome)

    def _agreed(self, session: Session, plan: Plan, signing: Callable[[], Signer]) -> tuple[Retried, Signer]:
        """Ask the user, then open the key, then try the plan once more."""
        out, authority = self.run.output, self.authority
        if not (session.is_anvil and session.is_loopback):
            ask(
                plan,
                chain_name=session.book.chain_name,
                yes=authority.yes,
                confirmed=authority.confirm_plan,
                may_ask=not self.run.options.no_input,
            )
        signer = signing()
        with out.stage("simulate again"):
            retried = self._tried_again(session, plan)
        out.note(f"simulated again at block {retried.session.block.number}: the plan still keeps its promise")
        return retried, signer

    def _tried_again(self, session: Session, plan: Plan) -> Retried:
        """Try the plan at the newest block that the nodes agree on, and say which of them do."""
        retried = try_again(session, plan, engine=self.wanted.engine)
        self.run.output.note(agreement_text(retried.agreement))
        for dissent in retried.agreement.dissent:
            self.run.output.warning(dissent_text(dissent))
        return retried

    def _signing(self, session: Session, owner: Address) -> Callable[[], Signer]:
        """Return what gives the signer, which is found before anybody is asked anything."""
        assert_key_allowed(owner, node_is_loopback_anvil=session.is_anvil and session.is_loopback)
        chosen = self.authority
        if chosen.signer:
            remote = remote_signer(chosen.signer, owner=owner, tell=self.run.output.note)
            return lambda: remote
        keystore = keystore_path(session.settings, owner=owner, account=chosen.account, keystore=chosen.keystore)
        return lambda: self._unlocked(keystore, owner)

    def _unlocked(self, keystore: Path, owner: Address) -> Signer:
        password = password_for(
            keystore, password_file=self.authority.password_file, may_ask=not self.run.options.no_input
        )
        with self.run.output.stage("unlock"):
            return unlock(keystore, owner=owner, password=password)

    def _tell(self, plan: Plan | None) -> Progress:
        steps = len(plan.steps) if plan else None
        return lambda step, event: self.run.output.note(event_text(step, event, steps=steps))

    def _got(self, plan: Plan, outcome: Outcome) -> str:
        out = self.run.output
        return "\n" + execution_text(
            plan, outcome.execution, before=outcome.before, after=outcome.after, width=out.width, ink=out.ink
        )

    def _say(self, text: Any) -> None:
        if not self.run.output.json:
            self.run.output.result(text())

    def _document(self, plan: Plan, report: SimulationReport, **done: Any) -> None:
        if self.run.output.json:
            self.run.output.document(rebalance_document(self.wanted.mode, plan_document(plan), replace(report), **done))


def _counted(plan: Plan) -> str:
    return f"{len(plan.steps)} transaction{'' if len(plan.steps) == 1 else 's'}"
