"""`defilev rehearse`: an emergency on a fork, from the fall of prices to what the plan came to. Signs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from defilev.cli.context import output, run_of
from defilev.cli.plan import Close, Market, Protocol, ToHealthFactor, ToLeverage, Who
from defilev.cli.scenarios import parse_shocks
from defilev.errors import ConditionBreached, Infeasible, InvalidNumber, SimulationFailed, TooLate, UsageError

if TYPE_CHECKING:
    from defilev.config.settings import Settings
    from defilev.model.rehearsal import Rehearsal, Shock
    from defilev.pipeline.rehearsing import RehearsalQuestion

__all__ = ["rehearse"]

At = Annotated[
    list[str] | None,
    typer.Option("--at", metavar="ASSET=-20%", help="Move an asset's feed and all that is priced from it; repeatable."),
]
Depeg = Annotated[
    list[str] | None,
    typer.Option("--depeg", metavar="ASSET=-5%", help="Move the price of one asset alone; may be repeated."),
]
Liquidity = Annotated[
    str | None, typer.Option("--liquidity", metavar="-50%", help="How much of their liquidity the pools lose.")
]
Gas = Annotated[str | None, typer.Option("--gas", metavar="300gwei", help="The base fee in the emergency.")]
MaxSlippage = Annotated[
    str | None, typer.Option("--max-slippage", metavar="0.5%", help="The most a sale may lose against the oracle.")
]
Floor = Annotated[
    str | None,
    typer.Option("--floor", metavar="1.02", help="What no step may go below; else 1.02, or halfway to liquidation."),
]


def rehearse(
    ctx: typer.Context,
    *,
    who: Who,
    protocol: Protocol,
    market: Market = None,
    at: At = None,
    depeg: Depeg = None,
    liquidity: Liquidity = None,
    gas: Gas = None,
    to_health_factor: ToHealthFactor = None,
    to_leverage: ToLeverage = None,
    close: Close = False,
    max_slippage: MaxSlippage = None,
    floor: Floor = None,
) -> None:
    """Rehearse an emergency: on a fork prices fall and pools follow, and the plan back up is made and run there.

    Without a goal the plan goes back to the health factor of before, at most status.low of the settings. No key is
    asked for, and nothing reaches the chain.

    Example: defilev rehearse 0xADDRESS -p aave-v3 --at WETH=-20% --gas 300gwei --liquidity -50%
    """
    shock = _shock(at or (), depeg or (), liquidity, gas)
    settings = run_of(ctx).load().values
    goals = (to_health_factor, to_leverage, close)
    question = _question(settings, shock, goals, max_slippage=max_slippage, floor=floor)
    made = _made(ctx, who, protocol, market, question)
    _print(ctx, made)
    require_worked(made)


def require_worked(made: Rehearsal) -> None:
    """Raise what says how a rehearsal that did not reach its goal ended.

    Raises:
        TooLate: the account is liquidatable after the move.
        Infeasible: no plan could be made.
        SimulationFailed: a step reverted, or a promise was broken.
        ConditionBreached: the plan held, and stops short of the goal.
    """
    from defilev.report.figures import health
    from defilev.units import to_decimal

    if made.outcome == "too-late":
        raise TooLate(
            "after the move the account is liquidatable: its own plan comes too late",
            health_factor=health(to_decimal(made.shocked.health_factor or 0, 18)),
        )
    if made.outcome == "no-plan":
        raise Infeasible(f"after the move no plan is possible: {made.refusal}", fix=made.advice)
    if made.outcome == "failed":
        raise SimulationFailed("after the move the plan does not do what it promised", fix="see which step above")
    if made.outcome == "partial":
        after = health(to_decimal(made.health_after or 0, 18))
        raise ConditionBreached(
            f"after the move the plan reaches a health factor of {after}, and not its goal",
            fix="act before such a move: `defilev health … --exits` says until when, or keep more in the wallet",
        )


def _shock(at: Sequence[str], depeg: Sequence[str], liquidity: str | None, gas: str | None) -> Shock:
    from defilev.config.values import parse_gas_price
    from defilev.model.rehearsal import Shock

    if not at and not depeg:
        raise UsageError("nothing moves in this rehearsal", fix="say what falls, as --at WETH=-20%")
    return Shock(
        prices=parse_shocks(at, what="--at"),
        depegs=parse_shocks(depeg, what="--depeg"),
        liquidity=None if liquidity is None else _loss(liquidity),
        gas_price=None if gas is None else parse_gas_price(gas, what="--gas"),
    )


def _loss(text: str) -> Decimal:
    from defilev.units import parse_percentage

    change = parse_percentage(text, what="--liquidity")
    if not -1 < change < 0:
        raise InvalidNumber(f"--liquidity {text.strip()} is not a loss of a part", fix="write it as -50%")
    return change


def _question(
    settings: Settings,
    shock: Shock,
    goals: tuple[str | None, str | None, bool],
    *,
    max_slippage: str | None,
    floor: str | None,
) -> RehearsalQuestion:
    from defilev.config.values import parse_floor, parse_slippage
    from defilev.pipeline.rehearsing import RehearsalQuestion
    from defilev.plan import Divergence, parse_goal

    health, leverage, close = goals
    is_named = health is not None or leverage is not None or close
    return RehearsalQuestion(
        shock=shock,
        goal=parse_goal(to_health_factor=health, to_leverage=leverage, close=close) if is_named else None,
        most=settings.status.low,
        max_slippage=settings.max_slippage if max_slippage is None else parse_slippage(max_slippage),
        window=settings.expires,
        floor=None if floor is None else parse_floor(floor),
        divergence=Divergence.within(settings.max_divergence),
    )


def _made(ctx: typer.Context, who: str, protocol: str, market: str | None, question: RehearsalQuestion) -> Rehearsal:
    from defilev.cli.who import one_account
    from defilev.pipeline.look import read_account
    from defilev.pipeline.rehearsing import rehearse as run

    out = output(ctx)
    with one_account(run_of(ctx), who) as (session, owner):
        with out.stage("observe"):
            account = read_account(session, owner, protocol=protocol, market=market)
        with out.stage("rehearse"):
            return run(session, account, question)


def _print(ctx: typer.Context, made: Rehearsal) -> None:
    from defilev.report.rehearsal_json import rehearsal_document
    from defilev.report.rehearsal_text import rehearsal_text

    out = output(ctx)
    if out.json:
        out.document(rehearsal_document(made))
    else:
        out.result(rehearsal_text(made, width=out.width, ink=out.ink))
