"""`defilev journal`: what was signed and sent, what came of it, and whether the record is whole. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from defilev.cli.context import load, output
from defilev.errors import DataError

if TYPE_CHECKING:
    from defilev.journal import JournalReader

__all__ = ["app", "opened"]

Last = Annotated[int | None, typer.Option("--last", metavar="N", min=1, help="Only the newest N runs.")]
Head = Annotated[
    str | None, typer.Option("--head", metavar="HASH", help="A hash that an earlier verify printed; it must be there.")
]
Out = Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write it to a new file.")]
Number = Annotated[int, typer.Argument(metavar="RUN", min=1, help="The number after `journal #`.")]

app = typer.Typer(help="The record of what was signed and sent.")


@app.callback()
def journal() -> None:
    """The record of what was signed and sent."""


@app.command()
def ls(ctx: typer.Context, *, last: Last = None) -> None:
    """List the runs, the newest first; `open` counts transactions that may still land."""
    from defilev.report.journal_json import runs_document
    from defilev.report.journal_text import runs_text

    out = output(ctx)
    with opened(ctx) as found:
        runs = found.runs(last=last) if found else []
    if out.json:
        out.document(runs_document(runs, place=_place(ctx)))
    elif not runs:
        out.result("nothing was signed or sent yet" if found else f"there is no journal at {_place(ctx)} yet")
    else:
        out.result(runs_text(runs, width=out.width, ink=out.ink))
        out.next(f"defilev journal show {runs[0]['id']}")


@app.command()
def show(ctx: typer.Context, number: Number) -> None:
    """Show one run: what it saw, planned, signed and sent, and promised against got."""
    from defilev.report.journal_json import show_document
    from defilev.report.journal_text import run_text

    out = output(ctx)
    with opened(ctx) as found:
        record = _required(found).run(number)
    if out.json:
        out.document(show_document(record, place=_place(ctx)))
    else:
        out.result(run_text(record, width=out.width, ink=out.ink))


@app.command()
def verify(ctx: typer.Context, *, head: Head = None) -> None:
    """Check that the journal is what was written: the file, every row, and the chain of events.

    Exits with 4 when it is not. Keep the head that it prints elsewhere: with --head it proves that nothing was lost.
    """
    from defilev.errors import JournalUnusable
    from defilev.report.journal_json import verify_document

    out = output(ctx)
    with opened(ctx) as opened_journal:
        found = _required(opened_journal)
        findings = [{"where": finding.where, "what": finding.what} for finding in found.verify(head=head)]
        try:
            newest = found.head()
        except (DataError, JournalUnusable):
            newest = (0, "")
    if out.json:
        out.document(verify_document(findings, place=found.shown, version=found.version, head=newest))
    else:
        for finding in findings:
            out.result(f"  {out.ink('✗', 'DANGER')} {finding['where']}: {finding['what']}")
        count = "whole" if not findings else f"not what was written: {len(findings)} findings"
        out.result(f"{found.shown} (schema {found.version}) is {count}; {newest[0]} events, head {newest[1]}")
    if findings:
        out.fix("keep the file, and put a copy that verifies in its place; docs/journal.md says how")
        raise typer.Exit(DataError.exit_code)


@app.command()
def export(ctx: typer.Context, *, file: Out = None) -> None:
    """Print every row of every table as one JSON document."""
    from defilev.cli.plan_file import write_document
    from defilev.report.journal_json import export_document

    out = output(ctx)
    with opened(ctx) as found:
        document = export_document(_required(found).export(), place=_place(ctx))
    if file is None:
        out.document(document)
        return
    write_document(file, document)
    out.note(f"wrote {file}")


@contextmanager
def opened(ctx: typer.Context) -> Iterator[JournalReader | None]:
    """Open the journal for reading; `None` when there is none yet."""
    from defilev.journal import open_for_reading, place_of

    found = open_for_reading(place_of(load(ctx).values.journal))
    try:
        yield found
    finally:
        if found is not None:
            found.close()


def _required(found: JournalReader | None) -> JournalReader:
    from defilev.errors import UnknownName

    if found is None:
        raise UnknownName(
            "there is no journal yet", fix="it begins with the first `defilev rebalance … --broadcast` or --sign-only"
        )
    return found


def _place(ctx: typer.Context) -> str:
    from defilev.journal import place_of

    return place_of(load(ctx).values.journal).shown
