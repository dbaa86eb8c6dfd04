"""How much one round of the staircase may withdraw: sized in exact integers, against the protocol's own rules."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import ceil

from defilev.errors import Infeasible
from defilev.model.plan import Repay, Withdraw
from defilev.model.token import Token
from defilev.plan.goals import Aim
from defilev.plan.inputs import PlanInputs
from defilev.plan.path import Path, borrow_of, supply_of
from defilev.plan.sale import (
    APPROVE_AND_REPAY,
    PAYOFF_BUFFER,
    Fill,
    Sale,
    pay_with_supply,
    repay,
    repay_all,
    repay_part,
    require_venue,
    sell,
    supply_pays,
)
from defilev.plan.search import largest, smallest
from defilev.plan.words import amount_text, health_text
from defilev.units import WAD, mul_div_up

__all__ = [
    "FLOOR_MARGIN",
    "clearing",
    "clearing_amount",
    "closest",
    "easing",
    "overshot",
    "payoff",
    "reached",
    "repayable",
    "repayment_reaches",
    "round_amount",
    "selling",
    "wallet_amount",
]

FLOOR_MARGIN = WAD // 100_000
"""How far above the floor a step is sized, for rates that move while it is on its way."""

SMALLEST_SALE = 10_000
"""Base units below which a sale is rounded away by the pools it goes through."""

SMALLEST_VALUE = Fraction(1, 1000)
"""In quote currency: less may be nothing in a token between two pools."""

NEARLY_ALL = 100
"""One part in so many that is left of a debt for its rounding not to matter."""


def selling(path: Path, inputs: PlanInputs, sale: Sale, fill: Fill) -> Path:
    """Return the path after one round that repays what the sale brings at least, and never more than is owed."""
    amount = min(fill.minimum_out, borrow_of(path.first, sale.debt.address))
    if supply_pays(path, sale):
        return pay_with_supply(path, sale, amount)
    return repay(sell(path, inputs, sale, fill), sale.debt, amount)


def easing(path: Path, inputs: PlanInputs, sale: Sale, fill: Fill) -> Path:
    """Return the path after one round on the way to owing nothing: as `selling`, and the rest can still be closed."""
    if supply_pays(path, sale):
        return selling(path, inputs, sale, fill)
    amount = min(fill.minimum_out, borrow_of(path.first, sale.debt.address))
    return repay_part(sell(path, inputs, sale, fill), sale.debt, amount)


def clearing(path: Path, inputs: PlanInputs, sale: Sale, fill: Fill) -> Path:
    """Return the path after one round that repays everything owed in the sale's debt."""
    if supply_pays(path, sale):
        return pay_with_supply(path, sale, None)
    sold = sell(path, inputs, sale, fill)
    return repay_all(sold, sale.debt, payoff(sold, sale.debt))


def payoff(path: Path, debt: Token) -> int:
    """Return what surely repays all of `debt`, in base units, when it is approved next and repaid after that.

    It is what is owed at the latest, a buffer for rates that move meanwhile, and two units.
    """
    owed = borrow_of(path.at_latest(steps_ahead=APPROVE_AND_REPAY), debt.address)
    return owed + mul_div_up(owed, 1, PAYOFF_BUFFER) + 2


def reached(path: Path, aim: Aim) -> bool:
    """Return whether the goal is reached at both ends of the plan's time."""
    return aim.reached(path.first) and aim.reached(path.last)


def round_amount(path: Path, inputs: PlanInputs, sale: Sale, aim: Aim, *, most: int | None = None) -> int:
    """Return what the next round withdraws: what reaches the goal, or else the most that stays above the floor.

    With `most` it withdraws no more than that.

    Raises:
        Infeasible: nothing can be withdrawn, or the goal cannot be hit closely enough.
    """
    if sale.swaps:
        require_venue(inputs)
    owed = borrow_of(path.first, sale.debt.address)

    def after(amount: int) -> Path:
        return selling(path.since(), inputs, sale, _of_two(sale, amount))

    def allowed(amount: int) -> bool:
        return 0 < sale.minimum_out(amount) <= owed and _stays_above(inputs, lambda: after(amount))

    available = min(_available(path, sale), sale.amount_for(owed))
    high = largest(allowed, available if most is None else min(available, most))
    if high == 0:
        raise _nothing_to_withdraw(path, inputs, sale)
    if not reached(after(high), aim):
        return high
    return closest(lambda amount: reached(after(amount), aim), lambda amount: overshot(after(amount), aim), high)


def clearing_amount(path: Path, inputs: PlanInputs, sale: Sale) -> int | None:
    """Return the least to withdraw for a round that repays all of the sale's debt; `None` when it takes more rounds."""

    def fill(amount: int) -> Fill:
        return _of_two(sale, amount)

    def allowed(amount: int) -> bool:
        return _stays_above(inputs, lambda: sell(path.since(), inputs, sale, fill(amount)))

    most = largest(allowed, _available(path, sale))
    if most == 0:
        return None
    needed = payoff(sell(path, inputs, sale, fill(most)), sale.debt)
    least = max(SMALLEST_SALE, ceil(SMALLEST_VALUE / sale.unit_value)) if sale.swaps else 1

    def enough(amount: int) -> bool:
        return amount >= least and sale.minimum_out(amount) >= max(needed, SMALLEST_SALE if sale.swaps else 1)

    if not enough(most):
        return None
    amount = smallest(enough, most)
    return amount if _stays_above(inputs, lambda: clearing(path.since(), inputs, sale, fill(amount))) else None


def _of_two(sale: Sale, amount: int) -> Fill:
    """Return a sale as it is sized: with the time that two swaps take, since it may go along two routes."""
    return Fill(amount, sale.minimum_out(amount), beside=Fill(0, 0))


def wallet_amount(path: Path, debt: Token, held: int, aim: Aim) -> int:
    """Return how much of the `held` base units of `debt` to repay: what reaches the goal, or all of it.

    Of a debt that is repaid but for the interest of seconds, rounding is so large a part that no health is assured: a
    little less is tried too.
    """
    most = repayable(path, debt, min(held, borrow_of(path.first, debt.address)))

    def enough(amount: int) -> bool:
        return repayment_reaches(path, debt, amount, aim)

    ceiling = next((amount for amount in (most, most - most // NEARLY_ALL) if amount and enough(amount)), None)
    if ceiling is None:
        return most
    return closest(enough, lambda amount: overshot(repay(path, debt, amount), aim), ceiling)


def repayable(path: Path, debt: Token, most: int) -> int:
    """Return the largest part of `most` that can be repaid as an amount; all of a debt in shares cannot."""

    def taken(amount: int) -> bool:
        try:
            repay(path, debt, amount)
        except Infeasible:
            return False
        return True

    return largest(taken, most)


def repayment_reaches(path: Path, debt: Token, amount: int, aim: Aim) -> bool:
    """Return whether repaying `amount` base units reaches the goal; never for amounts too small for the market."""
    try:
        return reached(repay(path, debt, amount), aim)
    except Infeasible:
        return False


def overshot(path: Path, aim: Aim) -> bool:
    """Return whether the goal is exceeded by more than a plan may."""
    return aim.overshot(earliest=path.first, latest=path.last)


def closest(holds: Callable[[int], bool], overshoots: Callable[[int], bool], most: int) -> int:
    """Return the smallest amount up to `most` that reaches a goal; raises `Infeasible` when it overshoots."""
    amount = smallest(holds, most)
    if overshoots(amount):
        amount = smallest(holds, amount, unit=1)
    if overshoots(amount):
        raise Infeasible(
            "the goal cannot be hit: what would still be owed is so little that rounding, or interest until the plan "
            "expires, moves the result too far",
            fix="choose another goal, shorten --expires, or use --close",
            smallest_amount=amount,
        )
    return amount


def _available(path: Path, sale: Sale) -> int:
    """Return how much of the collateral can be sold: what is supplied and can leave, if it must."""
    supplied = supply_of(path.first, sale.collateral.address)
    if supply_pays(path, sale):
        return supplied
    return min(supplied, path.protocol.liquidity(path.first, sale.collateral.address))


def _stays_above(inputs: PlanInputs, trial: Callable[[], Path]) -> bool:
    try:
        after = trial()
    except Infeasible:
        return False
    return after.lowest is None or after.lowest >= inputs.floor + FLOOR_MARGIN


def _nothing_to_withdraw(path: Path, inputs: PlanInputs, sale: Sale) -> Infeasible:
    symbol = sale.collateral.symbol
    health = path.last.health_factor
    if _available(path, sale) == 0:
        held = supply_of(path.first, sale.collateral.address)
        return Infeasible(
            f"no {symbol} can leave the market: {amount_text(held, sale.collateral)} supplied, "
            "and all of it is lent out or paused",
            fix="sell another with --sell, or wait until the market pays out again",
        )
    if health is not None and health < WAD:
        return Infeasible(
            f"the health factor of {health_text(health)} is below 1: the position can be liquidated, and no collateral "
            "can be withdrawn",
            fix="add collateral",
        )
    try:
        path.then(Repay(sale.debt, borrow_of(path.first, sale.debt.address)))
        path.then(Withdraw(sale.collateral, 1))
    except Infeasible as refusal:
        return _with_zero_ltv_first(refusal, path, sale)
    return Infeasible(
        f"no {symbol} can be withdrawn without going below the floor of {health_text(inputs.floor)}",
        fix="add collateral, or lower --floor",
        health_factor=health_text(health),
    )


def _with_zero_ltv_first(refusal: Infeasible, path: Path, sale: Sale) -> Infeasible:
    """Return `refusal` with the collateral named that must leave before any other, when there is one."""
    for leg in path.first.legs:
        if leg.used_as_collateral and leg.loan_to_value == 0 and leg.asset != sale.collateral:
            fix = f"sell {leg.asset.symbol}, whose loan-to-value is zero, first: --sell {leg.asset.symbol}"
            return Infeasible(refusal.fact, fix=fix, **refusal.facts)
    return refusal
