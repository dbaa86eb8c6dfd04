"""EIP-1559 fees and gas limits: what a transaction may cost, from what the last blocks cost."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median_low

from defilev.chain.node import Node
from defilev.chain.values import FeeHistory
from defilev.errors import Refused
from defilev.model.request import Block
from defilev.units import mul_div_up

__all__ = ["TIP_FLOOR", "Fees", "gas_limit", "read_fees", "suggest_fees"]

TIP_FLOOR = 10**7
"""Wei per gas; 0.01 gwei."""

_BLOCKS = 10
_PERCENTILE = 50


@dataclass(frozen=True, slots=True)
class Fees:
    """Wei per gas."""

    max_fee_per_gas: int
    max_priority_fee_per_gas: int


def read_fees(node: Node, *, at: Block, tip_floor: int = TIP_FLOOR) -> Fees:
    """Return the fees that the ten blocks up to `at` suggest.

    Raises:
        Refused: the chain has no base fee.
    """
    if at.base_fee is None:
        raise Refused(
            "this chain has no EIP-1559 base fee, and defilev signs EIP-1559 transactions only",
            fix="accounts on this chain can be read, not acted on",
        )
    return suggest_fees(node.fee_history(_BLOCKS, percentiles=[_PERCENTILE], newest=at), tip_floor=tip_floor)


def suggest_fees(history: FeeHistory, *, tip_floor: int = TIP_FLOOR) -> Fees:
    """Return fees that survive about six full blocks: twice the next base fee plus the tip.

    The tip is the median over the blocks of their median tip, at least `tip_floor` (wei per gas); of an even number of
    blocks it is the lower middle.
    """
    tips = [percentiles[0] for percentiles in history.rewards]
    tip = max(median_low(tips) if tips else 0, tip_floor)
    return Fees(max_fee_per_gas=2 * history.next_base_fee + tip, max_priority_fee_per_gas=tip)


def gas_limit(*, planned: int, estimated: int) -> int:
    """Return the gas limit: the plan's, or a quarter above the node's estimate (rounded up) where that is more."""
    return max(planned, mul_div_up(estimated, 5, 4))
