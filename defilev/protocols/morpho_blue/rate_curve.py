"""Morpho's adaptive rate model (`AdaptiveCurveIrm`), to the last digit; pure integers.

A curve over utilisation with its kink at 90 %: the rate there is `rate_at_target`, a quarter of it at zero and four
times it at full use. The rate at target itself drifts, exponentially and in proportion to the distance from the kink.
Everything is scaled by 1e18, per second, and divisions truncate toward zero.
"""

from __future__ import annotations

from defilev.protocols.morpho_blue.state import Totals
from defilev.units import SECONDS_PER_YEAR, WAD

__all__ = ["STEEPNESS", "TARGET_UTILISATION", "rate_over", "utilisation_error"]

STEEPNESS = 4 * WAD
TARGET_UTILISATION = 9 * WAD // 10
ADJUSTMENT_SPEED = 50 * WAD // SECONDS_PER_YEAR
INITIAL = 4 * WAD // 100 // SECONDS_PER_YEAR
LOWEST = WAD // 1000 // SECONDS_PER_YEAR
HIGHEST = 2 * WAD // SECONDS_PER_YEAR

_LN_2 = 693_147_180_559_945_309
_EXP_IS_ZERO_BELOW = -41_446_531_673_892_822_312
_EXP_IS_LARGEST_FROM = 93_859_467_695_000_404_319
_LARGEST_EXP = 57_716_089_161_558_943_949_701_069_502_944_508_345_128_422_502_756_744_429_568


def rate_over(rate_at_target: int, totals: Totals, *, elapsed: int) -> tuple[int, int]:
    """Return the average borrow rate over the `elapsed` seconds since the last update, and the rate at target then.

    What `borrowRateView` returns, and what `borrowRate` would store; a `rate_at_target` of zero is a market that was
    never updated.
    """
    error = utilisation_error(totals)
    average, end = _rate_at_target(rate_at_target, error, elapsed)
    return _on_curve(average, error), end


def utilisation_error(totals: Totals) -> int:
    """Return how far the stored utilisation is from the kink, relative to the room on that side, in wad."""
    used = totals.borrow_assets * WAD // totals.supply_assets if totals.supply_assets else 0
    room = WAD - TARGET_UTILISATION if used > TARGET_UTILISATION else TARGET_UTILISATION
    return _divide((used - TARGET_UTILISATION) * WAD, room)


def _rate_at_target(start: int, error: int, elapsed: int) -> tuple[int, int]:
    """Return the average over the time and the value at its end."""
    if start == 0:
        return INITIAL, INITIAL
    drift = _divide(ADJUSTMENT_SPEED * error, WAD) * elapsed
    if drift == 0:
        return start, start
    end = _drifted(start, drift)
    middle = _drifted(start, _divide(drift, 2))
    return _divide(start + end + 2 * middle, 4), end


def _drifted(start: int, drift: int) -> int:
    return min(max(_divide(start * _exp(drift), WAD), LOWEST), HIGHEST)


def _on_curve(rate_at_target: int, error: int) -> int:
    coefficient = WAD - _divide(WAD * WAD, STEEPNESS) if error < 0 else STEEPNESS - WAD
    return _divide((_divide(coefficient * error, WAD) + WAD) * rate_at_target, WAD)


def _exp(x: int) -> int:
    """Return e to the power of x, both in wad: a power of two times a Taylor polynomial of degree two."""
    if x < _EXP_IS_ZERO_BELOW:
        return 0
    if x >= _EXP_IS_LARGEST_FROM:
        return _LARGEST_EXP
    half = _LN_2 // 2
    power = _divide(x + (-half if x < 0 else half), _LN_2)
    rest = x - power * _LN_2
    value = WAD + rest + _divide(_divide(rest * rest, WAD), 2)
    return value << power if power >= 0 else value >> -power


def _divide(numerator: int, divisor: int) -> int:
    """Return the quotient truncated toward zero, as Solidity divides signed integers; `divisor` is positive."""
    return numerator // divisor if numerator >= 0 else -(-numerator // divisor)
