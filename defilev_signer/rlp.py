"""RLP, both ways; reading accepts nothing but the one encoding of a value."""

from __future__ import annotations

from typing import TypeAlias

__all__ = ["Item", "decode", "encode", "integer"]

Item: TypeAlias = "bytes | list[Item]"

_SHORT = 55
_STRING = 0x80
_LIST = 0xC0
_DEEPEST = 4


def decode(data: bytes) -> Item:
    """Return the value of which `data` is the encoding; raises `ValueError` when it is not exactly one."""
    item, end = _item(data, 0, 0)
    if end != len(data):
        raise ValueError(f"{len(data) - end} bytes follow the end")
    return item


def encode(item: Item) -> bytes:
    """Return the encoding."""
    if isinstance(item, list):
        return _with_length(b"".join(map(encode, item)), _LIST)
    if len(item) == 1 and item[0] < _STRING:
        return item
    return _with_length(item, _STRING)


def integer(number: int) -> bytes:
    """Return a number as transactions spell it: big-endian, without leading zeros, nothing for zero."""
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _with_length(body: bytes, kind: int) -> bytes:
    if len(body) <= _SHORT:
        return bytes([kind + len(body)]) + body
    size = integer(len(body))
    return bytes([kind + _SHORT + len(size)]) + size + body


def _item(data: bytes, start: int, depth: int) -> tuple[Item, int]:
    if start >= len(data):
        raise ValueError("it ends too early")
    first = data[start]
    if first < _STRING:
        return data[start : start + 1], start + 1
    kind = _LIST if first >= _LIST else _STRING
    begin, end = _body(data, start, first - kind)
    if kind == _LIST:
        return _members(data, begin, end, depth + 1), end
    body = data[begin:end]
    if len(body) == 1 and body[0] < _STRING:
        raise ValueError("a byte is written with a length that it does not need")
    return body, end


def _body(data: bytes, start: int, size: int) -> tuple[int, int]:
    """Return where a value that begins at `start` has its content."""
    begin = start + 1
    if size > _SHORT:
        digits = data[begin : begin + size - _SHORT]
        begin += size - _SHORT
        size = int.from_bytes(digits, "big")
        if size <= _SHORT or digits[:1] == b"\0":
            raise ValueError("a length is not written in its shortest form")
    if begin + size > len(data):
        raise ValueError("it ends too early")
    return begin, begin + size


def _members(data: bytes, begin: int, end: int, depth: int) -> list[Item]:
    if depth > _DEEPEST:
        raise ValueError("lists lie in lists too deeply")
    members: list[Item] = []
    while begin < end:
        member, begin = _item(data, begin, depth)
        members.append(member)
    if begin != end:
        raise ValueError("a list ends inside its last value")
    return members
