from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from defilev.errors import InvalidNumber
from defilev.units import (
    UINT256_MAX,
    mul_div_down,
    mul_div_half_up,
    mul_div_up,
    parse_amount,
    parse_decimal,
    parse_percentage,
    to_decimal,
    to_raw,
)

NUMBERS = st.integers(0, UINT256_MAX)


@given(NUMBERS, NUMBERS, st.integers(1, UINT256_MAX))
def test_the_rounding_is_in_the_name(left: int, right: int, divisor: int) -> None:
    """Down is the floor, up at most one more, and half up the nearer of the two."""
    down, up = mul_div_down(left, right, divisor), mul_div_up(left, right, divisor)
    rest = left * right - down * divisor

    assert 0 <= rest < divisor
    assert up == down + (rest > 0)
    assert mul_div_half_up(left, right, divisor) == down + (rest >= divisor - divisor // 2)


@given(NUMBERS, st.integers(0, 36))
def test_base_units_survive_the_decimal(raw: int, decimals: int) -> None:
    """Any 256-bit amount is the same after it has been a decimal."""
    assert raw == to_raw(to_decimal(raw, decimals), decimals)


@pytest.mark.parametrize("text", ["0", "-5", "nan", "inf", "1e400", "1e-400", "", "abc", "1.2345678"])
def test_amounts_that_cannot_be_meant_are_refused(text: str) -> None:
    """An amount is a positive number with no more places than the token has."""
    with pytest.raises(InvalidNumber):
        parse_amount(text, 6)


def test_percentages_need_their_sign() -> None:
    """A percentage is a fraction; without the percent sign it could be either."""
    assert Decimal("0.005") == parse_percentage("0.5%", what="--max-slippage")
    assert Decimal("-0.2") == parse_percentage("−20%", what="--shock")
    with pytest.raises(InvalidNumber):
        parse_percentage("0.5", what="--max-slippage")


def test_underscores_are_read_as_in_python() -> None:
    """Thousands may be set apart."""
    assert Decimal(10_000) == parse_decimal("10_000", what="amount")
