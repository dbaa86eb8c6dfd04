"""`defilev plan --alternatives`: the ways to a goal beside each other, and what plans each of them alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from defilev.errors import Infeasible, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from defilev.cli.context import Run
    from defilev.config.settings import Settings
    from defilev.model.account import LendingAccount
    from defilev.pipeline.planning import PlanQuestion
    from defilev.plan.alternatives import Alternative

__all__ = ["compared"]


def compared(
    run: Run, position: tuple[str, str, str | None], question: PlanQuestion, written: str | Path | None
) -> None:
    """Print the ways to the goal of `question` for a position: who, protocol and market as they were typed.

    Args:
        written: a Safe or a file that was named, for which one plan must be chosen.

    Raises:
        UsageError: something is to be written.
        Infeasible: no way makes a plan; all of them were printed.
    """
    from defilev.cli.who import one_account, typed_again
    from defilev.pipeline.comparing import find_alternatives
    from defilev.pipeline.loans import read_loan

    who, protocol, market = position
    if written is not None:
        raise UsageError("--alternatives makes several plans", fix="choose one, then plan it with --out or --safe")
    out = run.output
    with one_account(run, who) as (session, owner):
        with out.stage("observe"):
            account = read_loan(session, owner, protocol=protocol, market=market)
        with out.stage("compare"):
            found = find_alternatives(session, account, question)
    begins = ["defilev", "plan", typed_again(run, who, owner), "-p", protocol, *_asked(run.load().values, question)]
    begins += [] if market is None else ["--market", market]
    _print(run, account, question, found, begins)
    if all(way.plan is None for way in found):
        raise Infeasible("no way makes a plan for this goal", fix=found[0].fix)


def _print(
    run: Run, account: LendingAccount, question: PlanQuestion, found: tuple[Alternative, ...], begins: list[str]
) -> None:
    from defilev.plan.constraints import options_of
    from defilev.report.alternatives_json import alternatives_document
    from defilev.report.alternatives_text import alternatives_text

    def command(way: Alternative) -> str:
        return " ".join([*begins, *options_of(way.constraints, way.payer)])

    out = run.output
    if out.json:
        out.document(alternatives_document(account, question.goal, found, command=command))
        return
    out.result(alternatives_text(account, question.goal, found, width=out.width, ink=out.ink))
    if found[0].plan is not None:
        out.next(command(found[0]))


def _asked(settings: Settings, question: PlanQuestion) -> list[str]:
    """Return the goal and the limits as options, those limits alone that the settings do not have."""
    asked = [f"--to-{question.goal.kind}", f"{question.goal.value:f}"]
    if question.max_slippage != settings.max_slippage:
        asked += ["--max-slippage", f"{(question.max_slippage * 100).normalize():f}%"]
    if question.floor != settings.floor:
        asked += ["--floor", f"{question.floor:f}"]
    if question.window != settings.expires:
        asked += ["--expires", f"{question.window}s"]
    return asked
