"""`defilev guard`: accounts watched and deleveraged by rule. Signs nothing without --broadcast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from defilev.cli.context import load, output, run_of
from defilev.errors import DataError, UsageError

__all__ = ["app"]

RulesFile = Annotated[Path, typer.Option("--rules", metavar="FILE", help="The rules, in TOML.")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="The rules, in TOML.", show_default=False)]
Once = Annotated[
    bool, typer.Option("--once", help="Look once and end; 5 when a trigger fires and nothing may be signed.")
]
Broadcast = Annotated[bool, typer.Option("--broadcast", help="Sign and send what the rules ask for.")]
ConfirmRules = Annotated[
    str | None, typer.Option("--confirm-rules", metavar="HASH", help="The sha256 of the rules that you reviewed.")
]
Every = Annotated[str | None, typer.Option("--every", metavar="TIME", help="The longest time between two looks.")]
OnBlock = Annotated[bool, typer.Option("--on-block", help="Look at every new block.")]
Cron = Annotated[str | None, typer.Option("--cron", metavar="EXPRESSION", help="Look at these times, UTC.")]
Name = Annotated[
    str | None,
    typer.Argument(metavar="[ACCOUNT]", help="An account of the rules; all when left out.", show_default=False),
]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="What `guard status` says about it.")]
Number = Annotated[int, typer.Argument(metavar="RUN", min=1, help="The number after `journal #`.")]
Kind = Annotated[str, typer.Argument(metavar="KIND", help="systemd or cron.", show_default=False)]
PasswordFile = Annotated[
    Path | None, typer.Option("--password-file", metavar="FILE", help="Handed over by systemd as a credential.")
]

Metrics = Annotated[
    str | None, typer.Option("--metrics", metavar="ADDR:PORT", help="Serve figures to Prometheus there, at /metrics.")
]
MetricsFile = Annotated[
    Path | None, typer.Option("--metrics-file", metavar="FILE", help="Write them to a file after every look.")
]
Since = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help="Only what happened since so long ago, such as 7d.")
]
Page = Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write the page to a file.")]

app = typer.Typer(help="Accounts watched and deleveraged by rule.")


@app.command()
def check(ctx: typer.Context, file: File) -> None:
    """Check a rules file, and hold it against the chain when a node is named.

    Example: defilev guard check guard.toml
    """
    from defilev.cli.guarding import checked
    from defilev.report.guard_json import check_document
    from defilev.report.guard_text import rules_text

    out = output(ctx)
    rules, is_checked = checked(run_of(ctx), file)
    if out.json:
        out.document(check_document(rules, is_checked_on_chain=is_checked))
        return
    out.result(rules_text(rules, ink=out.ink))
    out.note("checked against the chain too" if is_checked else "no node is named: not checked against the chain")
    out.next(f"defilev guard run --once --rules {file}")


@app.command()
def run(
    ctx: typer.Context,
    *,
    rules: RulesFile,
    once: Once = False,
    broadcast: Broadcast = False,
    confirm_rules: ConfirmRules = None,
    every: Every = None,
    on_block: OnBlock = False,
    cron: Cron = None,
    metrics: Metrics = None,
    metrics_file: MetricsFile = None,
) -> None:
    """Look at the accounts again and again, tell, and with --broadcast act; with --json one line for each look.

    Example: defilev guard run --once --rules guard.toml
    """
    from defilev.cli.guard_outside import Outside
    from defilev.cli.guarding import Guarding, schedule_of

    Guarding(
        run=run_of(ctx),
        file=rules,
        schedule=schedule_of(every=every, cron=cron, on_block=on_block),
        is_once=once,
        is_broadcasting=broadcast,
        confirmed=confirm_rules,
        outside=Outside(metrics, metrics_file),
    ).run_all()


@app.command()
def status(ctx: typer.Context, *, rules: RulesFile) -> None:
    """Show what the guard watches, its last decisions, its leader, and what holds it."""
    from defilev.cli.guarding import looked_up
    from defilev.report.guard_json import status_document
    from defilev.report.guard_text import status_text

    out = output(ctx)
    given, found = looked_up(run_of(ctx), rules)
    if out.json:
        out.document(status_document(given, **found))
    else:
        out.result(status_text(given, **found, ink=out.ink))


@app.command()
def pause(ctx: typer.Context, account: Name = None, *, why: Why = "by hand") -> None:
    """Begin nothing new, for one account or all; alerts go on, and what is in flight is finished."""
    from defilev.cli.guarding import switch

    switch(run_of(ctx), account, state="paused", why=why)


@app.command()
def halt(ctx: typer.Context, account: Name = None, *, why: Why = "by hand") -> None:
    """As pause, for something that is wrong: `status` shows it so."""
    from defilev.cli.guarding import switch

    switch(run_of(ctx), account, state="halted", why=why)


@app.command()
def resume(ctx: typer.Context, account: Name = None) -> None:
    """Take a pause or a halt back."""
    from defilev.cli.guarding import switch

    switch(run_of(ctx), account, state=None)


@app.command()
def explain(ctx: typer.Context, number: Number) -> None:
    """Show why a run was begun: what was seen, which trigger fired, and what was decided under which rules."""
    from defilev.cli.guarding import explained
    from defilev.report.guard_json import explain_document
    from defilev.report.guard_text import explained_text

    out = output(ctx)
    decision, found = explained(run_of(ctx), number)
    if out.json:
        out.document(explain_document(decision, found))
        return
    out.result(explained_text(decision, found, ink=out.ink))
    out.next(f"defilev journal show {number}")


@app.command()
def report(ctx: typer.Context, *, since: Since = None, file: Page = None) -> None:
    """Print one HTML page of what guards saw, decided, did and told; it loads nothing and runs nothing.

    Example: defilev guard report --since 7d -o report.html
    """
    from defilev.cli.guard_outside import report_of, write_page
    from defilev.report.guard_html import guard_html
    from defilev.report.guard_outside_json import report_document

    out = output(ctx)
    if out.json and file is None:
        raise UsageError("--json tells of a page, and none is written", fix="name a file with -o FILE")
    story, footer = report_of(run_of(ctx), since)
    if file is None:
        out.result(guard_html(story, footer))
        return
    write_page(file, story, footer)
    if out.json:
        out.document(report_document(story, file=str(file)))
    out.note(f"wrote {file}")


@app.command("test-alert")
def test_alert(ctx: typer.Context, *, rules: RulesFile) -> None:
    """Send every sink of the rules a test, and ask for the heartbeat; exits with 4 when one did not take it."""
    from defilev.cli.guard_outside import tried_alerts
    from defilev.report.guard_outside_json import alerts_tried_document

    out = output(ctx)
    deliveries = tried_alerts(run_of(ctx), rules)
    if out.json:
        out.document(alerts_tried_document(deliveries))
    else:
        width = max(map(len, deliveries))
        out.result("\n".join(f"{name:<{width}}  {said}" for name, said in deliveries.items()))
    if failed := [name for name, said in deliveries.items() if said != "sent"]:
        out.fix(f"check the URL of {failed[0]}, and what it answers")
        raise typer.Exit(DataError.exit_code)


@app.command()
def install(
    ctx: typer.Context,
    kind: Kind,
    *,
    rules: RulesFile,
    broadcast: Broadcast = False,
    password_file: PasswordFile = None,
) -> None:
    """Print a hardened systemd unit, or a line for cron; writes nothing."""
    from defilev.cli.guarding import installed

    load(ctx)
    text = installed(run_of(ctx), kind, rules=rules, is_broadcasting=broadcast, password_file=password_file)
    output(ctx).result(text)
