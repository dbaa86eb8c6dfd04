"""EIP-1559 fees and gas limits: what a transaction may cost, from what the last blocks cost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor
from statistics import median_low

from defilev.chain.node import Node
from defilev.chain.values import FeeHistory
from defilev.errors import Refused
from defilev.model.request import Block
from defilev.units import mul_div_up

__all__ = ["TIP_FLOOR", "Fees", "capped_fees", "fee_cap", "gas_limit", "raised_fees", "read_fees", "suggest_fees"]

TIP_FLOOR = 10**7
"""Wei per gas; 0.01 gwei."""

_BLOCKS = 10
_PERCENTILE, _URGENT_PERCENTILE = 50, 95
_FULL_BLOCKS, _URGENT_FULL_BLOCKS = 2, 4
"""How many times the next base fee a transaction can pay: it rises by an eighth in a full block."""

CALM_CAP = 100 * 10**9
"""Wei per gas that a rebalance pays at most when nothing is urgent."""

CALM_PART, URGENT_PART = Fraction(1, 100), Fraction(1, 5)
"""What gas may cost: a part of the value that is moved, or of the loss that is avoided."""


@dataclass(frozen=True, slots=True)
class Fees:
    """Wei per gas."""

    max_fee_per_gas: int
    max_priority_fee_per_gas: int

    def within(self, most: int) -> Fees:
        """Return the fees with a maximum of `most` at the most: in a spike it is bid to a limit, not refused for it.

        Fees of more than four times as much are left as they are, for the policy to refuse: less would not be included.
        """
        if most * _URGENT_FULL_BLOCKS < self.max_fee_per_gas:
            return self
        highest = min(self.max_fee_per_gas, most)
        return Fees(highest, min(self.max_priority_fee_per_gas, highest))


def read_fees(
    node: Node, *, at: Block, tip_floor: int = TIP_FLOOR, is_urgent: bool = False, cap: int | None = None
) -> Fees:
    """Return the fees that the ten blocks up to `at` suggest, with a tip that leaves the base fee its part of `cap`.

    Raises:
        Refused: the chain has no base fee.
    """
    if at.base_fee is None:
        raise Refused(
            "this chain has no EIP-1559 base fee, and defilev signs EIP-1559 transactions only",
            fix="accounts on this chain can be read, not acted on",
        )
    percentile = _URGENT_PERCENTILE if is_urgent else _PERCENTILE
    history = node.fee_history(_BLOCKS, percentiles=[percentile], newest=at)
    times = _URGENT_FULL_BLOCKS if is_urgent else _FULL_BLOCKS
    return suggest_fees(history, tip_floor=tip_floor, times=times, cap=cap)


def suggest_fees(
    history: FeeHistory, *, tip_floor: int = TIP_FLOOR, times: int = _FULL_BLOCKS, cap: int | None = None
) -> Fees:
    """Return fees that survive about six full blocks: twice the next base fee plus the tip.

    The tip is the median over the blocks of their tips at the percentile that was asked for, at least `tip_floor` (wei
    per gas); of an even number of blocks it is the lower middle. With a `cap` it is no more than that leaves
    beside the next base fee: blocks full of liquidators' bids are no measure of what it takes to be included.
    """
    tips = [percentiles[0] for percentiles in history.rewards]
    tip = median_low(tips) if tips else 0
    tip = max(tip if cap is None else min(tip, cap - history.next_base_fee), tip_floor)
    return Fees(max_fee_per_gas=times * history.next_base_fee + tip, max_priority_fee_per_gas=tip)


def capped_fees(fees: Fees, *, base_fee: int, cap: int) -> Fees:
    """Return `fees` with a maximum within `cap`, as far as the block after one with `base_fee` can still include them.

    What a plan costs was shown before it was begun; the cap holds what is offered beyond that, as room for spikes.
    """
    least = _eighth_more(base_fee) + fees.max_priority_fee_per_gas
    return replace(fees, max_fee_per_gas=min(fees.max_fee_per_gas, max(cap, least)))


def raised_fees(before: Fees, *, base_fee: int, cap: int, is_urgent: bool = False) -> Fees | None:
    """Return the fees of the next transaction of the same nonce, `None` when the cap leaves no room for them.

    Both rise by an eighth at least, rounded up, since nodes replace nothing for less than a tenth more; the maximum
    follows the base fee, so that a spike is met at once and not an eighth at a time. An urgent tip doubles.

    Args:
        base_fee: the newest block's, in wei per gas.
        cap: wei per gas that the maximum does not exceed.
    """
    tip = _eighth_more(before.max_priority_fee_per_gas)
    if is_urgent:
        tip = max(tip, 2 * before.max_priority_fee_per_gas)
    least = max(_eighth_more(before.max_fee_per_gas), tip)
    if least > cap:
        return None
    return Fees(max_fee_per_gas=min(max(least, 2 * base_fee + tip), cap), max_priority_fee_per_gas=tip)


def fee_cap(*, gas: int, moved: Fraction | None, at_risk: Fraction | None, most: int) -> int:
    """Return the most wei per gas that raised fees may reach.

    Args:
        gas: what the plan's transactions use at most.
        moved: the value that the plan moves, in wei; `None` when the native asset has no price.
        at_risk: what a liquidation would cost, in wei, when acting is urgent; `None` when it is not.
        most: the policy's own bound, in wei per gas.
    """
    if at_risk is not None:
        return min(most, max(CALM_CAP, floor(at_risk * URGENT_PART / gas)))
    return min(most, CALM_CAP) if moved is None else min(most, CALM_CAP, floor(moved * CALM_PART / gas))


def _eighth_more(fee: int) -> int:
    return mul_div_up(fee, 9, 8)


def gas_limit(*, planned: int, estimated: int) -> int:
    """Return the gas limit: the plan's, or a quarter above the node's estimate (rounded up) where that is more."""
    return max(planned, mul_div_up(estimated, 5, 4))
