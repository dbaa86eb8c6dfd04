"""Bytes that must not be shown; never prints, logs, copies or serialises them."""

from __future__ import annotations

from typing import NoReturn

__all__ = ["Secret"]


class Secret:
    """A password or a private key. `reveal` is the only way to its bytes, so that every use can be found."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "Secret(•••)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not copied or serialised")
