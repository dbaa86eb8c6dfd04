"""`defilev accuracy`: promised against got, over everything that the journal has seen to its end."""

from __future__ import annotations

import typer

from defilev.cli.context import load, output
from defilev.cli.journal import opened

__all__ = ["accuracy"]


def accuracy(ctx: typer.Context) -> None:
    """Show how promises were kept: health factor, debt, cost and slippage, promised against got."""
    from defilev.journal import place_of
    from defilev.report.accuracy import accuracy_document, accuracy_of, accuracy_text

    out = output(ctx)
    with opened(ctx) as found:
        counted = accuracy_of(found.outcomes() if found else [])
    if out.json:
        out.document(accuracy_document(counted, place=place_of(load(ctx).values.journal).shown))
    elif not counted.runs:
        out.result("no finished run in the journal yet")
    else:
        out.result(accuracy_text(counted, width=out.width, ink=out.ink))
