"""What a plan for perpetuals depends on, and when an account has reached its goal; pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from defilev.model.account import LendingAccount
from defilev.model.plan import Goal
from defilev.model.request import Address
from defilev.model.token import Token, Wallet
from defilev.plan.constraints import PerpVia
from defilev.protocols.contract import PerpActing
from defilev.units import WAD

__all__ = ["ReduceInputs", "is_reached"]

DEADLINE_ROOM = 600
"""Seconds after the plan's expiry until which its trades may still be included."""


@dataclass(frozen=True, slots=True)
class ReduceInputs:
    """What to plan for perpetuals, and from which state.

    `account` is the loan that they are, `wallet` what the owner holds of its tokens. `via` says whether positions are
    reduced or margin is added. `max_slippage` is a fraction of the mark price, fees included. `market` is the symbol
    or address of the position to begin with, the largest when `None`. Times are as in `PlanInputs`. `payer` adds margin
    from a wallet of its own, which `wallet` then is; the owner when `None`.
    """

    protocol: PerpActing
    account: LendingAccount
    wallet: Wallet
    goal: Goal
    via: PerpVia
    max_slippage: Decimal
    window: int
    block_seconds: Decimal
    gas_price: int
    native: Token | None = None
    market: str | None = None
    payer: Address | None = None

    @property
    def deadline(self) -> int:
        """The Unix time after which no trade of the plan counts."""
        return self.account.block.timestamp + self.window + DEADLINE_ROOM


def is_reached(protocol: PerpActing, account: LendingAccount, goal: Goal, *, room: Fraction = Fraction(0)) -> bool:
    """Tell whether an account of perpetuals has reached a goal, surpassed by `room` of it; without positions it has."""
    if not account.legs or not protocol.positions(account):
        return True
    target = Fraction(goal.value or 0)
    if goal.kind == "leverage":
        leverage = protocol.leverage(account)
        return leverage is not None and leverage * (1 + room) <= target
    found = protocol.margin_ratio(account) if goal.kind == "margin-ratio" else account.health_factor
    return goal.kind != "close" and found is not None and found >= target * WAD * (1 + room)
