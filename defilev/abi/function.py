"""Functions and custom errors of contracts, as values that encode and decode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from defilev.abi.codec import decode_tuple, encode_tuple, tuple_type
from defilev.abi.hashing import keccak
from defilev.abi.types import TupleType
from defilev.model.request import Address, Call

__all__ = ["Error", "Function", "Interface", "selector"]


def selector(signature: str) -> bytes:
    """Return the first four bytes of the hash of a signature such as `transfer(address,uint256)`."""
    return keccak(signature.encode())[:4]


@dataclass(frozen=True, slots=True)
class Function:
    """A contract function; `inputs` are (name, type) pairs, `outputs` types."""

    name: str
    inputs: tuple[tuple[str, str], ...]
    outputs: tuple[str, ...]
    selector: bytes = field(init=False)
    _arguments: TupleType = field(init=False, repr=False)
    _results: TupleType = field(init=False, repr=False)

    def __post_init__(self) -> None:
        types = tuple(kind for _, kind in self.inputs)
        object.__setattr__(self, "selector", selector(f"{self.name}({','.join(types)})"))
        object.__setattr__(self, "_arguments", tuple_type(types))
        object.__setattr__(self, "_results", tuple_type(self.outputs))

    def encode(self, *arguments: Any) -> bytes:
        """Return the calldata; raises `ValueError` when an argument does not fit its type."""
        return self.selector + encode_tuple(self._arguments, arguments)

    def call(self, to: Address, *arguments: Any) -> Call:
        """Return the read of this function at `to`."""
        return Call(to, self.encode(*arguments))

    def decode(self, data: bytes) -> tuple[Any, ...]:
        """Return the values that the function returned; raises `ValueError` when `data` is not such values."""
        return decode_tuple(self._results, data)

    def decode_one(self, data: bytes) -> Any:
        """Return the first value that the function returned; raises `ValueError` as `decode` does."""
        return self.decode(data)[0]

    def decode_arguments(self, calldata: bytes) -> dict[str, Any]:
        """Return the arguments of `calldata` by name, in order.

        Raises:
            ValueError: another selector, or anything but the one encoding of those arguments (trailing bytes too).
        """
        if calldata[:4] != self.selector:
            raise ValueError(f"not a call of {self.name}")
        values = decode_tuple(self._arguments, calldata[4:])
        if self.encode(*values) != calldata:
            raise ValueError(f"not the canonical encoding of a call of {self.name}")
        return {name: value for (name, _), value in zip(self.inputs, values, strict=True)}


@dataclass(frozen=True, slots=True)
class Error:
    """A custom error; `inputs` are (name, type) pairs."""

    name: str
    inputs: tuple[tuple[str, str], ...]
    selector: bytes = field(init=False)

    def __post_init__(self) -> None:
        signature = f"{self.name}({','.join(kind for _, kind in self.inputs)})"
        object.__setattr__(self, "selector", selector(signature))

    def decode(self, data: bytes) -> tuple[Any, ...]:
        """Return the error's arguments; raises `ValueError` when `data` is not this error."""
        if data[:4] != self.selector:
            raise ValueError(f"not {self.name}")
        return decode_tuple(tuple_type([kind for _, kind in self.inputs]), data[4:])


@dataclass(frozen=True, slots=True)
class Interface:
    """The functions of one contract by name, and its custom errors by selector."""

    functions: Mapping[str, Function]
    errors: Mapping[bytes, Error]

    def __getitem__(self, name: str) -> Function:
        return self.functions[name]

    def by_selector(self, calldata: bytes) -> Function | None:
        """Return the function that `calldata` calls, or `None` when it is not of this contract."""
        for function in self.functions.values():
            if function.selector == calldata[:4]:
                return function
        return None
