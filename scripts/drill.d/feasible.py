"""Whose rule can be kept on a path: worked out of position, rule and path alone, before anything runs.

A sale is played by the rule's own arithmetic, one transaction to a block: withdraw, approve, swap, approve, repay. It
is planned on a block that was seen and included from the next one on, round after round until the goal is reached.
Whoever plays it here knows the path: of each round it takes the largest that the account lives through, and none when
there is none. No guard knows as much.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Literal

from cast import GAS_PRICES, SLIPPAGES, THRESHOLDS, Part
from price_path import GWEI, Moment

FLOORS = (1.02, 1.05, 1.1, 1.15, 1.2, 1.3, 1.4)
"""Health factors that a round's withdrawal may leave the account at, the largest round first."""

NEARLY = 0.01
"""How far below its goal an account may end."""

POOL_FEE = 0.005
"""What the route of a sale takes at the most, and more than that."""

Why = Literal["never liquidatable", "the reserve suffices", "the rounds fit", "no key", "too small a reserve",
              "the rounds do not fit"]  # fmt: skip
CAN: frozenset[Why] = frozenset({"never liquidatable", "the reserve suffices", "the rounds fit"})


def reason(part: Part, path: Sequence[Moment], *, dead: Collection[int] = ()) -> Why:
    """Return why a part's rule can be kept on a path, or why it cannot; the former are in `CAN`.

    Args:
        part: as it begins.
        path: block by block.
        dead: blocks in which the guard does nothing, since it was killed.
    """
    lowest = min(moment.price for moment in path)
    if part.health(lowest) >= 1:
        return "never liquidatable"
    if part.authority == "alert-only":
        return "no key"
    if part.authority == "reserve":
        return "the reserve suffices" if part.reserve >= part.need(lowest) else "too small a reserve"
    fits = _Sale(part, part.value, part.owed).is_kept(path, dead)
    return "the rounds fit" if fits else "the rounds do not fit"


ROUND = ("withdraw", "approve", "swap", "approve", "repay")
SWAP_AGAIN = ("swap", "approve", "repay")
"""What is left to do when a swap was refused: what it may take was approved before."""


@dataclass
class _Sale:
    """An account that is sold from by its rule: `value` at the path's first price, `owed` in dollars.

    `hand` is what was withdrawn and not sold yet, at the first price, `brought` the dollars that are to be repaid.
    `price` and `slippage` are those of the newest plan, `steps` what is left of it. `is_begun` from the trigger on
    until the goal is reached.
    """

    part: Part
    value: float
    owed: float
    steps: tuple[str, ...] = ()
    amount: float = 0.0
    hand: float = 0.0
    brought: float = 0.0
    price: float = 0.0
    slippage: float = 0.0
    is_begun: bool = False

    def is_kept(self, path: Sequence[Moment], dead: Collection[int]) -> bool:
        """Tell whether the account is never liquidatable."""
        for place in range(len(path)):
            if not self.lives(path, place, dead):
                return False
            if not self.steps:
                self._plan(path, place, dead)
        return True

    def lives(self, path: Sequence[Moment], place: int, dead: Collection[int]) -> bool:
        """Let a block pass; tell whether the account was not liquidatable at it."""
        if self._health(path[place]) < 1:
            return False
        if self.steps and place not in dead:
            self._step(path[place])
        return True

    def _health(self, moment: Moment, *, without: float = 0.0) -> float:
        worth = THRESHOLDS[self.part.collateral] * (self.value - without) * moment.price
        return worth / self.owed if self.owed > 0 else inf

    def _step(self, moment: Moment) -> None:
        """Let one transaction be included at the prices of a block; what is refused is planned anew."""
        step, *rest = self.steps
        self.steps = tuple(rest)
        if step == "withdraw" and self._health(moment, without=self.amount) < 1:
            self.steps = ()
        elif step == "withdraw":
            self.value, self.hand = self.value - self.amount, self.amount
        elif step == "swap" and self._pays(moment) < self._least():
            self.agree(moment, SWAP_AGAIN)
        elif step == "swap":
            self.brought, self.hand = self._least(), 0.0
        elif step == "repay":
            self.owed -= min(self.brought, self.owed)

    def _pays(self, moment: Moment) -> float:
        return self.hand * moment.price * moment.pool * (1 - POOL_FEE)

    def _least(self) -> float:
        return self.hand * self.price * (1 - self.slippage)

    def _plan(self, path: Sequence[Moment], place: int, dead: Collection[int]) -> None:
        """Plan a round when the trigger fired, the tier pays for the gas, and takes what the pools pay."""
        moment = path[place]
        health = self._health(moment)
        tier = self.part.tier(health)
        self.is_begun = health < (self.part.goal - NEARLY if self.is_begun else self.part.trigger)
        is_dear = moment.base_fee > GAS_PRICES[tier] * GWEI or 1 - moment.pool * (1 - POOL_FEE) > SLIPPAGES[tier]
        if not self.is_begun or is_dear:
            return
        for floor in FLOORS:
            self.amount = self._wanted(moment, SLIPPAGES[tier], floor)
            if self.amount > 0 and self._lives_through(path, place, dead):
                self.agree(moment, ROUND)
                return

    def _lives_through(self, path: Sequence[Moment], place: int, dead: Collection[int]) -> bool:
        trial = replace(self)
        trial.agree(path[place], ROUND)
        for later in range(place + 1, len(path)):
            if not trial.lives(path, later, dead):
                return False
            if not trial.steps:
                break
        return True

    def agree(self, moment: Moment, steps: tuple[str, ...]) -> None:
        """Settle on steps, at the prices of a block and the slippage of the tier that the health is in."""
        self.steps, self.price = steps, moment.price
        self.slippage = SLIPPAGES[self.part.tier(self._health(moment))]

    def _wanted(self, moment: Moment, slippage: float, floor: float) -> float:
        """Return what reaches the goal, or the most that leaves the account at the floor; at the first price."""
        goal, threshold, dearer = self.part.goal, THRESHOLDS[self.part.collateral], 1 / (1 - slippage)
        repaid = (goal * self.owed - threshold * self.value * moment.price) / (goal - dearer * threshold)
        most = self.value - floor * self.owed / (threshold * moment.price)
        return min(min(repaid, self.owed) * dearer / moment.price, most)
