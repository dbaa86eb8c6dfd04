"""One trial of the fuzzer: a random account on the real contracts, a plan for it, and what the chain made of that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from random import Random

from defilev.abi import checksum
from defilev.errors import Infeasible
from defilev.model.account import LendingAccount
from defilev.model.plan import Goal, Plan, Repay, Swap
from defilev.model.simulation import SimulationReport
from defilev.pipeline.look import read_account
from defilev.pipeline.planning import PlanQuestion, make_plan
from defilev.pipeline.session import Session
from defilev.pipeline.trying import try_plan
from defilev.units import WAD
from tests.support.conditions import CALM, Conditions, bring_about, draw_conditions
from tests.support.positions import Recipe, amount_of, give, open_position
from tests.support.recipes import E_MODE_ASSETS, SYMBOLS
from tests.support.sessions import connected, put_back
from tests.support.wallets import spend
from tests.support.world import World

__all__ = ["Finding", "Outcome", "Trial", "draw", "goal_findings", "question_of", "reason_of", "try_one"]

A_MILLIONTH = WAD // 1_000_000
RESULT_BAND = WAD // 100
DUST_CENTS = 100
"""What is left of a debt that a plan clears to less than this much is dust."""

REASONS = (
    ("is out of reach", "more leverage is out of reach"),
    ("leverage cannot be raised at all", "leverage cannot be raised"),
    ("changes nothing but the interest", "the largest debt is the largest collateral"),
    ("cannot raise the health factor any more", "past the point of no return"),
    ("reaches", "out of reach"),
    ("without going below the floor", "nothing can be withdrawn above the floor"),
    ("is below 1", "health below one"),
    ("the oracle's, and the plan allows", "the venue's price is far from the oracle's"),
    ("gives too little", "the venue gives too little"),
    ("has no pools", "the venue has no pool"),
    ("rounds above the floor", "twelve rounds change too little"),
    ("nobody lends", "nobody lends enough for one transaction"),
    ("another token than the debt", "the only collateral is the debt's own token"),
    ("cannot be hit", "too little is owed to hit the goal"),
    ("owes nothing", "nothing is owed"),
    ("already", "there already"),
    ("can leave the market", "nothing of the collateral can leave the market"),
    ("cannot pay out", "nothing can leave the market"),
    ("must be sold whole before", "collateral of zero loan-to-value cannot leave"),
    ("ReservePaused", "a reserve is paused"),
    ("the market would refuse", "the market would refuse"),
    ("below the floor", "the goal is below the floor"),
    ("would lower the health factor", "a round would lower health"),
    ("leaves", "the collateral does not pay the debt"),
)
"""Parts of a refusal's words, and what it is counted as."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What is drawn: an account, a goal, limits. `raised` is in basis points of the present health; 0 closes.

    `up` is zero, or how many hundredths of the way to a health factor of 1.05 the goal lies below the present one.
    """

    market: str
    recipe: Recipe
    goal: str
    raised: int
    up: int
    slippage: Decimal
    floor: Decimal
    wallet: dict[str, int]
    conditions: Conditions = CALM


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not happen to a plan that was offered."""

    kind: str
    what: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """Why nothing was offered, or what came of the plan; `whole` says that it was not a labelled part."""

    refused: str | None = None
    whole: bool = False
    shape: str = ""
    findings: tuple[Finding, ...] = ()


def draw(random: Random, pools: Sequence[str]) -> Trial:
    """Return a trial: one to four collaterals, one to three debts, one in four in e-mode, any goal, maybe trouble."""
    market = random.choice(("main", "main", "spark"))
    symbols = SYMBOLS[market]
    e_mode = random.random() < 0.25
    collaterals = random.sample(symbols, random.randint(1, 4))
    debts = random.sample(E_MODE_ASSETS if e_mode else symbols[:5], random.randint(1, 2 if e_mode else 3))
    recipe = Recipe(
        owner=checksum("0x" + random.randbytes(20).hex()),
        supplies={symbol: random.randint(10_000, 20_000_000) for symbol in collaterals},
        disabled=frozenset(symbol for symbol in collaterals[1:] if random.random() < 0.15),
        borrows={symbol: random.randint(500, 9_800) for symbol in debts},
        e_mode=e_mode,
        elapsed=random.choice((12, 3_600, 86_400)),
    )
    return Trial(
        market=market,
        recipe=recipe,
        goal=random.choice(("health-factor", "health-factor", "leverage", "close")),
        raised=random.randint(50, 12_000),
        up=random.randint(3, 90) if random.random() < 0.4 else 0,
        slippage=random.choice((Decimal("0.003"), Decimal("0.005"), Decimal("0.02"))),
        floor=random.choice((Decimal("1.02"), Decimal("1.005"), Decimal("1.1"))),
        wallet={symbol: random.randint(1, 500_000) for symbol in debts if random.random() < 0.3},
        conditions=draw_conditions(random, list(dict.fromkeys((*collaterals, *debts))), pools),
    )


def try_one(world: World, trial: Trial) -> Outcome:
    """Make the account, plan, try the plan, and put the chain back as it was."""
    with put_back(world):
        open_account(world, trial)
        bring_about(world, trial.market, trial.conditions)
        with connected(world) as session:
            return _tried(world, session, trial)


def open_account(world: World, trial: Trial) -> None:
    """Make the account of a trial, with what its wallet has and ether for gas."""
    open_position(world, trial.market, trial.recipe)
    for symbol in trial.recipe.borrows:
        spend(world, symbol, trial.recipe.owner)
    for symbol, cents in trial.wallet.items():
        give(world, symbol, trial.recipe.owner, amount_of(world, symbol, cents))
    world.rpc("anvil_setBalance", trial.recipe.owner, hex(10**20))


def _tried(world: World, session: Session, trial: Trial) -> Outcome:
    entry = world.market(trial.market)
    account = read_account(session, trial.recipe.owner, protocol=entry.protocol, market=entry.market)
    try:
        plan = make_plan(session, account, question_of(account, trial))
    except Infeasible as refusal:
        return Outcome(refused=reason_of(refusal))
    report = try_plan(session, plan, engine="simulate-v1")
    findings = tuple(_findings(session, account, plan, report))
    return Outcome(whole=not plan.label, shape=_shape(plan), findings=findings)


def question_of(account: LendingAccount, trial: Trial) -> PlanQuestion:
    """Return what a trial asks for its account."""
    return PlanQuestion(_goal(account, trial), trial.slippage, trial.floor, 600, may_lever=bool(trial.up))


def _goal(account: LendingAccount, trial: Trial) -> Goal:
    if account.health_factor is None or trial.goal == "close":
        return Goal("close", None)
    if trial.up:
        return _goal_up(account, trial)
    if trial.goal == "leverage" and account.equity_value > 0:
        above_one = Decimal(account.debt_value) / account.equity_value
        wanted = 1 + above_one * 10_000 / (10_000 + trial.raised)
        return Goal("leverage", wanted.quantize(Decimal("1e-6")))
    target = Decimal(account.health_factor * (10_000 + trial.raised)) / 10_000 / WAD
    return Goal("health-factor", target.quantize(Decimal("1e-6")))


def _goal_up(account: LendingAccount, trial: Trial) -> Goal:
    """Return a goal of more leverage: by so much of the way to where health is 1.05, or debt by as much again."""
    part = Decimal(trial.up) / 100
    health = Decimal(account.health_factor or WAD) / WAD
    if trial.goal == "leverage" and account.equity_value > 0:
        now = Decimal(account.collateral_value) / account.equity_value
        return Goal("leverage", (now + part * (now - 1 + Decimal("0.5"))).quantize(Decimal("1e-6")))
    lowest = Decimal("1.05")
    return Goal("health-factor", max(health - (health - lowest) * part, lowest).quantize(Decimal("1e-6")))


def reason_of(refusal: Infeasible) -> str:
    """Return what a refusal is counted as."""
    return next((reason for part, reason in REASONS if part in refusal.fact), refusal.fact)


def _shape(plan: Plan) -> str:
    swaps = [step.action for step in plan.steps if isinstance(step.action, Swap)]
    sold = {swap.route[0].token_in for swap in swaps}
    repaid = {step.action.asset for step in plan.steps if isinstance(step.action, Repay)}
    if plan.levers:
        return f"{plan.goal.kind}: up"
    actions = [step.action for step in plan.steps]
    is_split = any(isinstance(one, Swap) and isinstance(other, Swap) for one, other in pairwise(actions))
    return f"{plan.goal.kind}: {len(sold)} sold, {len(repaid)} repaid{', along two routes at once' if is_split else ''}"


def _findings(session: Session, account: LendingAccount, plan: Plan, report: SimulationReport) -> Iterator[Finding]:
    """Yield whatever is wrong with what the chain made of the plan."""
    bad = [step for step in report.steps if step.status != "ok"]
    if bad:
        yield Finding("reverted", f"step {bad[0].index}: {bad[0].revert_reason}")
        return
    floor = min(plan.floor, (account.health_factor or plan.floor) - A_MILLIONTH)
    for step in report.steps:
        if step.health_factor is not None and step.health_factor < floor:
            yield Finding("below_floor", f"step {step.index}: {step.health_factor} under {floor}")
    for check in report.conditions:
        if not check.holds:
            kind = "allowances_left" if check.condition.kind == "allowance-zero" else "broken_promise"
            yield Finding(kind, f"{check.condition} found {check.found}")
    yield from goal_findings(plan, (report.health_factor, report.debt_value, report.collateral_value))
    yield from _dust(account, plan)


def goal_findings(plan: Plan, found: tuple[int | None, int | None, int | None]) -> Iterator[Finding]:
    """Yield what lies outside the goal and a hundredth above it; a leverage is held against its promise's values.

    `found` is the health factor, and the values of what is owed and of what is supplied.
    """
    health, owed, supplied = found
    if plan.label or plan.goal.value is None:
        if not plan.label and found != (None, 0, 0):
            yield Finding("off_target", f"closing left {owed} owed, {supplied} supplied")
        return
    if health is None or supplied is None or owed is None:
        return
    if plan.goal.kind == "health-factor":
        over = health - int(plan.goal.value * WAD)
        if not 0 <= over <= RESULT_BAND:
            yield Finding("off_target", f"{health} for {plan.goal.value}")
        return
    leverage = Decimal(supplied) / (supplied - owed)
    if not plan.goal.value - Decimal("0.01") <= leverage <= plan.goal.value:
        yield Finding("off_target", f"leverage {leverage} for {plan.goal.value}")


def _dust(account: LendingAccount, plan: Plan) -> Iterator[Finding]:
    """Yield debts that the plan repays almost, and does not clear."""
    if plan.label:
        return
    limits = {each.token: each.limit for each in plan.post_conditions if each.kind == "debt-at-most"}
    for leg in account.legs:
        left = limits.get(leg.asset)
        if leg.side != "borrow" or not left or left >= leg.amount:
            continue
        cents = Decimal(leg.value) * left / leg.amount / 10 ** (account.quote_decimals - 2)
        if cents < DUST_CENTS and Decimal(leg.value) / 10 ** (account.quote_decimals - 2) >= DUST_CENTS:
            yield Finding("dust", f"{left} of {leg.amount} {leg.asset.symbol} left")
