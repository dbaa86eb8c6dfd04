"""The staircase upwards: borrow, buy more collateral and supply it, in rounds that the market allows one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from defilev.errors import Infeasible
from defilev.model.account import LendingAccount
from defilev.model.headroom import Headroom
from defilev.model.plan import Borrow, Plan, Supply
from defilev.model.request import Read
from defilev.plan.assemble import assemble
from defilev.plan.choose import rank, read_routes
from defilev.plan.divergence import too_far
from defilev.plan.goals import Aim
from defilev.plan.inputs import MAX_ROUNDS
from defilev.plan.lever_inputs import LeverInputs
from defilev.plan.lever_refusals import require_allowed, require_fresh, require_within, short_of
from defilev.plan.path import Path, borrow_of, start, supply_of
from defilev.plan.purchase import Purchase, buying, debt_for, purchase_of, spending
from defilev.plan.quoting import Sold, find_fill
from defilev.plan.rounds import FLOOR_MARGIN, overshot, reached
from defilev.plan.sale import Fill, allow_market, require_venue
from defilev.plan.search import largest
from defilev.plan.words import goal_text, health_text, percent_text
from defilev.units import BPS
from defilev.venues.contract import Route

__all__ = ["has_room", "plan_levering"]

LTV_ROOM = 200
"""One part of the debt in this many stays borrowable: a price that falls by half a per cent reverts no step."""

SPARE = Fraction(21, 20)
"""A round is sized up to this multiple of what the formula says, which knows of no rounding and no interest."""

STEPS_PER_ROUND = 5

SMALL_PART = 1000
"""What is still needed is tried in this part, to learn what forbids even so little."""


@dataclass(frozen=True, slots=True)
class _Climb:
    """What every round of a plan shares."""

    inputs: LeverInputs
    purchase: Purchase
    headroom: Headroom
    routes: Sequence[Route]
    aim: Aim


def plan_levering(inputs: LeverInputs) -> Read[Plan]:
    """Return the plan that raises leverage to the goal of `inputs`, all of it.

    Partial is only what supplies what an earlier plan left in the wallet, and finds the goal passed by then.

    Yields what the market's caps leave, and the venue's quotes; the same inputs and answers give the same plan.

    Raises:
        Infeasible: the market, the venue, the floor or the user's own maximum does not allow it; the facts say which
            of them binds, and the leverage that can be reached.
        StalePrice, SequencerDown: the prices that the goal rests on are not up to date.
        VenueDiverges: the venue's price lies too far from the oracle's.
        UnknownName: a chosen collateral or debt is not in the market.
        PriceMissing: the oracle has no price for it.
    """
    base = inputs.base
    require_allowed(inputs)
    purchase = purchase_of(inputs)
    added = (purchase.borrowed, purchase.bought)
    require_fresh(base.account, inputs.protocol, limits=inputs.price_limits, added=added)
    path, venue = start(base), require_venue(base)
    headroom = yield from inputs.protocol.headroom(
        base.account,
        supply=purchase.bought,
        borrow=purchase.borrowed,
        at=path.latest_time(STEPS_PER_ROUND * MAX_ROUNDS),
    )
    routes = yield from _routes(inputs, purchase)
    climb = _Climb(inputs, purchase, headroom, routes, Aim(base.goal))
    path, sold = yield from _from_hand(climb, path)
    if label := _passed(climb, path):
        return assemble(base, path, label)
    for _ in range(MAX_ROUNDS):
        if not overshot(path, climb.aim):
            break
        amount = _round_amount(climb, path)
        try:
            fill = yield from find_fill(venue, purchase.sale, routes, sold, amount)
        except Infeasible as refusal:
            raise short_of(inputs, path, refusal.fact) from None
        path, sold = buying(path, base, purchase, fill), sold.with_fill(purchase.sale, fill)
    if overshot(path, climb.aim):
        raise short_of(inputs, path, _why_not(climb, path))
    require_within(inputs, path)
    return assemble(base, path, "")


def _from_hand(climb: _Climb, path: Path) -> Read[tuple[Path, Sold]]:
    """Return the path after supplying what an earlier plan bought, or borrowed and did not come to sell."""
    base, purchase, sold = climb.inputs.base, climb.purchase, Sold()
    held = {each.token: each.amount for each in base.in_hand}
    if bought := held.get(purchase.bought, 0):
        path = allow_market(path, purchase.bought, bought).then(Supply(purchase.bought, bought))
    if amount := held.get(purchase.borrowed, 0):
        fill = yield from find_fill(require_venue(base), purchase.sale, climb.routes, sold, amount)
        path, sold = spending(path, base, purchase, fill), sold.with_fill(purchase.sale, fill)
    return path, sold


def _passed(climb: _Climb, path: Path) -> str:
    """Return the label of a plan that supplies what was in hand, where that leaves more leverage than the goal."""
    if not path.actions or (climb.aim.nearly_reached(path.first) and climb.aim.nearly_reached(path.last)):
        return ""
    return (
        f"PARTIAL: supplying what an earlier run left reaches a health factor of {health_text(path.health_factor())}, "
        f"which is beyond {goal_text(climb.inputs.base.goal)}; plan again afterwards"
    )


def _routes(inputs: LeverInputs, purchase: Purchase) -> Read[tuple[Route, ...]]:
    """Return the best routes for about what must be borrowed in all."""
    sale, base = purchase.sale, inputs.base
    found = yield from read_routes(base, [sale])
    threshold = _threshold(inputs, purchase)
    (ranked,) = yield from rank(base, {sale: debt_for(base.account, base.goal, purchase, threshold=threshold)}, found)
    if ranked.apart is not None:
        raise too_far(base, sale, ranked.apart)
    return ranked.routes


def _threshold(inputs: LeverInputs, purchase: Purchase) -> Fraction:
    """Return the liquidation threshold of what is bought, that of all collateral where none of it is held yet."""
    account = inputs.base.account
    for leg in account.legs:
        if leg.side == "supply" and leg.asset == purchase.bought and leg.liquidation_threshold is not None:
            return Fraction(leg.liquidation_threshold, BPS)
    return Fraction(account.liquidation_threshold or 0, BPS)


def _round_amount(climb: _Climb, path: Path) -> int:
    """Return what the next round borrows: what reaches the goal, or else the most that everything allows.

    Raises:
        Infeasible: nothing can be borrowed, or the goal cannot be hit closely enough.
    """
    high = _most(climb, path)
    if high == 0:
        why = _tried(climb, path, max(_needed(climb, path) // SMALL_PART, 1))
        raise short_of(climb.inputs, path, why if isinstance(why, str) else "too little is left to borrow")

    def lands(amount: int) -> bool:
        after = _tried(climb, path, amount)
        return isinstance(after, Path) and reached(after, climb.aim)

    if lands(high):
        return high
    amount = largest(lands, high)
    after = _tried(climb, path, amount)
    if isinstance(after, str) or overshot(after, climb.aim):
        raise Infeasible(
            "the goal cannot be hit: so little is owed that rounding, or interest until the plan expires, moves the "
            "result too far",
            fix="choose another goal, or shorten --expires",
        )
    return amount


def _needed(climb: _Climb, path: Path) -> int:
    """Return about how much must still be borrowed."""
    threshold = _threshold(climb.inputs, climb.purchase)
    return debt_for(path.last, climb.inputs.base.goal, climb.purchase, threshold=threshold)


def _most(climb: _Climb, path: Path) -> int:
    """Return the most that one more round may borrow, a little more than what is needed where nothing forbids it."""
    return largest(lambda amount: isinstance(_tried(climb, path, amount), Path), int(_needed(climb, path) * SPARE) + 1)


def _why_not(climb: _Climb, path: Path) -> str:
    """Return what first forbids a larger round, where a plan has no more of them."""
    why = _tried(climb, path, int(_most(climb, path) * SPARE) + 1)
    rounds = f"a plan has no more than {MAX_ROUNDS} rounds"
    return rounds if isinstance(why, Path) else f"{why}, and {rounds}"


def _tried(climb: _Climb, path: Path, amount: int) -> Path | str:
    """Return the path after a round that borrows `amount` and gets the least for it, or what forbids that in words."""
    base, purchase = climb.inputs.base, climb.purchase
    fill = Fill(amount, purchase.sale.minimum_out(amount))
    if fill.minimum_out <= 0:
        return f"{amount} base units of {purchase.borrowed.symbol} buy nothing"
    if (limit := _full(climb, path, fill)) is not None:
        return f"{limit} is reached"
    try:
        borrowed = path.since().then(Borrow(purchase.borrowed, amount))
        after = spending(borrowed, base, purchase, fill)
    except Infeasible as refusal:
        return refusal.fact
    if not (has_room(borrowed.first) and has_room(borrowed.last)):
        return f"the loan-to-value of {_percent(borrowed.last)} lets no more be borrowed"
    if after.lowest is not None and after.lowest < base.floor + FLOOR_MARGIN:
        return f"the health factor would fall below the floor of {health_text(base.floor)}"
    return after


def _full(climb: _Climb, path: Path, fill: Fill) -> str | None:
    """Return the name of the cap that a round would exceed, with what the rounds before it took."""
    account, purchase, headroom = climb.inputs.base.account, climb.purchase, climb.headroom
    borrowed = borrow_of(path.last, purchase.borrowed.address) - borrow_of(account, purchase.borrowed.address)
    supplied = supply_of(path.last, purchase.bought.address) - supply_of(account, purchase.bought.address)
    for room, used in ((headroom.borrow, borrowed + fill.amount), (headroom.supply, supplied + fill.minimum_out)):
        if room is not None and used > room.amount:
            return room.limit
    return None


def has_room(account: LendingAccount) -> bool:
    """Return whether a little more could be borrowed, so that prices which move a little revert nothing."""
    return account.available_borrows * LTV_ROOM >= account.debt_value


def _percent(account: LendingAccount) -> str:
    return percent_text(Fraction(account.loan_to_value or 0, BPS))
