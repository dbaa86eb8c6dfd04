"""`defilev plan`: what would take a position where it should be, transaction by transaction. Signs nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from defilev.cli.context import load, output, run_of
from defilev.errors import UsageError

if TYPE_CHECKING:
    from defilev.cli.context import Run
    from defilev.model.plan import Plan
    from defilev.pipeline.planning import PlanQuestion

__all__ = ["bundled", "plan", "require_safe"]

Who = Annotated[
    str, typer.Argument(metavar="WHO", help="An address, an ENS name, or @NAME of your book.", show_default=False)
]
Protocol = Annotated[str, typer.Option("-p", "--protocol", metavar="PROTOCOL", help="The protocol of the position.")]
Market = Annotated[
    str | None, typer.Option("--market", metavar="NAME", help="The market: its name, or the beginning of its id.")
]
ToHealthFactor = Annotated[
    str | None, typer.Option("--to-health-factor", metavar="X", help="Bring the health factor to this, up or down.")
]
ToLeverage = Annotated[
    str | None, typer.Option("--to-leverage", metavar="X", help="Bring collateral over equity to this, down or up.")
]
ToMarginRatio = Annotated[
    str | None, typer.Option("--to-margin-ratio", metavar="X", help="Perpetuals: margin left over maintenance margin.")
]
Via = Annotated[
    str | None,
    typer.Option(
        "--via",
        metavar="WAY",
        help="Loans: mixed (default), wallet, payer, collateral, sell, atomic. Perpetuals: reduce (default), margin.",
    ),
]
Close = Annotated[bool, typer.Option("--close", help="Repay everything and withdraw everything.")]
FromTarget = Annotated[
    Path | None, typer.Option("--from-target", metavar="FILE", help="The goal of a `defilev target --json` document.")
]
MaxSlippage = Annotated[
    str | None, typer.Option("--max-slippage", metavar="0.5%", help="The most a sale may lose against the oracle.")
]
Floor = Annotated[
    str | None, typer.Option("--floor", metavar="1.02", help="The health factor that no step may go below.")
]
Sell = Annotated[
    list[str] | None, typer.Option("--sell", metavar="ASSET", help="Sell nothing but this; may be repeated.")
]
Repay = Annotated[
    list[str] | None,
    typer.Option("--repay", metavar="ASSET", help="Repay no other debt; may be repeated. --close begins with it."),
]
Keep = Annotated[
    list[str] | None,
    typer.Option(
        "--keep", metavar="ASSET[=2%]", help="Do not touch this, or sell it as if that cost 2% more; may be repeated."
    ),
]
Borrow = Annotated[str | None, typer.Option("--borrow", metavar="ASSET", help="Upwards: the one asset to borrow.")]
Buy = Annotated[str | None, typer.Option("--buy", metavar="ASSET", help="Upwards: the one collateral to add to.")]
Payer = Annotated[
    str | None, typer.Option("--payer", metavar="ADDRESS", help="Another account that signs, and repays for WHO.")
]
Expires = Annotated[
    str | None, typer.Option("--expires", metavar="10m", help="How long after its block the plan may be begun.")
]
MaxDivergence = Annotated[
    str | None,
    typer.Option(
        "--max-divergence", metavar="1.5%", help="How far the venue's price may lie from the oracle's; 0.5% in e-mode."
    ),
]
Safe = Annotated[
    str | None,
    typer.Option("--safe", metavar="ADDRESS", help="The Safe that acts; write a bundle for its owners, tried with it."),
]
Drift = Annotated[
    str | None,
    typer.Option("--drift", metavar="3%", help="With --safe: how far prices may move until all have signed."),
]
SwapCollateral = Annotated[
    str | None,
    typer.Option(
        "--swap-collateral", metavar="A=B", help="Sell the supply of A and supply B for it; A=B:1.5 for so much of A."
    ),
]
SwapDebt = Annotated[
    str | None,
    typer.Option("--swap-debt", metavar="A=B", help="Borrow B to repay what is owed of A; A=B:1.5 for so much of A."),
]
EMode = Annotated[
    str | None, typer.Option("--e-mode", metavar="N", help="Enter the e-mode of this number; `off` leaves it for none.")
]
Alternatives = Annotated[bool, typer.Option("--alternatives", help="Compare the ways to the goal, the cheapest first.")]
Out = Annotated[
    Path | None,
    typer.Option("-o", "--out", metavar="FILE", help="Write the plan, or with --safe the bundle, to this file."),
]


def plan(
    ctx: typer.Context,
    *,
    who: Who,
    protocol: Protocol,
    market: Market = None,
    to_health_factor: ToHealthFactor = None,
    to_leverage: ToLeverage = None,
    to_margin_ratio: ToMarginRatio = None,
    close: Close = False,
    via: Via = None,
    from_target: FromTarget = None,
    max_slippage: MaxSlippage = None,
    floor: Floor = None,
    expires: Expires = None,
    safe: Safe = None,
    drift: Drift = None,
    out: Out = None,
    max_divergence: MaxDivergence = None,
    swap_collateral: SwapCollateral = None,
    swap_debt: SwapDebt = None,
    e_mode: EMode = None,
    sell: Sell = None,
    repay: Repay = None,
    keep: Keep = None,
    borrow: Borrow = None,
    buy: Buy = None,
    payer: Payer = None,
    alternatives: Alternatives = False,
) -> None:
    """Plan less leverage, or more: the transactions, what they promise, what they cost.

    Example: defilev plan 0xADDRESS -p aave-v3 --to-health-factor 1.6 -o plan.json
    """
    from defilev.cli.alternatives import compared
    from defilev.cli.plan_question import Rearranged, plan_question
    from defilev.plan import parse_constraints

    question = plan_question(
        load(ctx).values,
        to_health_factor=to_health_factor,
        to_leverage=to_leverage,
        to_margin_ratio=to_margin_ratio,
        close=close,
        from_target=from_target,
        max_slippage=max_slippage,
        floor=floor,
        expires=expires,
        max_divergence=max_divergence,
        rearranged=Rearranged(swap_collateral, swap_debt, e_mode),
        constraints=parse_constraints(
            via=via, sell=sell, repay=repay, keep=keep, borrow=borrow, buy=buy, has_payer=payer is not None
        ),
        payer=payer,
    )
    if alternatives:
        compared(run_of(ctx), (who, protocol, market), question, safe or out)
        return
    if require_safe(safe, drift):
        bundled(run_of(ctx), (who, protocol, market), question, safe=str(safe), drift=drift, expires=expires, out=out)
        return
    made = _made(ctx, who, protocol, market, question)
    _print(ctx, made)
    if out is not None:
        _write(ctx, who, made, out)


def require_safe(safe: str | None, drift: str | None, made_before: str | None = None) -> bool:
    """Return whether a Safe was named; raises `UsageError` for a drift without one, or a plan that was made before."""
    if drift is not None and safe is None:
        raise UsageError("--drift is about the time that a Safe's owners take", fix="give --safe ADDRESS too")
    if safe is not None and made_before is not None:
        raise UsageError(f"--safe and {made_before} contradict each other", fix="name a goal with --safe")
    return safe is not None


def bundled(
    run: Run,
    position: tuple[str, str, str | None],
    question: PlanQuestion,
    *,
    safe: str,
    drift: str | None,
    expires: str | None,
    out: Path | None,
) -> None:
    """Make the bundle of a Safe's owners for a position: who, protocol and market as they were typed."""
    from defilev.cli.bundling import Bundling, parse_drift

    who, protocol, market = position
    Bundling(run, who, protocol, market, safe, question, expires is not None, parse_drift(drift), out).make()


def _made(ctx: typer.Context, who: str, protocol: str, market: str | None, question: PlanQuestion) -> Plan:
    from defilev.cli.who import one_account
    from defilev.pipeline.loans import read_loan
    from defilev.pipeline.planning import make_plan

    out = output(ctx)
    with one_account(run_of(ctx), who) as (session, owner):
        with out.stage("observe"):
            account = read_loan(session, owner, protocol=protocol, market=market)
        with out.stage("plan"):
            return make_plan(session, account, question)


def _print(ctx: typer.Context, made: Plan) -> None:
    from defilev.plan import plan_document
    from defilev.report.ink import ink
    from defilev.report.plan_text import plan_text

    out = output(ctx)
    if out.json:
        out.document(plan_document(made))
    else:
        out.result(plan_text(made, width=out.width, ink=ink(color=out.has_color(sys.stdout))))


def _write(ctx: typer.Context, who: str, made: Plan, path: Path) -> None:
    from defilev.cli.plan_file import write_document
    from defilev.cli.who import typed_again
    from defilev.plan import plan_document

    write_document(path, plan_document(made))
    out = output(ctx)
    out.note(f"wrote {path}")
    market = "" if made.market == "main" else f" --market {made.market}"
    out.next(f"defilev rebalance {typed_again(run_of(ctx), who, made.owner)} -p {made.protocol}{market} --plan {path}")
