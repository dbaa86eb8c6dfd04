"""Where a moved pool ends, and what thinning leaves of its ticks, in the protocol's own numbers."""

from __future__ import annotations

from fractions import Fraction

import pytest

from defilev.venues.uniswap_v3.moving import (
    initialized_ticks,
    scaled_tick_word,
    sqrt_price_after,
    words_around,
)

Q96 = 2**96
HALF = 2**128


@pytest.mark.parametrize(
    ("factor", "expected"), [(Fraction(1, 4), Q96 // 2), (Fraction(4), 2 * Q96), (Fraction(1), Q96)]
)
def test_a_price_moves_by_the_square_of_its_root(factor: Fraction, expected: int) -> None:
    """A quarter of the price is half of its root."""
    assert expected == sqrt_price_after(Q96, factor)


@pytest.mark.parametrize("net", [1001, -1001, 0])
def test_a_tick_keeps_its_sign_and_is_rounded_toward_zero(net: int) -> None:
    """Half of ±1001 is ±500: never more than was there, whichever way the tick is crossed."""
    scaled = scaled_tick_word((net % HALF) * HALF + 3003, Fraction(1, 2))
    found = scaled // HALF

    assert 1501 == scaled % HALF
    assert {1001: 500, -1001: -500, 0: 0}[net] == (found - HALF if found >= HALF // 2 else found)


def test_every_tick_of_the_bitmap_is_found() -> None:
    """A bit is a tick of the spacing, below zero too; the words reach from half to twice the price."""
    assert [-2560, -2550] == initialized_ticks(-1, 0b11, 10)
    assert [2550] == initialized_ticks(0, 1 << 255, 10)
    words = words_around(0, 60)
    assert words[0] * 256 * 60 <= -6932
    assert 6932 < (words[-1] + 1) * 256 * 60
