"""Revert data in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from defilev.abi.function import Error, Interface

__all__ = ["revert_reason"]

_TEXT = Error("Error", (("message", "string"),))
_PANIC = Error("Panic", (("code", "uint256"),))
_PANICS = {
    0x01: "assertion failed",
    0x11: "arithmetic overflow or underflow",
    0x12: "division by zero",
    0x21: "invalid enum value",
    0x31: "pop from an empty array",
    0x32: "array index out of bounds",
    0x41: "out of memory",
}


def revert_reason(data: bytes, interfaces: Iterable[Interface] = (), codes: Mapping[str, str] | None = None) -> str:
    """Return what revert `data` says.

    Args:
        data: the revert data, as returned by the node.
        interfaces: where to look for custom errors, the first match winning.
        codes: meanings of the short codes that a protocol uses as messages, such as "35".
    """
    if not data:
        return "reverted without a reason"
    try:
        if data[:4] == _TEXT.selector:
            return _in_words(_TEXT.decode(data)[0], codes or {})
        if data[:4] == _PANIC.selector:
            code = _PANIC.decode(data)[0]
            return f"Panic(0x{code:02x}): {_PANICS.get(code, 'unknown')}"
        for candidate in interfaces:
            if error := candidate.errors.get(data[:4]):
                return f"{error.name}({', '.join(str(value) for value in error.decode(data))})"
    except (ValueError, UnicodeDecodeError):
        pass
    return f"reverted with 0x{data.hex()}"


def _in_words(message: str, codes: Mapping[str, str]) -> str:
    return f"{message} ({codes[message]})" if message in codes else message
