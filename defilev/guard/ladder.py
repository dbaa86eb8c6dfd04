"""The ways to a goal, tried in their order: from a reserve, from the wallet and by a sale, dearer, in part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal

from defilev.errors import Infeasible
from defilev.guard.pace import BLOCKS_OF_SALE
from defilev.model.account import LendingAccount
from defilev.model.guard_rules import AccountRule, TierRule
from defilev.model.plan import Goal, Plan, Step, Swap, Withdraw
from defilev.model.request import Address
from defilev.pipeline.acting import COURSE
from defilev.pipeline.bundling import make_safe_plan
from defilev.pipeline.planning import PlanQuestion, emergency_floor, make_plan, make_repayment
from defilev.pipeline.session import Session
from defilev.plan import Divergence
from defilev.plan.drifting import drift_of, with_drift
from defilev.plan.inputs import MAX_ROUNDS
from defilev.units import WAD

__all__ = ["SALES", "Wanted", "find_plan", "floor_of", "require_lasting", "rounds_of"]

WINDOW = 120
"""Seconds until the first signature at the latest: a plan of the guard is begun at once or made anew."""

SAFE_WINDOW = 4 * 3600
"""Seconds that the owners of a Safe have to sign, unless `expires` in the settings is more."""

MOST_ROUNDS = 36
"""Rounds of one plan while prices stand: just above liquidation each widens what is above it by a fifth at most."""

SALES = frozenset({"wallet-and-sale", "wallet-and-dearer-sale"})
"""The ways that sell."""

_NEAREST = Decimal("0.0001")
_STALE = Decimal(COURSE) / WAD
_TRIES = 5
_HALF = Decimal("0.5")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one account is to be brought to, at which block, and how much may be done for it.

    `question` is what an earlier run of the position leaves to be asked. `fall` is the fraction of its health that the
    account loses with each block.
    """

    session: Session
    account: LendingAccount
    rule: AccountRule
    goal: Goal
    tier: TierRule
    question: PlanQuestion | None = None
    fall: Decimal = Decimal(0)


def find_plan(wanted: Wanted) -> tuple[str, Plan]:
    """Return the first way that reaches the goal with its plan, else the way that comes nearest to it.

    Raises:
        Infeasible: no way raises the health factor; the facts have what each said.
        DataError: the chain does not answer.
    """
    partial: list[tuple[str, Plan]] = []
    said: dict[str, str] = {}
    for way, make in _ways(wanted):
        try:
            plan = make()
        except Infeasible as refusal:
            said[way] = refusal.fact
            continue
        if not plan.label:
            return way, plan
        partial.append((way, plan))
    if not partial:
        raise Infeasible(f"no way leads to {_words(wanted.goal)}", fix="add funds, or act by hand", **said)
    return max(partial, key=lambda found: found[1].promise.health_factor or 0)


def _ways(wanted: Wanted) -> list[tuple[str, Callable[[], Plan]]]:
    rule, tier = wanted.rule, wanted.tier
    reserve: list[tuple[str, Callable[[], Plan]]] = []
    if rule.payer is not None:
        reserve = [("reserve", lambda: _repayment(wanted, rule.payer))]
    if rule.authority == "reserve":
        return reserve
    return [
        *reserve,
        ("wallet-and-sale", lambda: _sale(wanted, tier.slippage / 2)),
        ("wallet-and-dearer-sale", lambda: _sale(wanted, tier.slippage)),
        ("wallet", lambda: _repayment(wanted, None)),
    ]


def _repayment(wanted: Wanted, payer: Address | None) -> Plan:
    question = _question(wanted, wanted.tier.slippage)
    plan = make_repayment(wanted.session, wanted.account, question, payer=payer, most=wanted.tier.size)
    if wanted.rule.authority != "safe":
        return plan
    return with_drift(plan, plan.goal, drift_of(wanted.account, window=question.window))


def _sale(wanted: Wanted, slippage: Decimal) -> Plan:
    """Return the plan within what the tier allows, to a nearer goal when the whole one is too large for it."""
    question = _question(wanted, slippage)
    refusals = []
    for _ in range(_TRIES):
        plan = _made(wanted, question)
        part = _allowed_part(wanted, plan)
        if part >= 1:
            return plan
        refusals.append(_too_large(wanted, plan))
        question = replace(question, goal=_nearer(wanted, plan, part))
    raise refusals[0]


def _made(wanted: Wanted, question: PlanQuestion) -> Plan:
    """Return the plan of the account's own, sized for the wait where it is a Safe whose owners must sign.

    Raises `Infeasible` when it would not last until it is included.
    """
    if wanted.rule.authority == "safe":
        return make_safe_plan(wanted.session, wanted.account, question, safe=wanted.rule.owner)
    plan = make_plan(wanted.session, wanted.account, question)
    require_lasting(plan.steps, fall=wanted.fall)
    return plan


def _allowed_part(wanted: Wanted, plan: Plan) -> Decimal:
    """Return which part of a plan to try instead: what is within the tier's size, half of what is quoted too low.

    1 or more when the plan is within the tier as it is.
    """
    repaid = Decimal(plan_reduction(plan, wanted.account)).scaleb(-plan.quote_decimals)
    part = Decimal(1) if wanted.tier.size is None or not repaid else wanted.tier.size / repaid
    return min(part, _HALF) if _lost(plan, wanted.account) > wanted.tier.divergence else part


def _lost(plan: Plan, account: LendingAccount) -> Decimal:
    """Return how far under the oracle a plan's sales are quoted, as a fraction of what it repays; 0 without a sale."""
    is_sale = any(isinstance(step.action, Swap) for step in plan.steps)
    return Decimal(plan.cost.expected) / max(plan_reduction(plan, account), 1) if is_sale else Decimal(0)


def _too_large(wanted: Wanted, plan: Plan) -> Infeasible:
    """Return why a plan is not within the tier."""
    lost = _lost(plan, wanted.account)
    if lost <= wanted.tier.divergence:
        return Infeasible(
            f"no part of the plan is within the size of {wanted.tier.size}", fix="raise size in this tier"
        )
    return Infeasible(
        f"the venue quotes {lost:.2%} under the oracle, and the tier allows {wanted.tier.divergence:.2%}",
        fix="wait for the two to meet, or raise divergence in this tier",
    )


def require_lasting(steps: Sequence[Step], *, fall: Decimal) -> None:
    """Raise `Infeasible` when prices fall past what the first swap takes before it is included: it would be refused.

    Steps are included one to a block. What the venue quotes under the oracle is spent already: what may still be lost
    lies between the quote and the least that the swap takes. A withdrawal for nothing would leave the account lower;
    what was withdrawn before is sold however fast prices fall: a swap that is refused changes nothing.
    """
    withdrawn = False
    for step in steps:
        withdrawn = withdrawn or isinstance(step.action, Withdraw)
        if isinstance(step.action, Swap):
            if not withdrawn:
                return
            room = 1 - Decimal(step.action.minimum_out) / step.action.quoted_out
            lost = 1 - (1 - fall) ** step.index
            if lost > room:
                raise Infeasible(
                    f"prices fall by {lost:.2%} before the swap is included, and it may lose {room:.2%} from its quote",
                    fix="repay from a reserve, or raise slippage in this tier",
                )
            return


def plan_reduction(plan: Plan, account: LendingAccount) -> int:
    """Return by how much a plan lowers the debt, in quote base units; never below zero."""
    return max(account.debt_value - plan.promise.debt_value, 0)


def _nearer(wanted: Wanted, plan: Plan, part: Decimal) -> Goal:
    now = Decimal(wanted.account.health_factor or 0) / WAD
    end = Decimal(plan.promise.health_factor or 0) / WAD if plan.promise.health_factor else now * 2
    return Goal("health-factor", (now + (end - now) * part * Decimal("0.95")).quantize(_NEAREST, ROUND_DOWN))


def _question(wanted: Wanted, slippage: Decimal) -> PlanQuestion:
    floor = floor_of(Decimal(wanted.account.health_factor or 0) / WAD, fall=wanted.fall)
    divergence = Divergence(wanted.tier.divergence, None, None)
    if wanted.question is not None:
        return replace(
            wanted.question,
            max_slippage=slippage,
            floor=floor,
            window=WINDOW,
            rounds=rounds_of(wanted.fall),
            divergence=divergence,
        )
    waiting = max(wanted.session.settings.expires, SAFE_WINDOW)
    window = waiting if wanted.rule.authority == "safe" else WINDOW
    rounds = MAX_ROUNDS if wanted.rule.authority == "safe" else rounds_of(wanted.fall)
    return PlanQuestion(wanted.goal, slippage, floor, window, rounds=rounds, divergence=divergence)


def rounds_of(fall: Decimal) -> int:
    """Return how many rounds a plan may have: the usual ones when prices fall so fast that it is stale after one."""
    is_stale = 1 - (1 - fall) ** BLOCKS_OF_SALE > _STALE
    return MAX_ROUNDS if is_stale else MOST_ROUNDS


def floor_of(health: Decimal, *, fall: Decimal) -> Decimal:
    """Return the health that no step of a plan may go below.

    It is the usual floor, or what is still above liquidation when prices go on falling until a round is over; halfway
    from the account to liquidation when that is lower than both: a smaller step would not outrun the fall either.
    """
    return emergency_floor(health, over=1 / (1 - fall) ** BLOCKS_OF_SALE)


def _words(goal: Goal) -> str:
    measure = "margin ratio" if goal.kind == "margin-ratio" else "health"
    return "no position" if goal.value is None else f"{measure} {goal.value}"
