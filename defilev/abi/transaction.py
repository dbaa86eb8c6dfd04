"""A call that changes state, before anyone signs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from defilev.abi.function import Function
from defilev.model.request import Address

__all__ = ["Transaction"]


@dataclass(frozen=True, slots=True)
class Transaction:
    """A call of `function` with `arguments` at `to`, which people call `contract`; sends no native currency."""

    to: Address
    contract: str
    function: Function
    arguments: tuple[Any, ...]

    @property
    def data(self) -> bytes:
        """The calldata."""
        return self.function.encode(*self.arguments)

    def described(self) -> tuple[tuple[str, str], ...]:
        """Return (name, value) of each argument in words."""
        return tuple((name, str(value)) for (name, _), value in zip(self.function.inputs, self.arguments, strict=True))
