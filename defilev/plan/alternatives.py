"""The ways to one goal, each a plan of its own or the reason that there is none, ranked by what health costs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from defilev.errors import Infeasible
from defilev.model.account import LendingAccount
from defilev.model.plan import Plan
from defilev.model.request import Address, Read
from defilev.plan.constraints import Constraints
from defilev.plan.inputs import PlanInputs
from defilev.units import to_decimal

__all__ = ["Alternative", "attempt", "gain_per_cost", "health_gain", "loan_ways", "ranked", "total_cost"]


@dataclass(frozen=True, slots=True)
class Alternative:
    """A way to a goal: its plan, or the `refusal` that there is none for, and what would help."""

    constraints: Constraints
    payer: Address | None
    plan: Plan | None
    refusal: str = ""
    fix: str = ""


def loan_ways(account: LendingAccount, wanted: Constraints) -> list[Constraints]:
    """Return the ways of a loan from the widest to the narrowest: mixed, sales, one collateral each, wallet, adding.

    Each keeps what `wanted` says of what is sold, repaid and kept, where that concerns it.
    """
    symbols = [leg.asset.symbol for leg in account.legs if leg.side == "supply"]
    sold = [
        leg.asset.symbol if symbols.count(leg.asset.symbol) == 1 else leg.asset.address
        for leg in account.legs
        if leg.used_as_collateral and leg.value > 0 and wanted.may_sell(leg.asset)
    ]
    return [
        replace(wanted, via="mixed"),
        replace(wanted, via="sell"),
        *(replace(wanted, via="sell", sell=(name,)) for name in sold),
        replace(wanted, via="wallet", sell=()),
        replace(wanted, via="collateral", sell=(), repay=()),
    ]


def attempt(inputs: PlanInputs, made: Read[Plan]) -> Read[Alternative]:
    """Return what comes of planning for `inputs`: `made` is that plan, not yet read."""
    way = Alternative(inputs.constraints, inputs.payer, None)
    try:
        return replace(way, plan=(yield from made))
    except Infeasible as refusal:
        return replace(way, refusal=refusal.fact, fix=refusal.fix or "")


def ranked(found: Iterable[Alternative]) -> tuple[Alternative, ...]:
    """Return the ways with the most health for what they cost first.

    Those that reach the goal come before those that do in part, and what cannot be done is last. Of ways that come to
    the same transactions the narrowest is left, which is the last of them.
    """
    distinct = {_what(way): way for way in found}
    return tuple(sorted(distinct.values(), key=_order))


def health_gain(plan: Plan) -> Decimal | None:
    """Return by how much the health factor rises at least; `None` when nothing is owed before or afterwards."""
    before, after = plan.health_factor_before, plan.promise.health_factor
    return None if before is None or after is None else to_decimal(after - before, 18)


def total_cost(plan: Plan) -> Decimal:
    """Return what is lost at the quotes and paid for gas, in whole quote units; gas without a price counts nothing."""
    return to_decimal(plan.cost.expected + (plan.cost.gas_value or 0), plan.quote_decimals)


def gain_per_cost(plan: Plan) -> Decimal | None:
    """Return the health gained per quote unit that it costs, to six digits; `None` without a gain or without a cost."""
    gain, cost = health_gain(plan), total_cost(plan)
    return None if gain is None or cost <= 0 else (gain / cost).quantize(_step(gain / cost))


def _step(value: Decimal) -> Decimal:
    """Return one in the sixth significant digit of `value`."""
    return Decimal(1).scaleb(value.adjusted() - 5)


def _what(way: Alternative) -> tuple[object, ...]:
    if way.plan is None:
        return (way.constraints, way.payer)
    return (way.plan.actor, *(step.data for step in way.plan.steps))


def _order(way: Alternative) -> tuple[bool, bool, bool, Decimal, Decimal]:
    """Return what sorts the ways: what costs nothing, or pays for itself, is before what costs."""
    if way.plan is None:
        return True, True, True, Decimal(0), Decimal(0)
    cost, gain = total_cost(way.plan), health_gain(way.plan)
    per_cost = gain / cost if gain is not None and cost > 0 else Decimal(0)
    return False, bool(way.plan.label), cost > 0, -per_cost, cost
