"""The grammar of ABI types, as frozen trees that the codec walks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["AbiType", "ArrayType", "BytesType", "TupleType", "WordType", "parse_type", "split_types"]


@dataclass(frozen=True, slots=True)
class WordType:
    """One 32-byte word: `kind` is uint, int, bool, address, or bytes (left-aligned); `size` in bits, or bytes."""

    kind: str
    size: int
    dynamic: bool = False
    words: int = 1


@dataclass(frozen=True, slots=True)
class BytesType:
    """`bytes`, or `string` when `text`."""

    text: bool
    dynamic: bool = True
    words: int = 1


@dataclass(frozen=True, slots=True)
class TupleType:
    """A tuple; `words` is the length of its head in 32-byte words when it is static."""

    items: tuple[AbiType, ...]
    dynamic: bool
    words: int


@dataclass(frozen=True, slots=True)
class ArrayType:
    """An array; `length` is `None` when it is dynamic."""

    item: AbiType
    length: int | None
    dynamic: bool
    words: int


AbiType = WordType | BytesType | TupleType | ArrayType

_ARRAY = re.compile(r"(.*)\[(\d*)\]")
_NUMBER = re.compile(r"(uint|int)(\d*)")
_FIXED_BYTES = re.compile(r"bytes(\d+)")
_WORD_BITS = 256
_WORD_BYTES = 32


def split_types(text: str) -> tuple[str, ...]:
    """Return the types of a comma-separated list, tuples kept whole: `a,(b,c)[]` gives `a` and `(b,c)[]`."""
    parts: list[str] = []
    depth = start = 0
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    if text:
        parts.append(text[start:])
    return tuple(parts)


@lru_cache(maxsize=1024)
def parse_type(text: str) -> AbiType:
    """Return the tree of an ABI type such as `(address,uint24)[]`; raises `ValueError` for what is not one."""
    if array := _ARRAY.fullmatch(text):
        return _array(parse_type(array[1]), int(array[2]) if array[2] else None)
    if text.startswith("(") and text.endswith(")"):
        return tuple_of(*(parse_type(part) for part in split_types(text[1:-1])))
    if text in ("bytes", "string"):
        return BytesType(text == "string")
    if number := _NUMBER.fullmatch(text):
        size = int(number[2] or _WORD_BITS)
        if size % 8 == 0 and 0 < size <= _WORD_BITS:
            return WordType(number[1], size)
    if (fixed := _FIXED_BYTES.fullmatch(text)) and 0 < int(fixed[1]) <= _WORD_BYTES:
        return WordType("bytes", int(fixed[1]))
    if text in ("address", "bool"):
        return WordType(text, 160 if text == "address" else 1)
    raise ValueError(f"{text!r} is not an ABI type")


def tuple_of(*items: AbiType) -> TupleType:
    """Return the tuple of `items`."""
    dynamic = any(item.dynamic for item in items)
    return TupleType(items, dynamic, 1 if dynamic else sum(item.words for item in items))


def _array(item: AbiType, length: int | None) -> ArrayType:
    dynamic = length is None or item.dynamic
    return ArrayType(item, length, dynamic, 1 if dynamic else item.words * (length or 0))
