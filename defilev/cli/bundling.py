"""`--safe ADDRESS`: a plan made for the owners of a Safe, tried with the Safe itself, and written as their bundle."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from defilev.abi import parse_address
from defilev.cli.bundle_file import write_bundle_files
from defilev.cli.who import one_account
from defilev.errors import InvalidNumber
from defilev.pipeline.bundling import WINDOW, bundle_plan, make_safe_plan, verify_bundle
from defilev.pipeline.look import read_account
from defilev.pipeline.safes import read_safe
from defilev.report.plan_text import plan_text
from defilev.report.safe_json import bundle_document
from defilev.report.safe_text import bundle_text
from defilev.report.simulation_text import simulation_text
from defilev.units import parse_percentage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from defilev.cli.context import Run
    from defilev.cli.output import Output
    from defilev.model.bundle import Bundle
    from defilev.pipeline.bundling import Verified
    from defilev.pipeline.planning import PlanQuestion
    from defilev.pipeline.session import Session

__all__ = ["Bundling", "parse_drift", "print_bundle", "print_verified"]

MOST_DRIFT = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class Bundling:
    """One bundle to make: for whose position, of which Safe, where to write it; `drift` is by the window when `None`.

    `is_window_given` says that the question's window was asked for, and is not the setting for plain accounts.
    """

    run: Run
    who: str
    protocol: str
    market: str | None
    safe: str
    question: PlanQuestion
    is_window_given: bool
    drift: Decimal | None
    out: Path | None

    def make(self) -> None:
        """Make, check and try it, and only then write it; raises a `DefilevError` at the first thing that is wrong."""
        out = self.run.output
        with one_account(self.run, self.who) as (session, owner):
            bundle = self._bundle(session, owner)
            out.detail("the bundle is verified from its own bytes before it is offered")
            with out.stage("simulate"):
                verified = verify_bundle(session, bundle)
        first = bundle.parts[0]
        path = self.out or Path(f"safe-{first.transaction.nonce}-{first.transaction_hash[2:10]}.json")
        if not out.json:
            out.result(plan_text(bundle.plan, width=out.width, ink=out.ink) + "\n")
        files = write_bundle_files(bundle, path)
        print_verified("defilev/safe-plan@1", verified, out, files=files)
        for file in files:
            out.note(f"wrote {file}; nothing was signed")
        out.next(f"defilev safe sign {files[0]} --account NAME")

    def _bundle(self, session: Session, owner: str) -> Bundle:
        out, question = self.run.output, self.question
        if not self.is_window_given:
            question = replace(question, window=WINDOW)
        address = parse_address(self.safe, what="--safe")
        with out.stage("observe"):
            safe = read_safe(session, address)
            account = read_account(session, owner, protocol=self.protocol, market=self.market)  # type: ignore[arg-type]
        with out.stage("plan"):
            plan = make_safe_plan(session, account, question, safe=address, drift=self.drift)
            return bundle_plan(session, plan, safe, name=f"defilev: {plan.goal.kind} {plan.goal.value or ''}".strip())


def parse_drift(text: str | None) -> Decimal | None:
    """Return the fraction that `--drift` says, up to a tenth, `None` when it was left out; raises `InvalidNumber`."""
    if text is None:
        return None
    drift = parse_percentage(text, what="--drift")
    if not 0 <= drift <= MOST_DRIFT:
        raise InvalidNumber(f"--drift {text.strip()} is not from 0% to 10%", fix="leave it out: the window decides")
    return drift


def print_bundle(verified: Verified, out: Output) -> None:
    """Print a bundle that holds, for people."""
    out.result(
        bundle_text(
            verified.bundle,
            verified.safe,
            words=verified.words,
            approved_by=verified.approved_by,
            confirmed_by=verified.confirmed_by,
            width=out.width,
            ink=out.ink,
        )
    )


def print_verified(schema: str, verified: Verified, out: Output, *, files: Sequence[Path]) -> None:
    """Print a bundle that holds, and how the Safe executed it on a fork."""
    if out.json:
        out.document(
            bundle_document(
                schema,
                verified.bundle,
                verified.safe,
                words=verified.words,
                approved_by=verified.approved_by,
                confirmed_by=verified.confirmed_by,
                report=verified.tried.report,
                files=files,
            )
        )
        return
    print_bundle(verified, out)
    out.result("\n" + simulation_text(verified.tried.plan, verified.tried.report, width=out.width, ink=out.ink))
