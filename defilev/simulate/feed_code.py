"""A price feed that always answers the same, as bytecode: what a fork's feed is replaced by to move its price.

Replacing the code at the feed's own address works on any fork, because nobody's permission is asked, and whoever reads
the feed (a pool's oracle, an adapter, another feed) finds the new answer where it looked before. The contract is

    selector := calldata[0] >> 224
    for each function: if selector = its selector, jump to its block
    revert
    block: write each word to memory, return them

A word is a constant, or the time of the block, so that the answer is fresh whenever it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from fractions import Fraction
from math import floor
from typing import TypeAlias

from defilev.abi.function import selector

__all__ = ["ASKED", "NOW", "Word", "constant_contract", "moved_answers"]


class _Now(Enum):
    TIMESTAMP = "the time of the block"


NOW = _Now.TIMESTAMP

Word: TypeAlias = int | _Now
"""256 bits that a function returns."""

ASKED = (
    "latestRoundData()",
    "latestAnswer()",
    "decimals()",
    "description()",
    "version()",
    "latestRound()",
    "latestTimestamp()",
    "price()",
)
"""What feeds are asked: Chainlink's two interfaces, and `price()` of Morpho's oracles."""

_PRICES: Mapping[str, tuple[int, ...]] = {"latestRoundData()": (1,), "latestAnswer()": (0,), "price()": (0,)}
"""Functions that return a price, and the place of its word."""

_OF_A_ROUND = "getRoundData(uint80)"
_WORD = 32

_STOP_LENGTH = 5
"""Bytes of the revert that ends the dispatch."""

_CASE_LENGTH = 11
"""Bytes of one comparison in the dispatch."""

_DISPATCH = bytes.fromhex("60003560e01c")
"""PUSH1 0, CALLDATALOAD, PUSH1 224, SHR: the selector stays on the stack."""

_REVERT = bytes.fromhex("60006000fd")
_EQUAL, _DUP1, _JUMPI, _JUMPDEST, _MSTORE, _RETURN, _TIMESTAMP = 0x14, 0x80, 0x57, 0x5B, 0x52, 0xF3, 0x42
_PUSH1, _PUSH2, _PUSH4 = 0x60, 0x61, 0x63


def moved_answers(found: Mapping[str, bytes], factor: Fraction) -> dict[str, list[Word]] | None:
    """Return what the feed answers once its price is multiplied by `factor`, rounded down, and is of the block's time.

    Args:
        found: what each function of `ASKED` returned that did not revert.
        factor: above zero.

    Returns:
        `None` when none of the answers is a price above zero.
    """
    moved: dict[str, list[Word]] = {}
    prices: list[int] = []
    for name, data in found.items():
        words = _words(data)
        prices += [words[place] for place in _PRICES.get(name, ()) if place < len(words)]
        moved[name] = list(words)
        if name == "latestRoundData()" and len(words) == 5:
            moved[name] = moved[_OF_A_ROUND] = [words[0], _times(words[1], factor), NOW, NOW, words[4]]
        elif name in _PRICES and words:
            moved[name] = [_times(words[0], factor)]
        elif name == "latestTimestamp()":
            moved[name] = [NOW]
    return moved if any(0 < price < 2**255 for price in prices) else None


def constant_contract(answers: Mapping[str, Sequence[Word]]) -> bytes:
    """Return the code of a contract that answers each function, by its signature, with these words, and reverts else.

    Arguments are not looked at.
    """
    blocks = [_block(words) for words in answers.values()]
    start = len(_DISPATCH) + _CASE_LENGTH * len(blocks) + _STOP_LENGTH
    cases = b""
    for signature, block in zip(answers, blocks, strict=True):
        cases += bytes([_DUP1, _PUSH4]) + selector(signature) + bytes([_EQUAL]) + _push2(start) + bytes([_JUMPI])
        start += len(block)
    return _DISPATCH + cases + _REVERT + b"".join(blocks)


def _block(words: Sequence[Word]) -> bytes:
    code = bytes([_JUMPDEST])
    for place, word in enumerate(words):
        code += _value(word) + _push2(place * _WORD) + bytes([_MSTORE])
    return code + _push2(len(words) * _WORD) + bytes([_PUSH1, 0, _RETURN])


def _value(word: Word) -> bytes:
    if isinstance(word, _Now):
        return bytes([_TIMESTAMP])
    data = word.to_bytes(max(1, -(-word.bit_length() // 8)), "big")
    return bytes([_PUSH1 + len(data) - 1]) + data


def _push2(value: int) -> bytes:
    return bytes([_PUSH2]) + value.to_bytes(2, "big")


def _words(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + _WORD], "big") for at in range(0, len(data) - len(data) % _WORD, _WORD)]


def _times(word: int, factor: Fraction) -> int:
    return floor(word * factor) if word < 2**255 else word
