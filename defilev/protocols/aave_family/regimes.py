"""How the arithmetic of Aave v3 differs from release to release."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from defilev.units import RAY, SECONDS_PER_YEAR, mul_div_down, mul_div_half_up, mul_div_up

__all__ = ["BY_REVISION", "REGIMES", "Regime", "ray_div_half_up", "ray_mul_half_up"]

Rounded = Callable[[int, int, int], int]


def ray_mul_half_up(left: int, right: int) -> int:
    """Return `left * right / 1e27`, halves up: `WadRayMath.rayMul`."""
    return mul_div_half_up(left, right, RAY)


def ray_div_half_up(left: int, right: int) -> int:
    """Return `left * 1e27 / right`, halves up: `WadRayMath.rayDiv`."""
    return mul_div_half_up(left, RAY, right)


def _compound_until_3_3(rate: int, elapsed: int) -> int:
    """`MathUtils.calculateCompoundedInterest` of 3.0 to 3.3: three binomial terms in seconds."""
    if elapsed == 0:
        return RAY
    minus_one = elapsed - 1
    minus_two = max(elapsed - 2, 0)
    squared = ray_mul_half_up(rate, rate) // (SECONDS_PER_YEAR * SECONDS_PER_YEAR)
    cubed = ray_mul_half_up(squared, rate) // SECONDS_PER_YEAR
    second = elapsed * minus_one * squared // 2
    third = elapsed * minus_one * minus_two * cubed // 6
    return RAY + rate * elapsed // SECONDS_PER_YEAR + second + third


def _compound_from_3_4(rate: int, elapsed: int) -> int:
    """`MathUtils.calculateCompoundedInterest` from 3.4: three terms of the exponential."""
    growth = rate * elapsed // SECONDS_PER_YEAR
    return RAY + growth + ray_mul_half_up(growth, growth // 2 + ray_mul_half_up(growth, growth // 6))


@dataclass(frozen=True, slots=True)
class Regime:
    """One release's rules; see `BY_REVISION` for which pool has which.

    `supply_balance` and `debt_balance` turn scaled units times index into base units; `mint_supply`, `burn_supply`,
    `mint_debt` and `burn_debt` turn base units into scaled ones. `exact_health` says that the health factor comes from
    the unrounded weighted thresholds (3.5) instead of their average in whole bps. `counts_zero_threshold` says that
    enabled collateral with threshold zero is part of the collateral value (3.6). `stable_debt` says that debt at a
    stable rate may exist (until 3.1). `e_mode_decides_ltv` says that a zero-LTV reserve has the category's LTV inside
    e-mode (3.6). `isolates` says that single assets can be isolated collateral or siloed debt (until 3.6).
    """

    name: str
    compound: Callable[[int, int], int]
    supply_balance: Rounded
    debt_balance: Rounded
    mint_supply: Rounded
    burn_supply: Rounded
    mint_debt: Rounded
    burn_debt: Rounded
    exact_health: bool
    counts_zero_threshold: bool
    stable_debt: bool
    e_mode_decides_ltv: bool
    isolates: bool


def _regime(name: str) -> Regime:
    release = tuple(int(part) for part in name.split("."))
    directed = release >= (3, 5)
    down, up = (mul_div_down, mul_div_up) if directed else (mul_div_half_up, mul_div_half_up)
    return Regime(
        name=name,
        compound=_compound_from_3_4 if release >= (3, 4) else _compound_until_3_3,
        supply_balance=down,
        debt_balance=up,
        mint_supply=down,
        burn_supply=up,
        mint_debt=up,
        burn_debt=down,
        exact_health=directed,
        counts_zero_threshold=release >= (3, 6),
        stable_debt=release <= (3, 1),
        e_mode_decides_ltv=release >= (3, 6),
        isolates=release <= (3, 6),
    )


REGIMES = {name: _regime(name) for name in ("3.0", "3.1", "3.2", "3.3", "3.4", "3.5", "3.6", "3.7")}

BY_REVISION = {1: "3.0", 2: "3.0", 3: "3.0", 4: "3.1", 5: "3.2", 7: "3.3", 8: "3.4", 9: "3.5", 10: "3.6", 11: "3.7"}
"""Release by `Pool.POOL_REVISION()`; forks number their own, so that probes decide when the two disagree."""
