"""The stages of `defilev safe sign` and `defilev safe execute`: verify, collect, try, ask, unlock, act, read again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from defilev.cli.bundle_file import read_bundle, read_signatures
from defilev.cli.bundling import print_bundle, print_verified
from defilev.cli.consent import ask_about, require_own_settings
from defilev.cli.keys import keystore_path, password_for, require_one_signer, unlock
from defilev.cli.plan_file import write_document
from defilev.errors import KeyFailure, Refused
from defilev.execute.public_keys import assert_key_allowed
from defilev.execute.safe_signatures import require_owner
from defilev.pipeline.acting import require_promise, try_again
from defilev.pipeline.bundling import verify_bundle
from defilev.pipeline.proving import require_proven
from defilev.pipeline.session import connect
from defilev.pipeline.signatures import execution_of, sign_bundle
from defilev.pipeline.trying import require_kept, try_plan
from defilev.plan import plan_document
from defilev.report.execution_text import agreement_text, dissent_text, event_text, execution_text
from defilev.report.rebalance_json import rebalance_document
from defilev.report.simulation_text import simulation_text

if TYPE_CHECKING:
    from defilev.cli.context import Run
    from defilev.execute.signer import KeystoreSigner
    from defilev.model.bundle import Bundle
    from defilev.model.plan import Plan
    from defilev.model.request import Address
    from defilev.model.simulation import SimulationReport
    from defilev.pipeline.acting import Outcome, Retried
    from defilev.pipeline.bundling import Verified
    from defilev.pipeline.journalled import Ready
    from defilev.pipeline.session import Session

__all__ = ["Executing", "Key", "Signing"]


@dataclass(frozen=True, slots=True)
class Key:
    """Which keystore signs, and what was confirmed beforehand: `confirmed` is the safeTxHash that was reviewed."""

    run: Run
    account: str | None
    keystore: Path | None
    password_file: Path | None
    confirmed: str | None
    yes: bool

    def place(self, session: Session, owners: Sequence[Address]) -> tuple[Path, Address]:
        """Return the keystore that was named, or the first of an owner's, and whose it says that it is.

        Raises:
            KeyFailure: there is none, or it does not say whose it is.
        """
        from defilev.execute.keystore import keystore_at, list_keystores

        require_one_signer(account=self.account, keystore=self.keystore, signer=None)
        own = {entry.address for entry in list_keystores(session.settings.keystore_dir)}
        owner = next((each for each in owners if each in own), owners[0])
        path = keystore_path(session.settings, owner=owner, account=self.account, keystore=self.keystore)
        found = keystore_at(path).address
        if found is None:
            raise KeyFailure(
                f"{path} does not say whose key it holds", fix="import it with `defilev wallet import NAME`"
            )
        assert_key_allowed(found, node_is_loopback_anvil=session.is_anvil and session.is_loopback)
        return path, found

    def opened(self, path: Path, address: Address) -> KeystoreSigner:
        """Return the signer of a keystore, which takes its password and seconds."""
        password = password_for(path, password_file=self.password_file, may_ask=not self.run.options.no_input)
        with self.run.output.stage("unlock"):
            return unlock(path, owner=address, password=password)

    def ask(self, what: str, session: Session, bundle: Bundle, address: Address) -> None:
        """Return when the user agrees; a loopback anvil is nobody's money."""
        first = bundle.parts[0].transaction_hash
        if self.confirmed is not None and self.confirmed.lower() != first:
            raise Refused("--confirm is not the safeTxHash of this bundle", confirmed=self.confirmed, bundle=first)
        if (session.is_anvil and session.is_loopback) or (self.yes and self.confirmed is not None):
            return
        fix = f"review the bundle, then add --yes --confirm {first}"
        where = session.book.chain_name.upper()
        ask_about(f"{what} on {where}.", address, may_ask=not self.run.options.no_input, fix=fix)


@dataclass(frozen=True, slots=True)
class Signing:
    """One owner's signature of a bundle; it is written to `out`."""

    run: Run
    file: Path
    key: Key
    out: Path | None

    def sign(self) -> None:
        """Verify, ask, open the key, sign; raises a `DefilevError` at the first thing that forbids it."""
        output, bundle = self.run.output, read_bundle(self.file)
        require_own_settings(self.run.load(), unused=())
        session = connect(self.run.load().values)
        try:
            with output.stage("verify"):
                verified = verify_bundle(session, bundle)
            path, owner = self.key.place(session, verified.safe.owners)
            require_owner(owner, verified.safe)
            if not output.json:
                print_verified("defilev/safe-verify@1", verified, output, files=())
            self.key.ask(f"This signs for {owner} as an owner of the Safe {bundle.safe}", session, bundle, owner)
            signed = sign_bundle(verified, self.key.opened(path, owner))
        finally:
            session.close()
        where = self.out or self.file.with_name(f"{self.file.stem}-{owner[2:10].lower()}.sig.json")
        write_document(where, signed.to_document())
        if output.json:
            output.document(signed.to_document())
        else:
            output.result(f"\nsigned by {owner}; nothing was sent")
        output.note(f"wrote {where}")
        output.next(f"defilev safe execute {self.file} --signature {where}")


@dataclass(frozen=True, slots=True)
class Executing:
    """One execution of a bundle with the signatures of its owners."""

    run: Run
    file: Path
    signatures: tuple[Path, ...]
    key: Key
    is_broadcast: bool

    def execute(self) -> None:
        """Verify, collect, try, and only when asked for by name send; raises a `DefilevError` at what forbids it."""
        bundle = read_bundle(self.file)
        if self.is_broadcast:
            require_own_settings(self.run.load(), unused=())
        session = connect(self.run.load().values)
        try:
            if self.is_broadcast:
                self._broadcast(session, bundle)
            else:
                plan, report = self._tried(session, bundle)
                self._say("DRY RUN: nothing was signed.")
                self._document("dry-run", plan, report)
        finally:
            session.close()

    def _broadcast(self, session: Session, bundle: Bundle) -> None:
        from defilev.pipeline.journalled import ready_to_take_up
        from defilev.pipeline.safes import read_safe

        path, sender = self.key.place(session, read_safe(session, bundle.safe).owners)
        tell = lambda step, event: self.run.output.note(event_text(step, event, steps=None))  # noqa: E731
        with ready_to_take_up(
            session, account=sender, open_signer=lambda: self.key.opened(path, sender), tell=tell
        ) as ready:
            newest = session.at("latest")
            plan, report = self._tried(newest, bundle)
            require_proven(plan, report)
            count = len(plan.steps)
            what = f"This sends {count} transaction{'s' if count > 1 else ''} of the Safe {bundle.safe} from {sender}"
            self.key.ask(what, session, bundle, sender)
            self._send(newest, plan, ready, lambda: self.key.opened(path, sender))

    def _send(self, session: Session, plan: Plan, ready: Ready, opened: Callable[[], KeystoreSigner]) -> None:
        output = self.run.output
        signer = opened()
        retried = try_again(session, plan)
        output.note(agreement_text(retried.agreement))
        for dissent in retried.agreement.dissent:
            output.warning(dissent_text(dissent))
        steps = len(plan.steps)
        outcome, number = ready.send(
            retried, plan, signer, tell=lambda step, event: output.note(event_text(step, event, steps=steps))
        )
        self._say(f"\n{self._got(plan, outcome)}\njournal #{number}")
        self._document("broadcast", plan, retried.report, outcome=outcome, journal=number, retried=retried)
        require_promise(outcome)

    def _tried(self, session: Session, bundle: Bundle) -> tuple[Plan, SimulationReport]:
        """Return what would be sent, with the signatures themselves, and what came of it on a fork."""
        output = self.run.output
        with output.stage("verify"):
            verified = verify_bundle(session, bundle)
        if not output.json:
            print_bundle(verified, output)
        plan = self._plan(session, verified)
        with output.stage("simulate"):
            report = try_plan(session, plan, account=verified.account)
        self._say("\n" + simulation_text(plan, report, width=output.width, ink=output.ink))
        require_kept(plan, report, before=verified.account.health_factor)
        return plan, report

    def _plan(self, session: Session, verified: Verified) -> Plan:
        _, sender = self.key.place(session, verified.safe.owners)
        given = [read_signatures(path, verified.bundle) for path in self.signatures]
        return execution_of(verified, given, sender=sender, nonce=session.node.nonce(sender, block=session.block))

    def _got(self, plan: Plan, outcome: Outcome) -> str:
        output = self.run.output
        return execution_text(
            plan, outcome.execution, before=outcome.before, after=outcome.after, width=output.width, ink=output.ink
        )

    def _say(self, text: str) -> None:
        if not self.run.output.json:
            self.run.output.result(text)

    def _document(
        self,
        mode: str,
        plan: Plan,
        report: SimulationReport,
        *,
        outcome: Outcome | None = None,
        journal: int | None = None,
        retried: Retried | None = None,
    ) -> None:
        if self.run.output.json:
            document = rebalance_document(
                mode,
                plan_document(plan),
                report,
                execution=outcome.execution if outcome else None,
                journal=journal,
                agreement=retried.agreement if retried else None,
            )
            self.run.output.document({**document, "schema": "defilev/safe-execute@1"})
