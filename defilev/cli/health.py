"""`defilev health`: how close accounts are to liquidation. Reads only."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from defilev.cli.context import Run, run_of
from defilev.cli.scenarios import parse_betas, parse_changes, parse_health_limit, parse_shocks
from defilev.errors import UsageError

if TYPE_CHECKING:
    from defilev.cli.output import Output
    from defilev.config.settings import Settings
    from defilev.model.book_file import MarketChoice
    from defilev.report.health_report import HealthReport, Scenarios

__all__ = ["Market", "Protocols", "TickerSource", "Who", "choices_of", "health", "settings_with"]

Who = Annotated[
    list[str],
    typer.Argument(metavar="WHO…", help="Addresses, ENS names, @NAME of your book, or @all.", show_default=False),
]
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
Exits = Annotated[
    bool, typer.Option("--exits", help="Until which move each way out works, and from where on none does.")
]
TickerSource = Annotated[
    str | None,
    typer.Option("--tickers", metavar="FILE|URL", help="GMX's ticker: its prices, with how far the feeds are."),
]
BetaTo = Annotated[
    str | None, typer.Option("--beta-to", metavar="ASSET", help="The book's delta in terms of this asset, by betas.")
]
Beta = Annotated[
    list[str] | None, typer.Option("--beta", metavar="ASSET=1.1", help="A beta as you have it; may be repeated.")
]
Prices = Annotated[
    Path | None, typer.Option("--prices", metavar="DIR", help="Candles named by asset, to estimate betas from.")
]
Format: TypeAlias = Literal["table", "json", "csv"]
Formats = Annotated[
    Format | None,
    typer.Option("--format", help="How to print: table, json (as --json), or csv, a line for each account."),
]


def health(
    ctx: typer.Context,
    *,
    who: Who,
    protocol: Protocols = None,
    market: Market = None,
    fail_below: FailBelow = None,
    stress: Stress = None,
    shock: Shock = None,
    exits: Exits = False,
    tickers: TickerSource = None,
    beta_to: BetaTo = None,
    beta: Beta = None,
    prices: Prices = None,
    format: Formats = None,
) -> None:
    """Show how close accounts are to liquidation, on every market at one block, checked against the contracts.

    Example: defilev health 0xADDRESS --stress -10%,-20% --fail-below 1.4
    """
    from defilev.cli.health_outcome import note_left_out, require_complete, require_healthy, suggestion
    from defilev.report.health_report import Scenarios

    run = run_of(ctx)
    shape = _shape(format, run.output)
    limit = None if fail_below is None else parse_health_limit(fail_below)
    scenarios = Scenarios(() if stress is None else parse_changes(stress), parse_shocks(shock or ()), exits)
    settings = settings_with(run, tickers)
    report = _report(run, settings, who, choices_of(protocol or (), market), scenarios)
    report = _weighted(report, beta_to, parse_betas(beta or ()), prices)
    _print(report, run.output, shape)
    note_left_out(report, run.output)
    if limit is not None:
        require_healthy(report, limit)
    require_complete(report)
    if command := suggestion(report, run.load().values.status.low):
        run.output.next(command)


def _shape(asked: Format | None, out: Output) -> Format:
    """Return how to print; `--json` says it too."""
    if out.json and asked not in {None, "json"}:
        raise UsageError(f"--json and --format {asked} contradict each other", fix="give one of them")
    out.json = out.json or asked == "json"
    return "json" if out.json else asked or "table"


def choices_of(protocols: Sequence[str], market: str | None) -> tuple[MarketChoice, ...]:
    """Return the markets that the flags name; none when they name none."""
    from defilev.model.book_file import MarketChoice

    if not protocols and market is None:
        return ()
    return tuple(MarketChoice(protocol, market) for protocol in protocols or (None,))


def _weighted(
    report: HealthReport, beta_to: str | None, betas: Mapping[str, float], prices: Path | None
) -> HealthReport:
    """Return the report with its delta in terms of one asset, where somebody asked for it."""
    if beta_to is None and (betas or prices is not None):
        raise UsageError("--beta and --prices are about --beta-to", fix="give --beta-to ETH with them")
    if beta_to is None or report.total is None:
        return report
    from dataclasses import replace

    from defilev.report.beta import beta_weighted, estimated

    at = max(chain.block.timestamp for chain in report.chains)
    found = estimated(report.total.drivers, reference=beta_to, prices=prices, at=at, given=betas)
    return replace(report, beta=beta_weighted(report.total.drivers, reference=beta_to, betas=found))


def settings_with(run: Run, tickers: str | None) -> Settings:
    """Return the settings of this run, with the ticker that a flag names."""
    settings = run.load().values
    return settings if tickers is None else settings.model_copy(update={"tickers": tickers})


def _report(
    run: Run, settings: Settings, who: list[str], choices: tuple[MarketChoice, ...], scenarios: Scenarios
) -> HealthReport:
    from defilev.cli.health_outcome import require_something
    from defilev.pipeline.everywhere import connected, read_chains, resolved
    from defilev.pipeline.exiting import ladders_of
    from defilev.pipeline.nodes import nodes_of_all
    from defilev.pipeline.overlays import overlays_of
    from defilev.pipeline.people import names_of_book, people
    from defilev.report.health_report import health_report

    book = run.book_for(who)
    by_book = book if names_of_book(who) else None
    asked = people(who, book)
    nodes = nodes_of_all(settings, book, asked, is_url_given=run.is_url_given)
    with run.output.stage("observe"), connected(nodes) as chains:
        whose = resolved(chains, asked)
        readings, unread = read_chains(chains, whose, choices or (by_book.markets if by_book else ()))
        exits = ladders_of(readings) if scenarios.exits else None
    require_something(readings, unread)
    return health_report(
        readings,
        unread,
        asked={address: person for person, address in whose},
        scenarios=scenarios,
        overlays=overlays_of(by_book, asked) if by_book and not choices else (),
        now=int(time.time()),
        is_book=by_book is not None,
        exits=exits,
    )


def _print(report: HealthReport, out: Output, shape: Format) -> None:
    if shape == "json":
        from defilev.report.health_json import health_document

        out.document(health_document(report))
    elif shape == "csv":
        from defilev.report.records import health_csv

        out.result(health_csv(report))
    else:
        from defilev.report.health_text import health_text

        out.result(health_text(report, width=out.width, ink=out.ink))
