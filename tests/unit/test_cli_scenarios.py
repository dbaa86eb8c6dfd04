"""What-if options as they are typed."""

from __future__ import annotations

from decimal import Decimal

import pytest

from defilev.cli.scenarios import parse_changes, parse_health_limit, parse_shocks
from defilev.errors import InvalidNumber, UsageError


def test_changes_are_fractions_in_their_order() -> None:
    """A list of percentages, with our own minus sign and with spaces too, becomes fractions."""
    assert (Decimal("-0.1"), Decimal("-0.2"), Decimal("0.055")) == parse_changes("-10%, −20% ,5.5%")


@pytest.mark.parametrize(
    "text",
    ["abc", "-10", "0%", "-0%", "-100%", "-150%", "nan%", "1e400%", "1e30%", "inf%", "", "-10%,", "%", "-10%;-20%"],
)
def test_what_is_no_change_is_refused(text: str) -> None:
    """Text, missing signs, nothing, everything and absurdities are refused with a fix."""
    with pytest.raises(InvalidNumber) as refused:
        parse_changes(text)

    assert 2 == refused.value.exit_code
    assert "%" in refused.value.fix


def test_shocks_have_names_and_changes() -> None:
    """Several named shocks keep their order, and a repetition counts once."""
    assert (("WETH", Decimal("-0.05")), ("WBTC", Decimal("0.1"))) == parse_shocks(["WETH=-5%", "WBTC=10%", "weth=-5%"])


@pytest.mark.parametrize("texts", [["WETH"], ["=-5%"], ["WETH="], ["WETH=-5%", "WETH=-6%"], [""]])
def test_a_shock_without_a_clear_meaning_is_refused(texts: list[str]) -> None:
    """A shock needs one name and one change."""
    with pytest.raises(UsageError):
        parse_shocks(texts)


@pytest.mark.parametrize("text", ["WETH=-100%", "WETH=abc", "WETH=5", "WETH=0%"])
def test_a_shock_of_an_impossible_size_is_refused(text: str) -> None:
    """The change of a shock obeys the rules of every change."""
    with pytest.raises(InvalidNumber, match="--shock WETH"):
        parse_shocks([text])


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e400", "1.4x", ""])
def test_a_limit_that_is_no_health_factor_is_refused(text: str) -> None:
    """Zero, negative, not finite, too large or no number at all."""
    with pytest.raises(InvalidNumber):
        parse_health_limit(text)


def test_a_limit_is_exact() -> None:
    """A limit keeps all its digits."""
    assert Decimal("1.368880485609536563") == parse_health_limit("1.368880485609536563")
