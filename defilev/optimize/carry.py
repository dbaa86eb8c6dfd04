"""Carry: what a leverage earns when the borrow rate rises with what is borrowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from defilev.optimize.arguments import above, at_least, finite, open_unit

__all__ = ["BorrowCurve", "best_carry_leverage", "loop_debt", "net_carry"]

BorrowCurve: TypeAlias = Callable[[float], float]
"""The borrow rate per year when the account owes that much, in quote units."""

_GRID = 200
_SECTIONS = 60
_GOLDEN = 0.6180339887498949


def net_carry(leverage: float, supply_rate: float, borrow_rate: float) -> float:
    """Return `Ls − (L−1)b`, the yearly carry per unit of equity."""
    return finite(leverage, what="leverage") * finite(supply_rate, what="supply rate") - (leverage - 1) * finite(
        borrow_rate, what="borrow rate"
    )


def best_carry_leverage(*, equity: float, supply_rate: float, curve: BorrowCurve, ceiling: float) -> float:
    """Return the leverage in [1, `ceiling`] with the highest net carry along the market's own rate curve.

    A grid finds the hill (a kinked curve may have two), golden sections its top. 1 when borrowing never pays.
    """

    def carry(leverage: float) -> float:
        return net_carry(leverage, supply_rate, curve((leverage - 1) * above(equity, 0, what="equity")))

    top = at_least(ceiling, 1, what="ceiling")
    levels = [1 + (top - 1) * place / _GRID for place in range(_GRID + 1)]
    best = max(range(_GRID + 1), key=lambda place: (carry(levels[place]), -place))
    low, high = levels[max(best - 1, 0)], levels[min(best + 1, _GRID)]
    for _ in range(_SECTIONS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        low, high = (low, right) if carry(left) >= carry(right) else (left, high)
    found = (low + high) / 2
    return max((levels[best], found), key=carry)


def loop_debt(*, collateral_yield: float, slope: float, kink: float, pool: float, borrowed: float) -> float:
    """Return the debt that earns most below the kink, `(y·U_k·Q/s₁ − B)/2`, at most up to the kink; at least 0.

    The rate is `s₁·U/U_k` for a utilisation U of a pool of size Q of which B is borrowed already.
    """
    at_kink = open_unit(kink, what="kink") * above(pool, 0, what="pool")
    free = (finite(collateral_yield, what="yield") * at_kink / above(slope, 0, what="slope") - borrowed) / 2
    return max(0.0, min(free, at_kink - borrowed))
