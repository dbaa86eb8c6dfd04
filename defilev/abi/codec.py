"""Encoding and decoding of ABI values; strict in both directions.

Addresses decode to EIP-55 strings, `bytes` and `bytesN` to bytes, tuples and arrays to Python tuples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from defilev.abi.address import address_from_word
from defilev.abi.types import AbiType, ArrayType, BytesType, TupleType, WordType, parse_type, tuple_of

__all__ = ["decode", "decode_tuple", "encode", "encode_tuple", "tuple_type"]

_WORD = 32


def encode(types: Sequence[str], values: Sequence[Any]) -> bytes:
    """Return the ABI encoding of `values`, one per type; raises `ValueError` when a value does not fit its type."""
    return encode_tuple(tuple_type(types), values)


def decode(types: Sequence[str], data: bytes) -> tuple[Any, ...]:
    """Return the values in `data`; raises `ValueError` when it is too short or a word is not of its type."""
    return decode_tuple(tuple_type(types), data)


def tuple_type(types: Sequence[str]) -> TupleType:
    """Return the tuple of the named types, as arguments and return values are encoded."""
    return tuple_of(*(parse_type(kind) for kind in types))


def encode_tuple(kind: TupleType, values: Sequence[Any]) -> bytes:
    """Return the encoding of `values` as the members of `kind`."""
    if len(values) != len(kind.items):
        raise ValueError(f"{len(kind.items)} values expected, {len(values)} given")
    return _encode_members(kind.items, values)


def decode_tuple(kind: TupleType, data: bytes) -> tuple[Any, ...]:
    """Return the members of `kind` found in `data`."""
    return _decode_members(kind.items, memoryview(data))


def _encode_members(kinds: Sequence[AbiType], values: Sequence[Any]) -> bytes:
    offset = _WORD * sum(kind.words for kind in kinds)
    heads: list[bytes] = []
    tails: list[bytes] = []
    for kind, value in zip(kinds, values, strict=True):
        encoded = _encode_value(kind, value)
        if kind.dynamic:
            heads.append(offset.to_bytes(_WORD, "big"))
            tails.append(encoded)
            offset += len(encoded)
        else:
            heads.append(encoded)
    return b"".join(heads + tails)


def _encode_value(kind: AbiType, value: Any) -> bytes:
    match kind:
        case WordType():
            return _encode_word(kind, value)
        case BytesType():
            raw = value.encode() if kind.text else bytes(value)
            return len(raw).to_bytes(_WORD, "big") + raw + bytes(-len(raw) % _WORD)
        case TupleType():
            return encode_tuple(kind, value)
        case ArrayType():
            if kind.length is not None and len(value) != kind.length:
                raise ValueError(f"{kind.length} items expected, {len(value)} given")
            count = b"" if kind.length is not None else len(value).to_bytes(_WORD, "big")
            return count + _encode_members((kind.item,) * len(value), value)


def _encode_word(kind: WordType, value: Any) -> bytes:
    if kind.kind == "address":
        if len(value) != 42 or not value.startswith("0x"):
            raise ValueError(f"{value!r} is not an address")
        return bytes(12) + bytes.fromhex(value[2:])
    if kind.kind == "bytes":
        if len(value) != kind.size:
            raise ValueError(f"{kind.size} bytes expected, {len(value)} given")
        return bytes(value) + bytes(_WORD - kind.size)
    low, high = _range(kind)
    if not isinstance(value, int) or not low <= value <= high or (kind.kind != "bool" and isinstance(value, bool)):
        raise ValueError(f"{value!r} does not fit {kind.kind}{kind.size}")
    return (int(value) % 2**256).to_bytes(_WORD, "big")


def _decode_members(kinds: Sequence[AbiType], data: memoryview) -> tuple[Any, ...]:
    values: list[Any] = []
    position = 0
    for kind in kinds:
        if kind.dynamic:
            values.append(_decode_value(kind, data[_length(data, position) :]))
            position += _WORD
        else:
            values.append(_decode_value(kind, data[position:]))
            position += _WORD * kind.words
    return tuple(values)


def _decode_value(kind: AbiType, data: memoryview) -> Any:
    match kind:
        case WordType():
            return _decode_word(kind, data)
        case BytesType():
            size = _length(data, 0)
            raw = bytes(data[_WORD : _WORD + size])
            if len(raw) != size:
                raise ValueError("the data ends inside a byte string")
            return raw.decode() if kind.text else raw
        case TupleType():
            return _decode_members(kind.items, data)
        case ArrayType():
            if kind.length is not None:
                return _decode_members((kind.item,) * kind.length, data)
            count = _length(data, 0)
            return _decode_members((kind.item,) * count, data[_WORD:])


def _length(data: memoryview, position: int) -> int:
    """Return an offset or a count, which can never exceed the data that it describes."""
    word = data[position : position + _WORD]
    value = int.from_bytes(word, "big")
    if len(word) != _WORD or value > len(data):
        raise ValueError("an offset or length points outside the data")
    return value


def _decode_word(kind: WordType, data: memoryview) -> Any:
    word = data[:_WORD]
    if len(word) != _WORD:
        raise ValueError("the data ends inside a word")
    if kind.kind == "bytes":
        if any(word[kind.size :]):
            raise ValueError(f"a word is longer than bytes{kind.size}")
        return bytes(word[: kind.size])
    value = int.from_bytes(word, "big", signed=kind.kind == "int")
    low, high = _range(kind)
    if not low <= value <= high:
        raise ValueError(f"{value} does not fit {kind.kind}{kind.size}")
    if kind.kind == "address":
        return address_from_word(value)
    return bool(value) if kind.kind == "bool" else value


def _range(kind: WordType) -> tuple[int, int]:
    if kind.kind == "int":
        return -(2 ** (kind.size - 1)), 2 ** (kind.size - 1) - 1
    return 0, 2**kind.size - 1
