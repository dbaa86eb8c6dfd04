"""`defilev target`: the leverage that a position should have, the limits to leave it alone in, and why. Reads only."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from defilev.cli.context import load, output, run_of
from defilev.errors import UsageError

if TYPE_CHECKING:
    from defilev.model.account import LendingAccount
    from defilev.model.target import Target
    from defilev.pipeline.targeting import TargetQuestion

__all__ = ["target"]

Who = Annotated[
    str, typer.Argument(metavar="WHO", help="An address, an ENS name, or @NAME of your book.", show_default=False)
]
Protocol = Annotated[str, typer.Option("-p", "--protocol", metavar="PROTOCOL", help="The protocol of the position.")]
Market = Annotated[
    str | None, typer.Option("--market", metavar="NAME", help="The market: its name, or the beginning of its id.")
]
ObjectiveName = Annotated[
    str | None,
    typer.Option(
        "--objective",
        metavar="NAME",
        help="keep (the default), fixed, ceiling, cppi, carry or kelly.",
    ),
]
Horizon = Annotated[
    str | None, typer.Option("--horizon", metavar="7d", help="What the budget for liquidation is over.")
]
Budget = Annotated[
    str | None,
    typer.Option(
        "--max-liquidation-probability", metavar="1%", help="The chance of liquidation allowed within the horizon."
    ),
]
Volatility = Annotated[
    str | None,
    typer.Option(
        "--volatility",
        metavar="65%",
        help="Yearly volatility: a figure, implied:65%, implied:FILE; or ewma, har or garch, from --prices.",
    ),
]
Prices = Annotated[
    Path | None,
    typer.Option(
        "--prices",
        metavar="PATH|feed",
        help="A file of candles, a directory of them named by asset, or feed: the rounds of the oracle's own feeds.",
    ),
]
RiskAversion = Annotated[
    str | None, typer.Option("--risk-aversion", metavar="2", help="1 maximises growth; above it, the band is narrower.")
]
HealthFactor = Annotated[
    str | None, typer.Option("--health-factor", metavar="X", help="Your own target, for --objective fixed.")
]
Leverage = Annotated[str | None, typer.Option("--leverage", metavar="X", help="The same as collateral over equity.")]
MinHealthFactor = Annotated[
    str | None, typer.Option("--min-health-factor", metavar="X", help="Never below this health factor.")
]
MaxLeverage = Annotated[str | None, typer.Option("--max-leverage", metavar="X", help="Never above this leverage.")]
ExpectedReturn = Annotated[
    str | None, typer.Option("--expected-return", metavar="20%", help="Your view of the asset's yearly return.")
]
Sharpe = Annotated[str | None, typer.Option("--sharpe", metavar="0.8", help="Your view as a Sharpe ratio.")]
Floor = Annotated[str | None, typer.Option("--floor", metavar="60%", help="The share of today's equity to keep.")]
Reaction = Annotated[
    str | None, typer.Option("--reaction", metavar="1h", help="How long it takes you to act when prices fall.")
]
Yield = Annotated[
    list[str] | None,
    typer.Option(
        "--yield", metavar="ASSET=2.8%", help="What an asset earns beside the market's rate, such as staking."
    ),
]
Debt = Annotated[
    str | None, typer.Option("--debt", metavar="ASSET", help="What would be borrowed, when nothing is owed yet.")
]
Compare = Annotated[bool, typer.Option("--compare", help="Show what every ceiling's leverage would mean.")]
Hedge = Annotated[
    str | None,
    typer.Option(
        "--hedge",
        metavar="PROTOCOL[/KEY]",
        help="The perpetual that hedges the loan: one book on two venues.",
    ),
]
DeltaBand = Annotated[
    str | None,
    typer.Option("--delta-band", metavar="-5%,5%", help="With --hedge and --objective carry: what delta may be left."),
]
Explain = Annotated[bool, typer.Option("--explain", help="Show all that the answer rests on.")]


def target(
    ctx: typer.Context,
    *,
    who: Who,
    protocol: Protocol,
    market: Market = None,
    objective: ObjectiveName = None,
    horizon: Horizon = None,
    max_liquidation_probability: Budget = None,
    volatility: Volatility = None,
    prices: Prices = None,
    risk_aversion: RiskAversion = None,
    health_factor: HealthFactor = None,
    leverage: Leverage = None,
    min_health_factor: MinHealthFactor = None,
    max_leverage: MaxLeverage = None,
    expected_return: ExpectedReturn = None,
    sharpe: Sharpe = None,
    floor: Floor = None,
    reaction: Reaction = None,
    extra_yield: Yield = None,
    debt: Debt = None,
    hedge: Hedge = None,
    delta_band: DeltaBand = None,
    compare: Compare = False,
    explain: Explain = False,
) -> None:
    """Say what leverage a position should have, between which limits to leave it alone, and why.

    Example: defilev target 0xADDRESS -p aave-v3 --volatility 65% --explain
    """
    from defilev.cli.target_question import TargetFlags, target_question
    from defilev.pipeline.targeting import usual_preferences

    question = target_question(
        TargetFlags(
            objective=objective,
            horizon=horizon,
            max_liquidation_probability=max_liquidation_probability,
            volatility=volatility,
            prices=prices,
            risk_aversion=risk_aversion,
            health_factor=health_factor,
            leverage=leverage,
            min_health_factor=min_health_factor,
            max_leverage=max_leverage,
            expected_return=expected_return,
            sharpe=sharpe,
            floor=floor,
            reaction=reaction,
            yields=tuple(extra_yield or ()),
            debt=debt,
            compare=compare,
        ),
        usual=usual_preferences(load(ctx).values.target),
    )
    if hedge is not None:
        from defilev.cli.hedge import hedge_target

        hedge_target(ctx, who, protocol=protocol, market=market, hedge=hedge, band=delta_band, question=question)
        return
    if delta_band is not None:
        raise UsageError("--delta-band is about a hedged book", fix="give --hedge PROTOCOL and --objective carry")
    account, found, chain = _found(ctx, who, protocol, market, question)
    _print(ctx, account, found, chain_name=chain, explain=explain)
    if found is not None:
        _next(ctx, who, found)


def _found(
    ctx: typer.Context, who: str, protocol: str, market: str | None, question: TargetQuestion
) -> tuple[LendingAccount, Target | None, str]:
    from defilev.cli.who import one_account
    from defilev.pipeline.exposing import exposure_of
    from defilev.pipeline.look import read_account
    from defilev.pipeline.targeting import make_target

    out = output(ctx)
    with one_account(run_of(ctx), who) as (session, owner):
        with out.stage("observe"):
            account = read_account(session, owner, protocol=protocol, market=market)
        if account.is_empty:
            return account, None, session.book.chain_name
        with out.stage("target"):
            exposure = exposure_of(account, settings=session.settings)
            return account, make_target(session, account, exposure, question), session.book.chain_name


def _print(
    ctx: typer.Context, account: LendingAccount, found: Target | None, *, chain_name: str, explain: bool
) -> None:
    from defilev.report.ink import ink
    from defilev.report.target_json import no_target_document
    from defilev.report.target_text import target_text

    out = output(ctx)
    if out.json:
        out.document(no_target_document(account) if found is None else found.to_document())
    elif found is None:
        out.result(
            f"{account.protocol} {account.market_name} · {account.owner}\n  no position: nothing to set a leverage for"
        )
    else:
        paint = ink(color=out.has_color(sys.stdout))
        out.result(target_text(found, chain_name=chain_name, width=out.width, ink=paint, explain=explain))


def _next(ctx: typer.Context, who: str, found: Target) -> None:
    from defilev.cli.who import typed_again

    position, trade = found.position, found.trade
    market = "" if position.market == "main" else f" --market {position.market}"
    command = f"defilev plan {typed_again(run_of(ctx), who, position.owner)} -p {position.protocol}{market}"
    if trade.action == "close":
        output(ctx).next(f"{command} --close -o plan.json")
    elif trade.action in ("deleverage", "lever-up") and trade.health_factor is not None:
        output(ctx).next(f"{command} --to-health-factor {trade.health_factor + 5e-5:.4f} -o plan.json")
