"""`defilev health`: how close accounts are to liquidation. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from defilev.cli.context import load, output
from defilev.cli.scenarios import parse_changes, parse_health_limit, parse_shocks
from defilev.errors import ConditionBreached, SearchIncomplete

if TYPE_CHECKING:
    from defilev.cli.output import Output
    from defilev.report.health import HealthReport, HealthView

__all__ = ["health"]

Who = Annotated[list[str], typer.Argument(metavar="WHO…", help="Addresses or ENS names.", show_default=False)]
Protocols = Annotated[
    list[str] | None, typer.Option("-p", "--protocol", metavar="PROTOCOL", help="Only this protocol; may be repeated.")
]
Market = Annotated[
    str | None,
    typer.Option("--market", metavar="NAME", help="Only this market: its name, or the beginning of its id."),
]
FailBelow = Annotated[
    str | None, typer.Option("--fail-below", metavar="HF", help="Exit with 5 when a health factor is below this.")
]
Stress = Annotated[
    str | None,
    typer.Option("--stress", metavar="-10%,-20%", help="Health after each change of everything but stablecoins."),
]
Shock = Annotated[
    list[str] | None,
    typer.Option(
        "--shock",
        metavar="ASSET=-5%",
        help="Health after this change of an asset's feed and all that is priced from it; several happen together.",
    ),
]


def health(
    ctx: typer.Context,
    who: Who,
    protocol: Protocols = None,
    market: Market = None,
    fail_below: FailBelow = None,
    stress: Stress = None,
    shock: Shock = None,
) -> None:
    """Show how close accounts are to liquidation, at one block and checked against the contract.

    Example: defilev health 0xADDRESS --stress -10%,-20% --fail-below 1.4
    """
    limit = None if fail_below is None else parse_health_limit(fail_below)
    changes = () if stress is None else parse_changes(stress)
    shocks = parse_shocks(shock or ())
    report, shortfalls = _read(ctx, who, tuple(protocol or ()), market, changes, shocks)
    out = output(ctx)
    _print(report, out)
    if limit is not None:
        _require(report, limit)
    if shortfalls:
        raise shortfalls[0]
    if endangered := [view for view in report.views if view.status != "OK"]:
        out.next(_plan(_worst(endangered), load(ctx).values.status.low))


def _read(
    ctx: typer.Context,
    who: list[str],
    protocols: tuple[str, ...],
    market: str | None,
    changes: tuple[Decimal, ...],
    shocks: tuple[tuple[str, Decimal], ...],
) -> tuple[HealthReport, Sequence[SearchIncomplete]]:
    """Return the report, and what of the chain could not be searched for more."""
    from defilev.cli.health_report import health_report, require_well_formed, resolve_owners
    from defilev.pipeline.session import connect

    require_well_formed(who)
    with output(ctx).stage("observe"):
        session = connect(load(ctx).values)
        try:
            owners = resolve_owners(session, who)
            report = health_report(session, owners, protocols=protocols, market=market, changes=changes, shocks=shocks)
            return report, session.shortfalls
        finally:
            session.close()


def _print(report: HealthReport, out: Output) -> None:
    from defilev.report.health_json import health_document
    from defilev.report.health_text import health_text

    if out.json:
        out.document(health_document(report))
    else:
        out.result(health_text(report, width=out.width, ink=out.ink))


def _require(report: HealthReport, limit: Decimal) -> None:
    """Raise `ConditionBreached` when an account's health factor is below `limit`; nothing owed is never below."""
    from defilev.report.figures import health as health_figure

    below = [view for view in report.views if view.health_factor is not None and view.health_factor < limit]
    if not below:
        return
    worst = _worst(below)
    figure = health_figure(worst.health_factor, against=limit)
    others = {} if len(below) == 1 else {"below": [_place(view) for view in below]}
    raise ConditionBreached(
        f"health factor {figure} of {_place(worst)} is below --fail-below {limit}", fix=_plan(worst, limit), **others
    )


def _place(view: HealthView) -> str:
    return f"{view.account.owner} {view.account.protocol} {view.account.market_name}"


def _worst(views: Sequence[HealthView]) -> HealthView:
    return min(views, key=lambda view: view.health_factor or Decimal(0))


def _plan(view: HealthView, limit: Decimal) -> str:
    """Return the command that plans to bring an account's health factor up to `limit`."""
    account = view.account
    market = "" if account.market == "main" else f" --market {account.market}"
    return f"defilev plan {account.owner} -p {account.protocol}{market} --to-health-factor {limit} -o plan.json"
