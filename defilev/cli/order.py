"""`defilev order`: an order on a GMX position, built and checked, for another signer. Signs and sends nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from defilev.cli.context import load, output, run_of
from defilev.errors import Refused, UsageError

if TYPE_CHECKING:
    from defilev.model.perp import PerpAccount
    from defilev.pipeline.ordering import Goal

__all__ = ["order"]

Who = Annotated[
    str, typer.Argument(metavar="WHO", help="An address, an ENS name, or @NAME of your book.", show_default=False)
]
Protocol = Annotated[str, typer.Option("-p", "--protocol", metavar="PROTOCOL", help="The protocol: gmx-v2.")]
Market = Annotated[str | None, typer.Option("--market", metavar="KEY", help="The beginning of the position's key.")]
Reduce = Annotated[str | None, typer.Option("--reduce", metavar="50%", help="Close this part of the position.")]
Close = Annotated[bool, typer.Option("--close", help="Close all of it.")]
AddMargin = Annotated[
    str | None, typer.Option("--add-margin", metavar="AMOUNT", help="Add this much of the margin's token.")
]
MaxSlippage = Annotated[
    str | None, typer.Option("--max-slippage", metavar="0.5%", help="The worst price for closing, against the index.")
]
Unsigned = Annotated[
    Path | None, typer.Option("--unsigned", metavar="FILE", help="Write the transactions for another signer.")
]
Follow = Annotated[
    str | None,
    typer.Option("--follow", metavar="HASH", help="Say what became of the order that it made."),
]
Broadcast = Annotated[bool, typer.Option("--broadcast", help="Refused: the creation cannot be tried on a fork.")]


def order(
    ctx: typer.Context,
    *,
    who: Who,
    protocol: Protocol = "gmx-v2",
    market: Market = None,
    reduce: Reduce = None,
    close: Close = False,
    add_margin: AddMargin = None,
    max_slippage: MaxSlippage = None,
    unsigned: Unsigned = None,
    broadcast: Broadcast = False,
    follow: Follow = None,
) -> None:
    """Build an order that reduces a GMX position or adds margin, and export it with --unsigned. Signs nothing.

    What was sent elsewhere is followed with --follow: submitted, executed, cancelled.

    Example: defilev order 0xADDRESS --market 0x09ec --reduce 50% --unsigned order.json
    """
    from defilev.cli.plan_file import write_document
    from defilev.cli.who import one_account
    from defilev.pipeline.ordering import make_order, position_of
    from defilev.pipeline.perps import read_perps
    from defilev.report.ink import ink
    from defilev.report.order_report import order_document, order_text

    out = output(ctx)
    if follow is not None:
        _follow(ctx, who, follow)
        return
    _require_one(reduce, close, add_margin)
    if broadcast:
        raise Refused(
            "no order of GMX has been created on a fork by this machine, and none is sent without that",
            fix="export it with --unsigned FILE, and try it where you sign",
        )
    with one_account(run_of(ctx), who) as (session, owner):
        with out.stage("observe"):
            account = position_of(read_perps(session, [owner], protocol=protocol), market)
        made = make_order(session, account, _goal(ctx, account, reduce, add_margin, max_slippage))
        chain = session.book.chain_name
    document = order_document(made)
    if unsigned is not None:
        write_document(unsigned, document)
    if out.json:
        out.document(document)
        return
    out.result(order_text(made, chain_name=chain, width=out.width, ink=ink(color=out.has_color(sys.stdout))))
    written = f"wrote {len(made.transactions)} unsigned to {unsigned}; nothing was signed"
    out.result("\n" + (written if unsigned else "DRY RUN: nothing was signed."))
    out.note("not simulated: no fork here has GMX's contracts; send them one at a time, each after the one before")


def _follow(ctx: typer.Context, who: str, transaction: str) -> None:
    from defilev.cli.who import one_account
    from defilev.pipeline.following import follow, require_executed
    from defilev.report.order_report import followed_document, followed_text

    out, wanted = output(ctx), _hash_of(transaction)
    with one_account(run_of(ctx), who) as (session, owner), out.stage("observe"):
        followed = follow(session, owner, wanted)
    if out.json:
        out.document(followed_document(followed))
    else:
        out.result(followed_text(followed))
    require_executed(followed)


def _hash_of(text: str) -> str:
    digits = text.removeprefix("0x")
    if len(digits) != 64 or not all(digit in "0123456789abcdef" for digit in digits.lower()):
        raise UsageError(f"--follow {text!r} is no hash of a transaction", fix="give 0x and 64 hex digits")
    return "0x" + digits.lower()


def _require_one(reduce: str | None, close: bool, add_margin: str | None) -> None:
    if sum((reduce is not None, close, add_margin is not None)) != 1:
        raise UsageError("an order does one thing", fix="give one of --reduce 50%, --close and --add-margin AMOUNT")


def _goal(
    ctx: typer.Context, account: PerpAccount, reduce: str | None, add_margin: str | None, max_slippage: str | None
) -> Goal:
    from decimal import Decimal

    from defilev.config.values import parse_slippage
    from defilev.pipeline.ordering import Goal
    from defilev.units import parse_amount, parse_percentage

    if add_margin is not None:
        decimals = account.margin[0].asset.decimals
        return Goal("add-margin", amount=parse_amount(add_margin, decimals, what="--add-margin"))
    slippage = load(ctx).values.max_slippage if max_slippage is None else parse_slippage(max_slippage)
    part = Decimal(1) if reduce is None else parse_percentage(reduce, what="--reduce")
    if not 0 < part <= 1:
        raise UsageError(f"--reduce {reduce} is no part of a position", fix="write --reduce 50%, or --close")
    return Goal("reduce", part=part, slippage=slippage)
