"""`defilev rebalance`: a plan, tried on a fork, and only when asked for by name signed or sent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from defilev.cli.context import run_of
from defilev.cli.plan import (
    Borrow,
    Buy,
    Close,
    Drift,
    EMode,
    Expires,
    Floor,
    FromTarget,
    Keep,
    Market,
    MaxDivergence,
    MaxSlippage,
    Out,
    Payer,
    Protocol,
    Repay,
    Safe,
    Sell,
    SwapCollateral,
    SwapDebt,
    ToHealthFactor,
    ToLeverage,
    ToMarginRatio,
    Via,
    Who,
    bundled,
    require_safe,
)
from defilev.errors import UsageError

__all__ = ["rebalance"]

Resume = Annotated[
    bool, typer.Option("--resume", help="In place of a goal: finish the run of this position that stopped halfway.")
]
PlanFile = Annotated[
    Path | None, typer.Option("--plan", metavar="FILE", help="A plan made before, in place of a goal.")
]
SignOnly = Annotated[bool, typer.Option("--sign-only", help="Sign the next transaction, print it, send nothing.")]
Broadcast = Annotated[bool, typer.Option("--broadcast", help="Sign and send every transaction.")]
Unsigned = Annotated[
    Path | None, typer.Option("--unsigned", metavar="FILE", help="Write the transactions for another signer.")
]
Account = Annotated[str | None, typer.Option("--account", metavar="NAME", help="The keystore that signs, by name.")]
Keystore = Annotated[Path | None, typer.Option("--keystore", metavar="FILE", help="The keystore that signs.")]
Signer = Annotated[
    Path | None, typer.Option("--signer", metavar="SOCKET", help="A running defilev-signer, in place of a keystore.")
]
PasswordFile = Annotated[
    Path | None, typer.Option("--password-file", metavar="FILE", help="A file of mode 0600, in place of a prompt.")
]
ConfirmPlan = Annotated[
    str | None, typer.Option("--confirm-plan", metavar="HASH", help="The hash of the plan that you reviewed.")
]
Yes = Annotated[bool, typer.Option("--yes", help="With --confirm-plan: do not ask before sending.")]
Engine = Annotated[str, typer.Option("--engine", metavar="NAME", help="auto, anvil or simulate-v1.")]


def rebalance(
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
    plan: PlanFile = None,
    resume: Resume = False,
    max_slippage: MaxSlippage = None,
    floor: Floor = None,
    expires: Expires = None,
    engine: Engine = "auto",
    sign_only: SignOnly = False,
    broadcast: Broadcast = False,
    unsigned: Unsigned = None,
    safe: Safe = None,
    drift: Drift = None,
    out: Out = None,
    account: Account = None,
    keystore: Keystore = None,
    signer: Signer = None,
    password_file: PasswordFile = None,
    confirm_plan: ConfirmPlan = None,
    yes: Yes = False,
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
) -> None:
    """Plan less leverage, or more, and try it on a fork; sign or send it only with --sign-only or --broadcast.

    Example: defilev rebalance 0xADDRESS -p aave-v3 --to-health-factor 1.6
    """
    from defilev.cli.plan_question import Rearranged, plan_question
    from defilev.cli.rebalancing import Authority, Rebalancing, Wanted
    from defilev.plan import parse_constraints

    wanted = _mode(sign_only=sign_only, broadcast=broadcast, unsigned=unsigned, safe=safe)
    run = run_of(ctx)
    goal: dict[str, Any] = {"to_health_factor": to_health_factor, "to_leverage": to_leverage}
    goal |= {"to_margin_ratio": to_margin_ratio, "close": close, "from_target": from_target}
    limits: dict[str, Any] = {"max_slippage": max_slippage, "floor": floor, "expires": expires}
    limits["max_divergence"] = max_divergence
    rearranged = Rearranged(swap_collateral, swap_debt, e_mode)
    chosen: dict[str, Any] = {"via": via, "sell": sell, "repay": repay, "keep": keep, "borrow": borrow, "buy": buy}
    made_before = "--plan" if plan else "--resume" if resume else None
    if made_before:
        others = (*chosen.values(), None if plan else payer, plan and resume)
        _require_alone(made_before, *goal.values(), *limits.values(), *rearranged.given(), *others)
    goal |= {"rearranged": rearranged, "constraints": parse_constraints(**chosen, has_payer=payer is not None)}
    question = None if made_before else plan_question(run.load().values, **goal, **limits, payer=payer)
    _require_engine(engine)
    if require_safe(safe, drift, made_before):
        bundled(run, (who, protocol, market), question, safe=safe, drift=drift, expires=expires, out=out)  # type: ignore[arg-type]
        return
    Rebalancing(
        run=run,
        who=who,
        protocol=protocol,
        market=market,
        wanted=Wanted(
            mode=wanted,  # type: ignore[arg-type]
            question=question,
            plan_file=plan,
            unsigned_file=unsigned,
            resume=resume,
            limits=frozenset(name for name, given in limits.items() if given is not None or made_before),
            engine=engine,  # type: ignore[arg-type]
            payer=payer,
        ),
        authority=Authority(account, keystore, signer, password_file, confirm_plan, yes),
    ).run_all()


def _mode(**modes: object) -> str:
    chosen = [name.replace("_", "-") for name, given in modes.items() if given]
    if len(chosen) > 1:
        raise UsageError(f"--{chosen[0]} and --{chosen[1]} contradict each other", fix="give one of them")
    return chosen[0] if chosen else "dry-run"


def _require_alone(made_before: str, *others: object) -> None:
    if any(others):
        raise UsageError(
            f"{made_before} and the options that make a plan contradict each other", fix="give one or the other"
        )


def _require_engine(engine: str) -> None:
    if engine not in ("auto", "anvil", "simulate-v1"):
        raise UsageError(f"no engine is called {engine!r}", fix="choose auto, anvil or simulate-v1")
