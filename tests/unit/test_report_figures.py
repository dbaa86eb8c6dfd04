"""Numbers as people read them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from defilev.report import figures

THIN = figures.NARROW_SPACE


def _plain(text: str) -> str:
    return text.replace(THIN, " ")


@pytest.mark.parametrize(
    ("raw", "decimals", "expected"),
    [
        (42_500_000_000_000_000_000, 18, "42.500"),
        (98_400_000_000, 6, "98 400.00"),
        (6_220_400_000_000_000_000, 18, "6.2204"),
        (999_999_999, 6, "999.999"),
        (123_456, 8, "0.001234"),
        (3, 6, "0.000003"),
        (1, 18, "1e-18"),
        (123_456_789, 18, "1.234e-10"),
        (5, 0, "5"),
        (0, 18, "0.00"),
    ],
)
def test_an_amount_is_rounded_down_and_shows_what_matters(raw: int, decimals: int, expected: str) -> None:
    """Amounts have the digits that matter at their size, and never more than there is."""
    assert expected == _plain(figures.amount(raw, decimals))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("67886.84", "$67 886.84"),
        ("-12.5", "−$12.50"),
        ("12345678.9", "$12 345 679"),
        ("0", "$0.00"),
        ("0.000003", "$0.000003"),
        ("0.00012345", "$0.00012"),
    ],
)
def test_a_value_has_cents_or_what_is_left_of_them(value: str, expected: str) -> None:
    """Values have cents; a value below a cent is not shown as nothing."""
    assert expected == _plain(figures.dollars(Decimal(value)))


@pytest.mark.parametrize(
    ("value", "expected"),
    [("3912.40", "$3 912.40"), ("0.9999", "$0.9999"), ("10", "$10.00"), ("0.00001234567", "$0.00001235")],
)
def test_a_price_has_four_digits_at_least(value: str, expected: str) -> None:
    """Prices near one show a hundredth of a cent, small ones four digits."""
    assert expected == _plain(figures.price(Decimal(value)))


@pytest.mark.parametrize(
    ("value", "against", "expected"),
    [
        ("1.368880485609536563", "1", "1.369"),
        ("0.9996", "1", "0.9996"),
        ("0.999999999999999999", "1", "0.999999999999999999"),
        ("1", "1", "1.000"),
        ("1.3996", "1.4", "1.3996"),
        ("1.4", "1.4", "1.400"),
        ("622500532.4", "1", "622 500 532"),
    ],
)
def test_a_health_factor_is_never_rounded_across_a_limit(value: str, against: str, expected: str) -> None:
    """Three places, and more where three would say that the limit is reached when it is not."""
    assert expected == _plain(figures.health(Decimal(value), against=Decimal(against)))


def test_no_figure_is_a_dash() -> None:
    """What does not exist is a dash, not a zero."""
    assert ["—", "—", "—"] == [figures.health(None), figures.leverage(None), figures.percent(None)]


def test_an_absurd_ratio_is_a_bound() -> None:
    """Beyond a thousandfold only the bound is told: the digits would say nothing."""
    absurd = Decimal(10) ** 15

    assert [">100 000 %", "<−100 000 %", ">1 000×"] == [
        _plain(text) for text in (figures.percent(absurd), figures.change(-absurd), figures.leverage(absurd))
    ]


def test_a_distance_is_rounded_toward_zero() -> None:
    """The way to liquidation is never shown longer than it is."""
    assert "−26.9 %" == _plain(figures.change(Decimal("-0.26999")))
    assert "+0.08 %" == _plain(figures.change(Decimal("0.00089")))


@pytest.mark.parametrize(("change", "expected"), [("-0.1", "−10 %"), ("-0.125", "−12.5 %"), ("0.30", "+30 %")])
def test_a_shock_is_shown_as_it_was_asked_for(change: str, expected: str) -> None:
    """A change that the user named keeps its digits, without zeros after them."""
    assert expected == _plain(figures.shock(Decimal(change)))


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(11, "11 s"), (60, "1 min"), (3_599, "59 min"), (7_200, "2 h"), (86_400 * 1200, "1 200 d")],
)
def test_a_duration_is_in_its_largest_unit(seconds: int, expected: str) -> None:
    """Time spans are whole numbers of one unit, rounded down."""
    assert expected == _plain(figures.duration(seconds))


def test_text_from_a_chain_cannot_steer_a_terminal() -> None:
    """Escape codes and line breaks in a symbol become question marks."""
    assert "?[31mWETH?" == figures.clean("\x1b[31mWETH\n")


def test_groups_are_apart_by_a_space_that_does_not_break() -> None:
    """Thousands are apart by U+202F, so that two columns are never taken for one number."""
    assert "23\u202f871\u202f204" == figures.block_number(23_871_204)
