"""What a feed answers after a move, and the code that answers it, byte by byte where it is short."""

from __future__ import annotations

from fractions import Fraction

import pytest

from defilev.abi import encode
from defilev.abi.function import selector
from defilev.simulate.feed_code import NOW, constant_contract, moved_answers

ROUND = encode(["uint80", "int256", "uint256", "uint256", "uint80"], [7, 3000 * 10**8, 100, 100, 7])


def test_a_round_is_moved_and_fresh() -> None:
    """The answer is multiplied and rounded down, its times are the block's; the round's number stays."""
    moved = moved_answers({"latestRoundData()": ROUND}, Fraction(2, 3))

    assert moved is not None
    assert [7, 2000 * 10**8, NOW, NOW, 7] == moved["latestRoundData()"] == moved["getRoundData(uint80)"]


def test_what_is_no_price_stays() -> None:
    """Decimals and description are answered as before."""
    words = {"latestAnswer()": encode(["int256"], [3]), "decimals()": encode(["uint8"], [8])}
    moved = moved_answers(words, Fraction(1, 2))

    assert {"latestAnswer()": [1], "decimals()": [8]} == moved


@pytest.mark.parametrize(
    "found",
    [{}, {"decimals()": encode(["uint8"], [8])}, {"latestAnswer()": encode(["int256"], [0])},
     {"latestAnswer()": encode(["int256"], [-5])}, {"latestAnswer()": b""}],
)  # fmt: skip
def test_without_a_price_above_zero_there_is_nothing_to_move(found: dict[str, bytes]) -> None:
    """No answer, none that is a price, zero, a negative one, and nothing returned."""
    assert moved_answers(found, Fraction(1, 2)) is None


def test_the_code_is_a_dispatch_a_revert_and_the_blocks() -> None:
    """One function with one word: load the selector, compare, revert; store the word, return it."""
    expected = (
        "60003560e01c" + "8063" + selector("decimals()").hex() + "14" + "610016" + "57" + "60006000fd"
        + "5b" + "6008" + "610000" + "52" + "610020" + "6000" + "f3"
    )  # fmt: skip

    assert bytes.fromhex(expected) == constant_contract({"decimals()": [8]})
