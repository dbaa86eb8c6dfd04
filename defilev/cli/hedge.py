"""`defilev target … --hedge PROTOCOL`: a loan and the perpetual that hedges it, as one book on two venues."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from defilev.cli.context import output, run_of
from defilev.errors import UsageError

if TYPE_CHECKING:
    from defilev.pipeline.hedging import HedgeQuestion
    from defilev.pipeline.targeting import TargetQuestion

__all__ = ["hedge_target"]

_DAYS_PER_YEAR = 365


def hedge_target(
    ctx: typer.Context,
    who: str,
    *,
    protocol: str,
    market: str | None,
    hedge: str,
    band: str | None,
    question: TargetQuestion,
) -> None:
    """Print the two-sided exit, the best split of the margin and, with --objective carry, the best book."""
    from defilev.cli.who import one_account
    from defilev.pipeline.exposing import perp_exposure_of
    from defilev.pipeline.hedged_loans import loan_in_dollars
    from defilev.pipeline.hedging import hedge_of, hedged_book
    from defilev.pipeline.look import read_account
    from defilev.pipeline.perps import read_perps
    from defilev.report.hedge_json import hedge_document
    from defilev.report.hedge_text import hedge_text
    from defilev.report.ink import ink

    out, asked = output(ctx), _question(question, band)
    venue, _, key = hedge.partition("/")
    with one_account(run_of(ctx), who) as (session, owner):
        with out.stage("observe"):
            loan, forms = loan_in_dollars(session, read_account(session, owner, protocol=protocol, market=market))
            perps = read_perps(session, [owner], protocol=venue)
        exposures = [perp_exposure_of(each, settings=session.settings) for each in perps]
        chain = session.book.chain_name
    with out.stage("target"):
        chosen, chosen_forms = hedge_of(forms, perps, exposures, market=key or None)
        book = hedged_book(loan, chosen, forms, chosen_forms, asked)
    if out.json:
        out.document(hedge_document(book))
    else:
        paint = ink(color=out.has_color(sys.stdout))
        out.result(hedge_text(book, chain_name=chain, width=out.width, ink=paint))


def _question(question: TargetQuestion, band: str | None) -> HedgeQuestion:
    from defilev.pipeline.hedging import HedgeQuestion

    wants, figure = question.preferences, question.volatility.figure
    if figure is None:
        raise UsageError("a hedged book needs its volatility as a figure", fix="give --volatility 65%")
    if wants.objective not in {"keep", "carry"}:
        raise UsageError(f"--objective {wants.objective} is for a loan by itself", fix="choose keep or carry")
    if band is not None and wants.objective != "carry":
        raise UsageError("--delta-band is about --objective carry", fix="give both")
    return HedgeQuestion(
        volatility=figure,
        horizon=wants.horizon_days / _DAYS_PER_YEAR,
        budget=wants.maximum_probability,
        band=_band(band or "0%,0%") if wants.objective == "carry" else None,
    )


def _band(text: str) -> tuple[float, float]:
    from defilev.units import parse_percentage

    parts = text.split(",")
    if len(parts) != 2:
        raise UsageError(f"--delta-band {text!r} is not two percentages", fix="write --delta-band -5%,5%")
    low, high = (float(parse_percentage(part, what="--delta-band")) for part in parts)
    if low > high:
        raise UsageError(f"--delta-band {text} begins above its end", fix="write the lower one first")
    return low, high
