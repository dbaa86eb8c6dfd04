"""The two encodings of Multicall3's `aggregate3`, by hand: thousands of calls must cost milliseconds.

Equal to the general codec on every input; a test holds them together.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from defilev.abi.function import selector
from defilev.model.request import Address, Call, CallResult

__all__ = ["SELECTOR", "call_size", "decode_results", "encode_calls"]

SELECTOR = selector("aggregate3((address,bool,bytes)[])")

_WORD = 32
_ARRAY_AT = (32).to_bytes(_WORD, "big")
_TRUE = (1).to_bytes(_WORD, "big")
_FLAGS = (bytes(_WORD), _TRUE)
_BYTES_AT = (96).to_bytes(_WORD, "big")
_FRAME = 5 * _WORD
"""Bytes around a call's data: its offset, target, flag, the offset of the data and its length."""


def call_size(call: Call) -> int:
    """Return the bytes that `call` adds to the calldata."""
    return _FRAME + len(call.data) + -len(call.data) % _WORD


def encode_calls(calls: Sequence[Call]) -> bytes:
    """Return the calldata that performs `calls`, each allowed to fail."""
    offset = _WORD * len(calls)
    offsets: list[bytes] = []
    bodies: list[bytes] = []
    for call in calls:
        offsets.append(offset.to_bytes(_WORD, "big"))
        size = len(call.data)
        padding = bytes(-size % _WORD)
        head = _target(call.to) + _TRUE + _BYTES_AT
        bodies.append(head + size.to_bytes(_WORD, "big") + call.data + padding)
        offset += call_size(call) - _WORD
    return b"".join([SELECTOR, _ARRAY_AT, len(calls).to_bytes(_WORD, "big"), *offsets, *bodies])


def decode_results(data: bytes, *, count: int) -> list[CallResult]:
    """Return the (success, returned bytes) pairs in what `aggregate3` returned.

    Raises:
        ValueError: not exactly `count` results, or offsets, lengths or flags that cannot be.
    """
    base = _word(data, 0) + _WORD
    if _word(data, base - _WORD) != count:
        raise ValueError("another number of results than of calls")
    return [_result(data, base + _word(data, base + index * _WORD)) for index in range(count)]


def _result(data: bytes, at: int) -> CallResult:
    success = data[at : at + _WORD]
    start = at + _word(data, at + _WORD)
    size = _word(data, start)
    returned = data[start + _WORD : start + _WORD + size]
    if len(returned) != size or success not in _FLAGS:
        raise ValueError("a result that is not one")
    return CallResult(success == _TRUE, returned)


def _word(data: bytes, at: int) -> int:
    word = data[at : at + _WORD]
    if len(word) != _WORD:
        raise ValueError("the data ends inside a word")
    return int.from_bytes(word, "big")


@lru_cache(maxsize=4096)
def _target(address: Address) -> bytes:
    target = bytes.fromhex(address[2:])
    if len(target) != 20:
        raise ValueError(f"{address!r} is not an address")
    return bytes(12) + target
