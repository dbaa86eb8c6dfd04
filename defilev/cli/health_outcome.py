"""How `defilev health` ends: what was left out or not read, limits that are breached, and what usually follows."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from defilev.cli.output import Output
from defilev.errors import ConditionBreached, DefilevError, ReadingIncomplete, SearchIncomplete
from defilev.pipeline.everywhere import ChainUnread, Reading
from defilev.report.failure import text_of
from defilev.report.figures import health as health_figure
from defilev.report.health_report import HealthReport
from defilev.report.health_text import place_of_failure
from defilev.report.perp import PerpView, View

__all__ = ["note_left_out", "require_complete", "require_healthy", "require_something", "suggestion"]


def require_something(readings: Sequence[Reading], unread: Sequence[ChainUnread]) -> None:
    """Raise the only failure when there is nothing beside it to show."""
    errors: list[DefilevError] = [each.error for each in unread]
    errors += [each.error for reading in readings for each in reading.unread]
    if len(errors) == 1 and not any(reading.accounts or reading.perps for reading in readings):
        raise errors[0]


def note_left_out(report: HealthReport, out: Output) -> None:
    """Say which markets of the address book are not there, and where they were looked for."""
    for left_out in report.left_out:
        market = left_out.market
        places = ", ".join(f"{name} {address}" for name, address in market.entry_points.items())
        number = next(chain.block.number for chain in report.chains if chain.name == left_out.chain)
        named = f"{market.protocol} {market.market} on {left_out.chain}"
        out.note(f"{named} is left out: not there at block {number} ({places})")


def require_healthy(report: HealthReport, limit: Decimal) -> None:
    """Raise `ConditionBreached` when an account's health factor is below `limit`; nothing owed is never below."""
    below = [view for view in report.all_views if view.health_factor is not None and view.health_factor < limit]
    if not below:
        return
    worst = _worst(below)
    figure = health_figure(worst.health_factor, against=limit)
    facts = {} if len(below) == 1 else {"below": [_place(report, view) for view in below]}
    if report.failures:
        facts["not_read"] = [place_of_failure(failure) for failure in report.failures]
    place = _place(report, worst)
    raise ConditionBreached(
        f"health factor {figure} of {place} is below --fail-below {limit}", fix=_plan(report, worst, limit), **facts
    )


def require_complete(report: HealthReport) -> None:
    """Raise `ReadingIncomplete` when something that was asked for could not be read or priced.

    A search that fell short is raised as it is: it says that there may be more, and not that a part is missing.
    """
    if not report.failures:
        return
    if all(isinstance(failure.error, SearchIncomplete) for failure in report.failures):
        raise report.failures[0].error
    said = {place_of_failure(failure): text_of(failure.error.fact) for failure in report.failures}
    count = len(said)
    raise ReadingIncomplete(
        f"{count} part{'s' if count > 1 else ''} of what was asked for could not be read, and nothing above counts it",
        fix=report.failures[0].error.fix,
        **said,
    )


def suggestion(report: HealthReport, limit: Decimal) -> str | None:
    """Return the command that plans for the worst account that is not OK; `None` when all are, or no plan is made."""
    endangered = [view for view in report.all_views if view.status != "OK"]
    worst = _worst(endangered) if endangered else None
    return None if worst is None or isinstance(worst, PerpView) else _plan(report, worst, limit)


def _worst(views: Sequence[View]) -> View:
    return min(views, key=lambda view: view.health_factor or Decimal(0))


def _place(report: HealthReport, view: View) -> str:
    chain = f" {report.chain_of(view).name}" if len(report.chains) > 1 else ""
    return f"{view.account.owner} {view.account.protocol} {view.account.market_name}{chain}"


def _plan(report: HealthReport, view: View, limit: Decimal) -> str:
    """Return what brings an account's health factor up to `limit`: a command, or what to do where none plans."""
    if isinstance(view, PerpView):
        return "add margin, or reduce the position"
    account = view.account
    who = f"@{view.name}" if report.is_book and view.name and "." not in view.name else account.owner
    market = "" if account.market == "main" else f" --market {account.market}"
    chain = f" --chain {report.chain_of(view).name}" if len(report.chains) > 1 else ""
    return f"defilev plan {who} -p {account.protocol}{market}{chain} --to-health-factor {limit} -o plan.json"
