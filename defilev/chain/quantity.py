"""JSON-RPC's hex values, parsed strictly: a node's `"12"`, `null` or `0x` is an error, never a number."""

from __future__ import annotations

import re
from typing import Any, NoReturn

from defilev.abi import checksum
from defilev.errors import RpcMalformed
from defilev.model.request import Address

__all__ = ["parse_address_value", "parse_data", "parse_hash", "parse_object", "parse_quantity", "to_hex"]

_QUANTITY = re.compile(r"0x(?:0|[1-9a-fA-F][0-9a-fA-F]{0,63})")
_HASH = re.compile(r"0x[0-9a-fA-F]{64}")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_SHOWN = 60


def to_hex(value: int | bytes) -> str:
    """Return `value` as JSON-RPC writes quantities (`0x0`, no leading zeros) and data."""
    return hex(value) if isinstance(value, int) else "0x" + value.hex()


def parse_quantity(value: Any, *, what: str) -> int:
    """Return the non-negative integer of at most 256 bits that `value` says; raises `RpcMalformed`."""
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        _refuse(value, what, "a hex quantity")
    return int(value, 16)


def parse_data(value: Any, *, what: str) -> bytes:
    """Return the bytes that `value` says, `0x` being none; raises `RpcMalformed`."""
    if not isinstance(value, str) or not value.startswith("0x"):
        _refuse(value, what, "hex data")
    try:
        data = bytes.fromhex(value[2:])
    except ValueError:
        _refuse(value, what, "hex data")
    if 2 * len(data) != len(value) - 2:
        _refuse(value, what, "hex data")
    return data


def parse_hash(value: Any, *, what: str) -> str:
    """Return the 32-byte hash in lower case; raises `RpcMalformed`."""
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        _refuse(value, what, "a 32-byte hash")
    return value.lower()


def parse_address_value(value: Any, *, what: str) -> Address:
    """Return the address with its EIP-55 capitals, whatever the node's were; raises `RpcMalformed`."""
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
        _refuse(value, what, "an address")
    return checksum(value)


def parse_object(value: Any, *, what: str) -> dict[str, Any]:
    """Return the JSON object; raises `RpcMalformed` for anything else, `null` too."""
    if not isinstance(value, dict):
        _refuse(value, what, "an object")
    return value


def _refuse(value: Any, what: str, expected: str) -> NoReturn:
    shown = repr(value)
    raise RpcMalformed(
        f"the node's {what} is not {expected}", got=shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
    )
