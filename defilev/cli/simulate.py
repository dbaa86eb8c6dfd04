"""`defilev simulate`: a plan file, tried on a fork. Signs nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from defilev.cli.context import load, options, output

if TYPE_CHECKING:
    from defilev.cli.output import Output
    from defilev.model.plan import Plan
    from defilev.model.simulation import SimulationReport

__all__ = ["print_report", "simulate"]

Engine = Annotated[
    Literal["auto", "anvil", "simulate-v1"],
    typer.Option("--engine", help="auto takes eth_simulateV1 where the node has it, and else a local anvil fork."),
]


def simulate(
    ctx: typer.Context,
    plan: Annotated[Path, typer.Argument(metavar="PLAN.json", help="A plan file.", show_default=False)],
    engine: Engine = "auto",
) -> None:
    """Run every step of a plan on a fork of its chain, and check what it promises.

    The fork is of the plan's own block; --block names another. Example: defilev simulate plan.json --block latest
    """
    from defilev.cli.plan_file import read_plan
    from defilev.pipeline.session import connect
    from defilev.pipeline.trying import require_kept, require_own_block, try_plan

    made = read_plan(plan)
    out = output(ctx)
    settings = load(ctx).values
    is_own_block = options(ctx).block is None
    if is_own_block:
        settings = settings.model_copy(update={"block": made.block.number})
    with out.stage("simulate"):
        session = connect(settings)
        try:
            if is_own_block:
                require_own_block(session, made)
            report = try_plan(session, made, engine=engine)
        finally:
            session.close()
    print_report(made, report, out)
    require_kept(made, report)


def print_report(plan: Plan, report: SimulationReport, out: Output) -> None:
    """Print what came of a simulation."""
    from defilev.report.ink import ink
    from defilev.report.simulation_text import simulation_text

    if out.json:
        out.document(report.to_document())
    else:
        out.result(simulation_text(plan, report, width=out.width, ink=ink(color=out.has_color(sys.stdout))))
